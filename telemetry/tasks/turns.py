"""Calls from any thread, made one at a time, without anybody ever waiting for a turn.

Whoever calls while nobody is at work does the work; if somebody is, that one does it too. So a hook
never blocks, not in a signal handler that interrupted its own thread at work and not in a greenlet.
It knows nothing of what is done.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")
A = TypeVar("A")


class Turns:
    """The one door to state that is not thread-safe."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._turn = threading.Lock()

    def taking(self, body: Callable[[A], None]) -> Callable[[A], None]:
        """`body`, called at its turn: now, or by the thread that is at it.

        With one argument, since handing on any number of them takes longer than a body does.
        Raises what `body` raises, or what any that waited raises; each is called all the same.
        """
        waiting, work_off = self._waiting, self._work_off
        acquire, release = self._turn.acquire, self._turn.release

        def take(said: A) -> None:
            if waiting or not acquire(False):  # noqa: FBT003 - by name it takes as long again
                waiting.append((body, said))
            else:
                try:
                    body(said)
                finally:
                    release()
            # Asked after each turn: a call may have come while this thread was leaving.
            while waiting and acquire(False):  # noqa: FBT003 - likewise
                try:
                    work_off()
                finally:
                    release()

        return take

    def read(self, reader: Callable[[], R]) -> R:
        """What `reader` returns while every call so far is made and none is halfway."""
        with self._turn:
            self._work_off()
            return reader()

    def _work_off(self) -> None:
        while self._waiting:  # only whoever has the turn takes any out
            body, said = self._waiting.popleft()
            body(said)
