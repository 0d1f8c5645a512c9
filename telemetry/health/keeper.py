"""Keeps a worker's state file: every second, what its loop last said about itself.

Comes in: a pulse, and what else there is to say. Goes out: the file, written by a thread of its
own. The thread never vouches for the loop: the loop's stamps are in the file as the loop made them,
and grow old there when it makes no more. It is needed where a task holds up the loop (the solo pool
runs it there) and where a disk hangs, which must hold up no loop.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from telemetry.health import state_file
from telemetry.health.state import NO_CANARY, State
from telemetry.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.health.pulse import Pulse

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0
STOP_SECONDS = 1.0
"""How long a write under way may hold up the worker's exit."""


class Beside(NamedTuple):
    """What is to be said beside the loop's own stamps."""

    queues: int
    exports: bool
    canary: str = NO_CANARY
    canary_seconds: float | None = None


class Keeper:
    """The file of one worker, from its start to its end."""

    def __init__(
        self, environ: Mapping[str, str], node: str, pulse: Pulse, beside: Callable[[], Beside]
    ) -> None:
        self._node = node
        self._pulse = pulse
        self._beside = beside
        self._started = time.time()
        self._ticker = Ticker(self._write, WRITE_SECONDS)
        self._failed = False
        self._path = ""
        try:
            self._path = state_file.path_of(state_file.writable(environ), node)
        except state_file.UnusableError as error:
            logger.warning("no state file, `portless health` will know nothing: %s", error)
            return
        self._write()

    def start(self) -> None:
        """Write from now on."""
        if self._path:
            self._ticker.start()

    def stop(self) -> None:
        """Take the file away: there is no worker any more."""
        if self._path:
            self._ticker.stop(STOP_SECONDS)
            state_file.remove(self._path)

    def state(self) -> State:
        """What is so now."""
        pulse = self._pulse
        beside = self._beside()
        return State(
            node=self._node,
            pid=os.getpid(),
            started=self._started,
            phase=pulse.phase,
            since=pulse.since,
            turned=pulse.turned,
            handing=pulse.handing,
            written=time.monotonic(),
            **beside._asdict(),
        )

    def _write(self) -> None:
        try:
            state_file.write(self._path, self.state())
        except OSError as error:
            if not self._failed:
                logger.warning(
                    "the state file %s cannot be written (%s); `portless health` calls this worker "
                    "dead until it can",
                    self._path,
                    error.strerror,
                )
            self._failed = True
        else:
            self._failed = False
