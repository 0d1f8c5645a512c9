from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from telemetry import catalog
from telemetry.broker import arrivals as arrivals_
from telemetry.broker import readings
from telemetry.broker.arrivals import Arrivals
from telemetry.broker.heads import AHEAD_SECONDS_MAX, Due, Waiting, due
from telemetry.broker.readings import QUEUES_MAX, Look, Queue, Rows
from telemetry.tasks.publish import HEADER

if TYPE_CHECKING:
    from telemetry.broker.blind import Reason

NOW = 1_000_000.0
SEEN = NOW - 7
ETA_AHEAD = "1970-01-12T13:47:40"  # NOW + 60


def message(**headers: Any) -> str:
    """A message as kombu keeps it."""
    return json.dumps({"body": "e30=", "headers": headers, "properties": {}})


MESSAGES: list[tuple[str | bytes | None, Due]] = [
    (message(**{HEADER: NOW - 100}), Due(NOW - 100)),
    (message(**{HEADER: NOW - 100}).encode(), Due(NOW - 100)),
    # Without a stamp, or with one that is none, it counts since it was seen.
    (message(), Due(SEEN)),
    (message(**{HEADER: "yesterday"}), Due(SEEN)),
    (None, Due(SEEN)),
    # It is not late before its ETA, and is late since then.
    (message(**{HEADER: NOW - 100, "eta": ETA_AHEAD}), Due(NOW + 60)),
    (message(**{HEADER: NOW - 100, "eta": f"{ETA_AHEAD}+00:00"}), Due(NOW + 60)),
    (message(**{HEADER: NOW - 100, "eta": f"{ETA_AHEAD}Z"}), Due(NOW + 60)),
    (message(**{HEADER: NOW - 100, "eta": "1970-01-12T15:46:00+02:00"}), Due(NOW - 40)),
    (message(**{HEADER: NOW - 100, "eta": "1970-01-01T00:00:00"}), Due(NOW - 100)),
    (message(**{HEADER: NOW - 100, "eta": None}), Due(NOW - 100)),
    (message(**{HEADER: NOW - 100, "eta": "soon"}), Due(NOW - 100)),
    # A clock that is a little ahead makes no age below zero, one that is far ahead is not believed.
    (message(**{HEADER: NOW + 1}), Due(NOW)),
    (message(**{HEADER: NOW + AHEAD_SECONDS_MAX + 1}), Due(SEEN, "clock_skew")),
    # What is no message of kombu's waits all the same.
    ("not JSON", Due(SEEN, "undecodable")),
    (b"\xff\xfe", Due(SEEN, "undecodable")),
    ("[" * 100_000, Due(SEEN, "undecodable")),
    ("[1]", Due(SEEN, "undecodable")),
    ('{"headers": 3}', Due(SEEN, "undecodable")),
]


@pytest.mark.parametrize(("payload", "expected"), MESSAGES)
def test_a_message_is_due_since(payload: str | bytes | None, expected: Due) -> None:
    """The publisher's stamp, or else when it was seen; but not before its ETA."""
    assert due(payload, SEEN, NOW) == expected


def test_a_message_without_a_stamp_is_as_old_as_its_first_look() -> None:
    """A place was taken since the first look whose newest place is as high; a new one since now."""
    arrivals = Arrivals()
    arrivals.saw(10, 100.0)
    arrivals.saw(10, 101.0)
    arrivals.saw(15, 102.0)
    seen = {place: arrivals.seen_seconds(place, 103.0) for place in (1, 10, 11, 15, 16)}
    assert seen == {1: 100.0, 10: 100.0, 11: 102.0, 15: 102.0, 16: 103.0}
    assert arrivals.seen_seconds(1, 99.0) == 99.0  # the broker's clock went back


def test_looks_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it a message seems younger than it is, and never older."""
    monkeypatch.setattr(arrivals_, "MARKS_MAX", 8)
    arrivals = Arrivals()
    for look in range(100):
        arrivals.saw(look, float(look))
    assert len(arrivals._places) <= 9
    for place in range(100):
        assert place <= arrivals.seen_seconds(place, 100.0) <= 100.0
    assert arrivals.seen_seconds(99, 100.0) == 99.0


def told(look: Look) -> tuple[dict[tuple[str, ...], float], set[Reason]]:
    """Readings by metric and attributes."""
    made, blind = readings.of(look, Arrivals())
    return {
        (reading.metric.name, *reading.attributes): reading.numbers[0] for reading in made
    }, blind


def test_a_look_becomes_readings() -> None:
    """Length and age of every queue that is worked off, and what the table holds."""
    waiting = (
        Waiting(3, message(**{HEADER: NOW - 100, "eta": ETA_AHEAD})),
        Waiting(4, message(**{HEADER: NOW - 50})),
        Waiting(5, message(**{HEADER: NOW - 80})),
    )
    queues = (
        Queue("lab", 3, waiting),
        Queue("later", 1, waiting[:1]),
        Queue("empty", 0, ()),
        Queue("closed", 9, None),
        Queue("0123.reply.celery.pidbox", 4, ()),
        Queue("celeryev.0123", 5, ()),
        Queue("portless.canary.w@h", 1, ()),
    )
    expected = {
        ("celery.queue.length", "lab"): 3,
        ("celery.queue.length", "later"): 1,
        ("celery.queue.length", "empty"): 0,
        ("celery.queue.length", "closed"): 9,
        ("celery.queue.oldest_age", "lab"): 80,
        ("celery.queue.oldest_age", "later"): 0,
        ("celery.queue.oldest_age", "empty"): 0,
        ("celery.broker.rows", "visible"): 13,
        ("celery.broker.rows", "invisible"): 1000,
        ("celery.broker.table_size",): 8192,
    }
    look = Look("db", NOW, queues, 5, Rows(13, 1000), 8192)
    assert told(look) == (expected, set())


def test_what_was_not_seen_has_no_reading() -> None:
    """No length that nobody counted, and no 0 in its place; the reason goes along."""
    assert told(Look("db", NOW, blind=frozenset({"denied"}))) == ({}, {"denied"})


def test_an_odd_message_makes_its_queue_no_less_long() -> None:
    """The length is told, the age is what was seen of it, and the reason is told as well."""
    look = Look("db", NOW, (Queue("q", 1, (Waiting(1, "not JSON"),)),), 1)
    numbers = {("celery.queue.length", "q"): 1.0, ("celery.queue.oldest_age", "q"): 0.0}
    assert told(look) == (numbers, {"undecodable"})


def test_queues_have_a_limit() -> None:
    """The longest keep their names, the rest is one, nothing is left out of the sum, it is told."""
    queues = [Queue(f"q{number}", number, ()) for number in range(QUEUES_MAX + 10)]
    made, blind = told(Look("db", NOW, tuple(queues)))
    lengths = {key: value for key, value in made.items() if key[0] == "celery.queue.length"}
    assert len(lengths) == QUEUES_MAX
    assert sum(lengths.values()) == sum(queue.length for queue in queues)
    assert lengths["celery.queue.length", "other"] == sum(range(11))
    assert blind == {"too_many"}


def test_blindness_names_every_reason() -> None:
    """Each reason is there with 0 or 1, so that an alert has something to look at."""
    made = readings.blindness({"timeout"})
    assert [reading.attributes[0] for reading in made] == list(catalog.BROKER_BLIND.values)
    assert [reading.attributes[0] for reading in made if reading.numbers == (1,)] == ["timeout"]
