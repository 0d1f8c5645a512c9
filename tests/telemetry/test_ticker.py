from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from telemetry.ticker import Ticker

if TYPE_CHECKING:
    import pytest


def test_it_works_at_every_interval_and_one_last_time() -> None:
    """From start to stop, and never again after it."""
    done = threading.Semaphore(0)
    ticker = Ticker(done.release, 0.01)
    ticker.start()
    for _ in range(3):
        assert done.acquire(timeout=10)
    assert ticker.stop(10)
    before = done._value
    assert ticker.stop(10)
    assert done._value == before


def test_a_stop_or_a_flush_does_the_work_at_once() -> None:
    """Long before the interval is over, in the ticker's own thread."""
    threads: list[str] = []
    ticker = Ticker(lambda: threads.append(threading.current_thread().name), 3600)
    ticker.start()
    assert ticker.flush(10)
    assert ticker.stop(10)
    assert threads == ["telemetry", "telemetry"]


def test_whoever_waits_for_it_waits_no_longer_than_said() -> None:
    """Work that hangs holds up neither a flush nor a stop."""
    hang = threading.Event()
    ticker = Ticker(hang.wait, 3600)  # type: ignore[arg-type]
    ticker.start()
    assert not ticker.flush(0.01)
    assert not ticker.stop(0.01)
    hang.set()
    assert ticker.stop(10)


def test_work_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """An error ends the try, not the thread."""
    ticker = Ticker(lambda: 1 // 0, 3600)  # type: ignore[arg-type]
    ticker.start()
    assert ticker.flush(10)
    assert ticker.flush(10)
    assert ticker.stop(10)
    assert caplog.text.count("ZeroDivisionError") == 3


def test_one_that_never_began_ends_at_once() -> None:
    """A worker may fail before its work begins."""
    assert Ticker(lambda: None, 3600).stop(10)


def test_signals_are_left_to_the_other_threads() -> None:
    """The TERM that a pool sends to a dying process must not find the one thread that takes it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    blocked: list[set[int]] = []
    ticker = Ticker(lambda: blocked.append({*signal.pthread_sigmask(signal.SIG_BLOCK, ())}), 3600)
    ticker.start()
    assert ticker.stop(10)
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} <= blocked[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
