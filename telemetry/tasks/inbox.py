"""Facts from any thread, applied one at a time, without anybody ever waiting for a turn.

Whoever records a fact puts it in the inbox and, if nobody is at work there, works the inbox off; if
somebody is, that one takes it along. So a hook never blocks, not in a signal handler that
interrupted its own thread at work and not in a greenlet. It knows nothing of what the facts say.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F")
R = TypeVar("R")


class Inbox(Generic[F]):
    """The one door to state that is not thread-safe."""

    def __init__(self, apply: Callable[[F], None]) -> None:
        self._apply = apply
        self._facts: deque[F] = deque()
        self._turn = threading.Lock()

    def record(self, fact: F) -> None:
        """Apply `fact`, now or by the thread that is at it; raises what `apply` raises."""
        waiting = self._facts
        waiting.append(fact)
        # Asked again after each turn: a fact may have come while this thread was leaving.
        while waiting and self._turn.acquire(False):  # noqa: FBT003 - by name it takes as long again
            try:
                while waiting:  # as in `_work_off`, without a call
                    self._apply(waiting.popleft())
            finally:
                self._turn.release()

    def read(self, reader: Callable[[], R]) -> R:
        """What `reader` returns while every fact so far is applied and none is halfway."""
        with self._turn:
            self._work_off()
            return reader()

    def _work_off(self) -> None:
        while self._facts:  # only whoever has the turn takes any out
            self._apply(self._facts.popleft())
