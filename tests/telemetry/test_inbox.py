from __future__ import annotations

import signal
import threading

import pytest

from telemetry.tally import Tallies
from telemetry.tasks.facts import Fact, Finished, Received, Sent, Started
from telemetry.tasks.inbox import Inbox
from telemetry.tasks.lifecycle import Lifecycle


def test_threads_lose_nothing() -> None:
    """Many threads record at once; every fact is counted once."""
    tallies = Tallies()
    inbox: Inbox[Fact] = Inbox(Lifecycle(tallies).apply)
    begin = threading.Barrier(8)

    def work(thread: int) -> None:
        begin.wait()
        for number in range(2000):
            delivery = thread * 10_000 + number
            inbox.record(Received(delivery, "a", "q"))
            inbox.record(Started(delivery, 1.0, 0.5))
            inbox.record(Finished(delivery, "success", "", 2.0, 0.25))
            inbox.record(Sent("a", "q"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        numbers = _numbers(inbox, tallies)
        if numbers:
            (started,) = numbers["celery.task.started"]
            assert numbers["celery.task.success"][0] <= started
            assert started <= numbers["celery.task.received"][0]
    readings = _numbers(inbox, tallies)
    for name in ("sent", "received", "started", "success"):
        assert readings[f"celery.task.{name}"] == (16_000,)
    assert sum(readings["celery.task.runtime"][1:]) == 16_000
    assert readings["celery.task.queue_wait"][0] == 8_000


def _numbers(inbox: Inbox[Fact], tallies: Tallies) -> dict[str, tuple[float, ...]]:
    return {
        reading.metric.name: reading.numbers
        for reading in inbox.read(tallies.readings)
        if reading.attributes[:2] == ("a", "q")
    }


def test_a_signal_handler_never_waits_for_the_thread_it_interrupted() -> None:
    """A fact from a handler is taken along by the work that it interrupted."""
    seen: list[str] = []

    def apply(fact: str) -> None:
        if fact == "outer":
            signal.raise_signal(signal.SIGUSR1)
        seen.append(fact)

    inbox: Inbox[str] = Inbox(apply)
    before = signal.signal(signal.SIGUSR1, lambda *_: inbox.record("inner"))
    try:
        inbox.record("outer")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["outer", "inner"]


def test_an_error_stops_one_fact_only() -> None:
    """Whoever was at work hears of it, and the next fact is applied all the same."""
    seen: list[int] = []

    def apply(fact: int) -> None:
        seen.append(1 // fact)

    inbox: Inbox[int] = Inbox(apply)
    with pytest.raises(ZeroDivisionError):
        inbox.record(0)
    inbox.record(1)
    assert inbox.read(lambda: list(seen)) == [1]
