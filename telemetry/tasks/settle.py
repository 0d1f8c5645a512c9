"""What a worker had in hand when it died: received, and without an outcome.

Comes in: readings of a life that is over. Goes out: how many messages, by task and queue, so that
they can be counted as lost and the books balance again. It knows no file, no worker and no OTLP.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from telemetry import catalog
from telemetry.tally import OTHER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from telemetry.tally import Reading

WORKER_DIED = "worker_died"
"""The reason of the loss; one of the catalogue's."""
OUTCOMES = frozenset(metric.name for metric in catalog.ENDS)


def in_hand(
    readings: Iterable[Reading],
    received: str = catalog.RECEIVED.name,
    outcomes: Collection[str] = OUTCOMES,
) -> dict[tuple[str, ...], int]:
    """Messages received that came to no outcome, by the attributes of `received`.

    Where a limit has put some of the outcomes under "other", none can be told from another, and all
    that is in hand is "other" too.
    """
    balance: Counter[tuple[str, ...]] = Counter()
    ended: Counter[tuple[str, ...]] = Counter()
    for reading in readings:
        if reading.metric.name == received:
            balance[reading.attributes] += int(reading.numbers[0])
        elif reading.metric.name in outcomes:
            ended[reading.attributes] += int(reading.numbers[0])
    names = len(next(iter(balance), ()))
    for attributes, number in ended.items():  # which may have a reason or a class after the names
        balance[attributes[:names]] -= number
    if min(balance.values(), default=0) >= 0:
        return dict(+balance)
    number = sum(balance.values())
    return {(OTHER,) * names: number} if number > 0 else {}
