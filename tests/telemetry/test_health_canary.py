"""What becomes of a canary is read off what is known of it; its deliveries are nobody's tasks."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pytest

from telemetry import catalog
from telemetry.health import canary_task
from telemetry.health.canary import Diversion, End, _Flight
from telemetry.tally import Tallies
from telemetry.tasks import facts
from telemetry.tasks.books import Books
from telemetry.tasks.lifecycle import Lifecycle


class Channel(NamedTuple):
    """One that knows what the broker has taken."""

    held: frozenset[str]

    def holds(self, tag: str) -> bool:
        """Whether it has not taken the acknowledgement."""
        return tag in self.held


class Message(NamedTuple):
    """What kombu's message says of itself."""

    acknowledged: bool = True
    channel: Channel | None = None
    delivery_tag: str = "1/1"


class Known(NamedTuple):
    """What Celery's request says of itself."""

    acknowledged: bool = False
    time_start: float | None = None
    message: Message = Message()


HELD, TAKEN = Channel(frozenset({"1/1"})), Channel(frozenset({"2/1"}))


def ended(outcome: Any) -> End:
    """The end of its delivery."""
    return End(outcome, "")


@pytest.mark.parametrize(
    ("request_", "end", "stage", "lost"),
    [
        (None, None, "receive", False),
        (Known(), None, "execute", False),
        (Known(time_start=1.0), None, "execute", False),
        (Known(time_start=1.0), ended("lost"), "execute", True),
        (Known(), ended("revoked"), "execute", True),
        (Known(True, 1.0), ended("failed"), "row", True),
        (Known(False, 1.0), ended("success"), "acknowledge", False),
        (Known(True, 1.0, Message(False)), ended("success"), "acknowledge", False),
        (Known(True, 1.0, Message(True, HELD)), ended("success"), "acknowledge", False),
        (Known(True, 1.0, Message(True, TAKEN)), ended("success"), None, False),
        (Known(True, 1.0), ended("success"), None, False),
    ],
)
def test_the_stage_is_what_has_not_come_to_pass(
    request_: Known | None, end: End | None, stage: str | None, lost: bool
) -> None:
    """In the order of a task's way; each has its name in the catalogue."""
    flight = _Flight()
    flight.request, flight.ended = request_, end
    assert flight.stage() == stage
    assert flight.is_lost() is lost
    assert stage is None or stage in catalog.CANARY_FAILURES.values


def test_canaries_are_told_of_their_deliveries_and_nobody_else() -> None:
    """How they end, and once; what becomes of other tasks goes into the books."""
    booked: list[Any] = []
    told: list[Any] = []

    def book(door: str, said: object) -> None:
        booked.append((door, said))

    doors = ("received", "started", "succeeded", "ended")
    books = Books(*(partial(book, door) for door in doors), lambda: ["other"], booked.append)
    diverted = Diversion(books, lambda *end: told.append(end)).books
    diverted.received(("mine", canary_task.NAME, "canary.w@h", ()))
    diverted.received(("other", "a.task", "q", ()))
    assert diverted.reserved() == ["other", "mine"]
    diverted.started(("mine", 1.0, None))
    diverted.started(("other", 1.0, None))
    assert diverted.reserved() == ["other"], "the books say of others what has not begun"
    diverted.record(facts.Sent("a.task", "q"))
    diverted.succeeded(("mine", 0.5))
    diverted.succeeded(("other", 0.5))
    diverted.ended(("mine", "failed", "", 3.0))  # no longer anybody's
    assert told == [("mine", "success", "")]
    assert booked == [
        ("received", ("other", "a.task", "q", ())),
        ("started", ("other", 1.0, None)),
        facts.Sent("a.task", "q"),
        ("succeeded", ("other", 0.5)),
        ("ended", ("mine", "failed", "", 3.0)),
    ]


def test_canaries_are_counted_by_worker_and_stage() -> None:
    """From 0 on, so that an increase is seen from the first failure."""
    tallies = Tallies()
    books = Lifecycle(tallies)
    books.apply(facts.CanaryStarted("w@h"))
    before = {reading.attributes: reading.numbers for reading in tallies.readings()}
    assert {key[-1] for key in before if len(key) == 2} == set(catalog.CANARY_FAILURES.values)
    assert not any(sum(numbers) for numbers in before.values())
    books.apply(facts.CanaryReturned("w@h", 0.75))
    books.apply(facts.CanaryLost("w@h", "row"))
    after = {reading.attributes: reading.numbers for reading in tallies.readings()}
    assert after["w@h", "row"] == (1,)
    assert after["w@h", "publish"] == (0,)
    assert after["w@h",][0] == 0.75
    assert sum(after["w@h",][1:]) == 1
