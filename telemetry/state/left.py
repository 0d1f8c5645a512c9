"""What workers left that will not come back: sent a last time, in their own name, and removed.

Comes in: a directory and a way to send. Goes out: for each file what became of it. What was in hand
is settled on the way: it counts as lost. Sending twice is harmless, since the numbers are
cumulative and bear the start time of their own life; so a file is removed only once it was taken.

A file that is locked has a worker that lives. One that is not may be of a worker that is just being
started again: `Neighbours` give it time, and a person who runs `portless flush` knows.
"""

from __future__ import annotations

import enum
import logging
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from telemetry import catalog
from telemetry.catalog import Kind
from telemetry.state import files, layout
from telemetry.state.held import Taken, hold, is_held
from telemetry.state.layout import Damaged
from telemetry.tally import Reading
from telemetry.tasks.settle import WORKER_DIED, in_hand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from telemetry.state.held import Held
    from telemetry.state.layout import Contents, Head

    Send: TypeAlias = Callable[[Head, list[Reading]], bool]
    """Whether the collector took the readings."""

logger = logging.getLogger(__name__)

RESERVED = catalog.QUEUE_RESERVED.name
"""A gauge of the worker's own hands, by queue."""
LOOK_SECONDS = 10.0
"""Between two looks into the directory."""
PATIENCE_SECONDS = 60.0
"""How long a file has to be free until its worker counts as gone: supervisors take seconds."""


class Fate(enum.Enum):
    """What became of a file."""

    SENT = "sent, and removed"
    LIVES = "its worker lives"
    REFUSED = "the collector did not take it; it is kept"
    DAMAGED = "damaged, and set aside"
    UNREADABLE = "not readable for this user"
    GONE = "gone meanwhile"


class Flushed(NamedTuple):
    """A file, and what became of it."""

    path: Path
    fate: Fate
    lost: int = 0
    """Messages that its worker had in hand."""


def candidates(directory: Path) -> list[Path]:
    """Every state file there, in a fixed order. Raises `OSError`."""
    wanted = {files.LIFE, files.LEFT}
    return sorted(path for path in directory.iterdir() if path.suffix in wanted)


def flush(path: Path, send: Send) -> Flushed:
    """Send what stands in a file whose worker is gone, and remove it."""
    try:
        held = hold(path)
    except Taken:
        return Flushed(path, Fate.LIVES)
    except FileNotFoundError:
        return Flushed(path, Fate.GONE)
    except OSError:
        return Flushed(path, Fate.UNREADABLE)
    try:
        return _flush(path, held, send)
    except OSError as error:
        logger.warning("%s cannot be worked on: %s", path, error.strerror)
        return Flushed(path, Fate.UNREADABLE)
    finally:
        held.close()


def _flush(path: Path, held: Held, send: Send) -> Flushed:
    data = held.read()
    if layout.is_blank(data):
        held.remove()
        return Flushed(path, Fate.GONE)
    try:
        contents = layout.decode(data)
    except Damaged as why:
        files.set_aside(held, why)
        return Flushed(path, Fate.DAMAGED)
    # From here on it is no longer in the way of a worker of that name.
    if not files.leave(held, contents.head):
        return Flushed(path, Fate.GONE)
    readings, lost = settled(contents, followed=is_held(files.life_of(held.path)))
    if not send(contents.head, readings):
        return Flushed(path, Fate.REFUSED, lost)
    held.remove()
    return Flushed(path, Fate.SENT, lost)


def settled(contents: Contents, *, followed: bool) -> tuple[list[Reading], int]:
    """The last word of a life, said by another, and how many messages were in hand.

    `followed`: a worker of that name lives; then its gauges are its own. Otherwise those that say
    what it had in hand read 0, and what it measured elsewhere is not known. That it stopped nobody
    says for it: its `up` ends without a 0, which is how an alert knows that it was not meant to.
    """
    head = contents.head
    readings = {
        (series.reading.metric.name, series.reading.attributes): series.reading
        for series in contents.series
        if series.reading.metric.kind is not Kind.GAUGE
    }
    held = in_hand(readings.values(), head.received, head.outcomes)
    for metric in head.metrics:
        if metric.name == catalog.LOST.name:
            for names, number in held.items():
                values = (*names, WORKER_DIED)
                known = readings.get((metric.name, values), Reading(metric, values, (0.0,)))
                readings[metric.name, values] = known._replace(numbers=(known.numbers[0] + number,))
    said = [*readings.values(), *(() if followed else _gauges(contents))]
    # Those of one metric side by side, as an export has them.
    return sorted(said, key=lambda reading: reading.metric.name), sum(held.values())


def _gauges(contents: Contents) -> list[Reading]:
    return [
        reading._replace(numbers=(0.0,))
        for reading, _ in contents.series
        if reading.metric.kind is Kind.GAUGE
        and ("hostname" in reading.metric.attributes or reading.metric.name == RESERVED)
        and reading.metric.name != catalog.UP.name
    ]


class Neighbours:
    """A living worker looks after what others on its host have left, a file at a time."""

    def __init__(self, directory: Path, send: Send) -> None:
        self._directory = directory
        self._send = send
        self._free_since: dict[Path, float] = {}
        self._due: deque[Path] = deque()
        self._looked: float | None = None

    def visit(self, now_seconds: float) -> Flushed | None:
        """Flush one file that is due; on the monotonic clock. Raises `OSError`."""
        if self._looked is None or now_seconds - self._looked >= LOOK_SECONDS:
            self._looked = now_seconds
            self._look(now_seconds)
        if not self._due:
            return None
        path = self._due.popleft()
        self._free_since.pop(path, None)
        return flush(path, self._send)

    def _look(self, now_seconds: float) -> None:
        free = [path for path in candidates(self._directory) if _is_free(path)]
        self._free_since = {path: self._free_since.get(path, now_seconds) for path in free}
        self._due = deque(
            path
            for path, since in self._free_since.items()
            if path.suffix == files.LEFT or now_seconds - since >= PATIENCE_SECONDS
        )


def _is_free(path: Path) -> bool:
    try:
        return not is_held(path)
    except OSError:  # another user's
        return False
