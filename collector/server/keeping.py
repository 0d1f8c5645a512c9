"""The journal's work between requests: states are written bit by bit, files synced in a thread.

It knows when, and nothing of what is written.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.river import River

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""How long nothing is written that need not be; also between two syncs."""
PAUSE_SECONDS = 0.02
"""Between two pieces of a state, of some milliseconds each: requests come first."""


async def write_states(river: River, clock: Callable[[], float]) -> None:
    """Write states whenever journals have grown."""
    while True:
        is_busy = river.keep(clock())
        await asyncio.sleep(PAUSE_SECONDS if is_busy else IDLE_SECONDS)


async def sync(river: River) -> None:
    """Let what was written outlive the machine; the loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(IDLE_SECONDS)
        for handle in river.syncing():
            await loop.run_in_executor(None, _sync, handle)


def _sync(handle: int) -> None:
    try:
        os.fdatasync(handle)
    except OSError as error:
        log.warning("the journal cannot be synced: %s", error.strerror)
    finally:
        os.close(handle)
