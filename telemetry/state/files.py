"""The names of state files, and what a name means: going on, left to be sent, set aside.

    SERVICE.INSTANCE.tally         a life: held by its worker, or that one died and may come back
    SERVICE.INSTANCE.START.left    a life that is over, to be sent a last time
    SERVICE.INSTANCE.tally.damaged what could not be read; the last one of that name

It knows no format and no collector.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from telemetry.state.held import Held
    from telemetry.state.layout import Head

logger = logging.getLogger(__name__)

LIFE = ".tally"
LEFT = ".left"
DAMAGED = ".damaged"
LEFT_MAX = 1000
"""In one directory; each is some KiB, and any worker that reaches the collector removes them."""
_NAME_MAX = 120
"""Characters; file systems take 255 bytes with what is appended."""


def name(resource: Mapping[str, Any]) -> str:
    """The file of the life that goes on under this identity."""
    parts = (resource.get("service.name"), resource.get("service.instance.id"))
    text = ".".join(quote(str(part), safe="@-_") for part in parts)
    if len(text) > _NAME_MAX:
        text = f"{text[:_NAME_MAX]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return text + LIFE


def life_of(path: Path) -> Path:
    """Where the successor of a life that was left has its file."""
    if path.suffix == LIFE:
        return path
    return path.with_name(path.name.removesuffix(LEFT).rpartition(".")[0] + LIFE)


def leave(held: Held, head: Head) -> bool:
    """The life is over: leave it to be sent. False where so many are that it is forgotten."""
    if held.path.suffix == LEFT:
        return True
    directory = held.path.parent
    if sum(1 for _ in directory.glob(f"*{LEFT}")) >= LEFT_MAX:
        logger.warning(
            "%s has %s files that wait to be sent; %s is deleted. Run portless flush where the "
            "collector can be reached",
            directory,
            LEFT_MAX,
            held.path.name,
        )
        held.remove()
        return False
    base = held.path.name.removesuffix(LIFE)
    held.rename(directory / f"{base}.{head.start_unix_nano}{LEFT}")
    return True


def set_aside(held: Held, why: Exception) -> None:
    """Keep what cannot be read for whoever wants to look at it, out of the way."""
    path = held.path
    aside = life_of(path).with_suffix(LIFE + DAMAGED)
    held.rename(aside)
    logger.warning(
        "%s cannot be read: %s. It is kept as %s; what was counted in it is lost as far as it was "
        "not sent",
        path,
        why,
        aside.name,
    )
