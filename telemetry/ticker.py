"""A thread that works at every interval, at once when asked, and one last time when it ends.

Comes in: the work, a callable. It is only ever called from this thread, so it never runs twice at a
time, and whoever asks for it waits for a bounded time and no longer. It knows nothing of the work.
Where a library has replaced threads by greenlets, this is one of them.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Ticker:
    """Calls `work` every `interval_seconds` from `start` to `stop`."""

    def __init__(self, work: Callable[[], None], interval_seconds: float) -> None:
        self._work = work
        self._interval_seconds = interval_seconds
        self._wake = threading.Event()
        self._waiting: list[threading.Event] = []
        self._stopping = False
        # A daemon: a process that ends in a hurry must not wait for a collector.
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Begin; the first work is done one interval from now.

        Signals are left to the other threads. A dying pool process blocks SIGTERM in its main
        thread while it holds a lock that the pool shares; delivered here, it would end the process
        with the lock, and the pool with it.
        """
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            self._thread.start()
            return
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def wake(self) -> None:
        """Work soon; whoever asks while it works has it done once more."""
        self._wake.set()

    def flush(self, timeout_seconds: float) -> bool:
        """Work now; whether it was done in time."""
        done = threading.Event()
        self._waiting.append(done)
        self._wake.set()
        return done.wait(timeout_seconds)

    def stop(self, timeout_seconds: float) -> bool:
        """Work one last time and end; whether that was done in time."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self._wake.wait(self._interval_seconds)
            self._wake.clear()
            stopping = self._stopping
            waiting, self._waiting = self._waiting, []
            try:
                self._work()
            except Exception:
                logger.exception("telemetry could not be exported; it is tried again")
            for done in waiting:
                done.set()
