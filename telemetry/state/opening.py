"""A worker begins: its state file is found and continued, or begun anew; or it does without.

Comes in: the directory, and whose life it is to be. Goes out: a store, in the file if that can be,
else in memory. Nothing here stops a start: whatever is wrong is said, and told to `failed` under a
reason of `celery.telemetry.state.failures`. It knows neither Celery nor OpenTelemetry.

A life goes on only if the collector will know it as the same source: same resource, same
catalogue. And only within one run of the system: what the system had not written to the disk when
it stopped is missing in the file, and had been sent. Otherwise the old life is left, to be sent a
last time under its own name, and a new one begins.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telemetry import catalog
from telemetry.state import files, layout
from telemetry.state.cells import SIZE, Mapped
from telemetry.state.held import Taken, hold
from telemetry.state.layout import Damaged, Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from telemetry.catalog import Metric
    from telemetry.state.held import Held

logger = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux, proc_sys_kernel(5); elsewhere a life goes on over a restart of the system."""
_TRIES = 3
"""A file that is damaged or another life's makes room at the first."""


def open_store(
    directory: Path,
    resource: Mapping[str, Any],
    start_unix_nano: int,
    failed: Callable[[str], None],
    metrics: Iterable[Metric] = catalog.METRICS,
) -> Mapped | None:
    """The cells of the worker with this resource; None where they have to live in memory.

    `start_unix_nano` is when its life begins if that is not there already.
    """
    # As they will be read again: attributes may be tuples.
    said = json.loads(json.dumps(dict(resource), sort_keys=True))
    head = Head(start_unix_nano, _boot(), said, tuple(metrics))
    path = directory / files.name(said)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(_TRIES):
            held = hold(path, create=True)
            try:
                contents = _continued(held, head, failed)
                if contents is not None:
                    return Mapped(held, contents, failed)
            except BaseException:
                held.close()
                raise
            held.close()
    except Taken:
        logger.warning(
            "another worker that lives is called %s and holds %s; this one counts in memory, and "
            "what it counts ends with it. Give each worker a node name of its own (-n)",
            said.get("service.instance.id"),
            path,
        )
        failed("taken")
    except OSError as error:
        logger.warning(
            "%s cannot be used (%s); this worker counts in memory, and what it counts ends with "
            "it. It has to be a directory on a local disk that this user may write",
            path,
            error.strerror,
        )
        failed("unwritable")
    return None


def _continued(held: Held, head: Head, failed: Callable[[str], None]) -> layout.Contents | None:
    """What stands in the file, made to be of this life; None if the file had to make room."""
    data = held.read()
    if layout.is_blank(data):
        return _begun(held, head)
    try:
        contents = layout.decode(data, head.metrics)
    except Damaged as why:
        files.set_aside(held, why)
        failed("damaged")
        return None
    if contents.head.continues(head):
        return contents
    if not files.leave(held, contents.head):
        failed("too_many")
    return None


def _begun(held: Held, head: Head) -> layout.Contents:
    text = layout.encode_head(head)
    held.extend(max(SIZE, len(text)))
    with held.mapped() as memory:
        memory[layout.SEAL_AT + 8 : len(text)] = text[layout.SEAL_AT + 8 :]
        memory[: layout.SEAL_AT + 8] = text[: layout.SEAL_AT + 8]
    return layout.decode(text, head.metrics)


def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
