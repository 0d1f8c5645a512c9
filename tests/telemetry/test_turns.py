from __future__ import annotations

import signal
import threading

import pytest

from telemetry.tally import Tallies
from telemetry.tasks.facts import Sent
from telemetry.tasks.lifecycle import Lifecycle
from telemetry.tasks.turns import Turns


def test_threads_lose_nothing() -> None:
    """Many threads write at once; everything is counted once, and no reading is halfway."""
    turns = Turns()
    lifecycle = Lifecycle(Tallies())
    books = lifecycle.books(turns)
    begin = threading.Barrier(8)

    def work(thread: int) -> None:
        begin.wait()
        for number in range(2000):
            delivery = (thread, number)
            books.received((delivery, "a", "q", ()))
            books.started((delivery, 1.0, 0.5))
            books.succeeded((delivery, 0.25))
            books.record(Sent("a", "q"))

    def numbers() -> dict[str, tuple[float, ...]]:
        return {
            reading.metric.name.removeprefix("celery.task."): reading.numbers
            for reading in turns.read(lifecycle.readings)
            if reading.attributes[:2] == ("a", "q")
        }

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        now = numbers()
        if "queue_wait" in now:
            assert now["success"] <= now["started"] <= now["received"]
            assert sum(now["queue_wait"][1:]) == now["started"][0]
    now = numbers()
    for name in ("sent", "received", "started", "success"):
        assert now[name] == (16_000,)
    assert sum(now["runtime"][1:]) == 16_000
    assert now["queue_wait"][0] == 8_000


def test_a_signal_handler_never_waits_for_the_thread_it_interrupted() -> None:
    """A call from a handler is made by the work that it interrupted."""
    seen: list[str] = []

    def see(what: str) -> None:
        if what == "outer":
            signal.raise_signal(signal.SIGUSR1)
        seen.append(what)

    take = Turns().taking(see)
    before = signal.signal(signal.SIGUSR1, lambda *_: take("inner"))
    try:
        take("outer")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["outer", "inner"]


def test_an_error_stops_one_call_only() -> None:
    """Whoever was at work hears of it, and whatever waited is done all the same."""
    seen: list[int] = []
    turns = Turns()

    def divide(number: int) -> None:
        if number == 0:
            take(1)  # waits: this one has the turn
            take(2)
        seen.append(2 // number)

    take = turns.taking(divide)
    with pytest.raises(ZeroDivisionError):
        take(0)
    take(-1)
    assert turns.read(lambda: list(seen)) == [2, 1, -2]


def test_who_waits_is_not_overtaken() -> None:
    """What was called first is done first, also by one who finds the turn free."""
    seen: list[str] = []
    turns = Turns()
    see = turns.taking(seen.append)

    def fail(what: str) -> None:
        see(what)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        turns.taking(fail)("first")
    see("second")
    assert seen == ["first", "second"]
