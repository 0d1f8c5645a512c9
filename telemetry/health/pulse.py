"""What a worker's loop says about itself: stamps that cost an assignment, made by the loop alone.

Comes in: calls from the worker's main loop. Goes out: the attributes here, for whoever looks. A
stamp writes no file and takes no lock: a disk that hangs must not hold up a loop. It knows no
Celery.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from telemetry.health import state as states
from telemetry.health.state import Handing

if TYPE_CHECKING:
    from collections.abc import Callable


class Pulse:
    """The loop of one worker."""

    def __init__(self) -> None:
        self.phase = states.STARTING
        self.since = self.turned = monotonic()
        self.handing: Handing | None = None
        self._thread = 0

    def begins(self) -> None:
        """The loop is about to run in this thread, or greenlet."""
        self._thread = threading.get_ident()
        self.sign()

    def sign(self) -> None:
        """The main thread is at work, though its loop does not run."""
        self.turned = monotonic()

    def turns(self) -> None:
        """The loop turned; it only does so while there is a connection to consume from."""
        self.turned = monotonic()
        if self.phase != states.CONSUMING:
            self._enter(states.CONSUMING)

    def connects(self) -> None:
        """The main thread is about to look for the broker."""
        self.turned = monotonic()
        if self.phase != states.CONNECTING:
            self._enter(states.CONNECTING)

    def stops(self) -> None:
        """The worker has been told to stop; whatever follows is part of that."""
        self._enter(states.STOPPING)

    def hand(
        self, task_name: str, limit_seconds: float | None, give: Callable[[], None], *, runs: bool
    ) -> None:
        """Hand a task to the pool by `give`, which may take as long as a task."""
        if threading.get_ident() != self._thread:  # a timer's, and the loop turns on
            give()
            return
        self.handing = Handing(task_name, monotonic(), runs, limit_seconds)
        try:
            give()
        finally:
            self.handing = None
            self.turned = monotonic()

    def _enter(self, phase: str) -> None:
        if self.phase != states.STOPPING:
            self.phase, self.since = phase, monotonic()
