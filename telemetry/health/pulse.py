"""What a worker's loop says about itself: stamps that cost an assignment, made by the loop alone.

Comes in: calls from the worker's main loop. Goes out: the attributes here, for whoever looks. A
stamp writes no file and takes no lock: a disk that hangs must not hold up a loop. It knows no
Celery.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from telemetry.health import state as states

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.health.state import Handing


class Pulse:
    """The loop of one worker."""

    def __init__(self) -> None:
        self.phase = states.STARTING
        self.since = self.turned = monotonic()
        self._handed: tuple[Any, float] | None = None
        self._look: Callable[[Any, float], Handing] | None = None
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
        if self.phase is not states.CONSUMING:
            self._enter(states.CONSUMING)

    def turning_by(self, call: Callable[[], object]) -> Callable[[], None]:
        """`call`, which the loop makes at each turn: for every task, where it knows no events."""

        def turn() -> None:
            self.turned = monotonic()  # as `turns` does, without a call
            if self.phase is not states.CONSUMING:
                self._enter(states.CONSUMING)
            call()

        return turn

    def connects(self) -> None:
        """The main thread is about to look for the broker."""
        self.turned = monotonic()
        if self.phase != states.CONNECTING:
            self._enter(states.CONNECTING)

    def stops(self) -> None:
        """The worker has been told to stop; whatever follows is part of that."""
        self._enter(states.STOPPING)

    def handing_by(
        self, give: Callable[[Any], object], look: Callable[[Any, float], Handing]
    ) -> Callable[[Any], None]:
        """`give`, which hands a task to the pool and may take as long as a task.

        `look(task, since)` describes one, in the thread that wants to know.
        """
        self._look = look

        def hand(task: Any) -> None:  # noqa: ANN401 - whatever `give` takes
            if threading.get_ident() != self._thread:  # a timer's, and the loop turns on
                give(task)
                return
            self._handed = (task, monotonic())
            try:
                give(task)
            finally:
                self.turned = monotonic()
                self._handed = None

        return hand

    @property
    def handing(self) -> Handing | None:
        """What is being handed to the pool now; from any thread."""
        handed = self._handed
        return None if handed is None or self._look is None else self._look(*handed)

    def _enter(self, phase: str) -> None:
        if self.phase != states.STOPPING:
            self.phase, self.since = phase, monotonic()
