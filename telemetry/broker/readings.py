"""What was seen in a broker -> the readings of its queues.

Comes in: one look, plain values whatever the broker is. Goes out: readings of the catalogue's
metrics: what could not be seen has no reading and a reason. It knows no SQL, no Redis, no OTLP and
no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from telemetry import catalog
from telemetry.broker.heads import Waiting, due
from telemetry.tally import OTHER, Reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from telemetry.broker.arrivals import Arrivals
    from telemetry.broker.blind import Reason

QUEUES_MAX = 500
"""Queues with a name of their own; of more the longest keep theirs, and the rest is "other"."""


class Queue(NamedTuple):
    """A queue as the broker has it."""

    name: str
    length: int
    """Messages that wait in it."""
    next: tuple[Waiting, ...] | None
    """Those that will be taken first, in that order; None where the broker does not show them."""


class Rows(NamedTuple):
    """The table of an SQL broker's messages."""

    visible: int
    invisible: int


class Look(NamedTuple):
    """What was seen at one moment."""

    name: str
    """Of the broker, the same whoever looks."""
    now_seconds: float
    """Since the epoch on the broker's own clock."""
    queues: tuple[Queue, ...] = ()
    newest_place: int = 0
    rows: Rows | None = None
    table_bytes: int | None = None
    blind: frozenset[Reason] = frozenset()
    """Why the rest was not seen."""


def is_reply(queue_name: str) -> bool:
    """Whether it is for answers or events, which nobody works off, or for a worker's canary.

    Each call of `celery inspect` leaves one in an SQL broker, and each reader of events.
    """
    begins = ("celeryev.", "portless.canary.")
    return queue_name.endswith(".reply.celery.pidbox") or queue_name.startswith(begins)


def of(look: Look, arrivals: Arrivals) -> tuple[list[Reading], set[Reason]]:
    """The readings of a look, and why others are missing.

    `arrivals` remembers messages from one look to the next.
    """
    arrivals.saw(look.newest_place, look.now_seconds)
    blind = set(look.blind)
    queues = [queue for queue in look.queues if not is_reply(queue.name)]
    if len(queues) > QUEUES_MAX:
        blind.add("too_many")
        queues = _limited(queues)
    made = [Reading(catalog.QUEUE_LENGTH, (queue.name,), (queue.length,)) for queue in queues]
    for queue in queues:
        age = _age_seconds(queue.next, look.now_seconds, arrivals, blind)
        if age is not None:
            made.append(Reading(catalog.QUEUE_OLDEST_AGE, (queue.name,), (age,)))
    if look.rows is not None:
        made += [
            Reading(catalog.BROKER_ROWS, (state,), (getattr(look.rows, state),))
            for state in catalog.BROKER_ROWS.values
        ]
    if look.table_bytes is not None:
        made.append(Reading(catalog.BROKER_TABLE_SIZE, (), (look.table_bytes,)))
    return made, blind


def blindness(reasons: Collection[Reason]) -> list[Reading]:
    """The readings of `celery.broker.blind`, each reason with its 0 or 1."""
    return [
        Reading(catalog.BROKER_BLIND, (reason,), (float(reason in reasons),))
        for reason in catalog.BROKER_BLIND.values
    ]


def _limited(queues: Iterable[Queue]) -> list[Queue]:
    longest = sorted(queues, key=lambda queue: (-queue.length, queue.name))
    kept, others = longest[: QUEUES_MAX - 1], longest[QUEUES_MAX - 1 :]
    return [*kept, Queue(OTHER, sum(queue.length for queue in others), None)]


def _age_seconds(
    waiting: Iterable[Waiting] | None, now_seconds: float, arrivals: Arrivals, blind: set[Reason]
) -> float | None:
    """How long the one that is due for longest has waited; 0 where none is due."""
    if waiting is None:
        return None
    age = 0.0
    for place, payload in waiting:
        seen = arrivals.seen_seconds(place, now_seconds)
        message = due(payload, seen, now_seconds)
        if message.wrong is not None:
            blind.add(message.wrong)
        age = max(age, now_seconds - message.at_seconds)
    return age
