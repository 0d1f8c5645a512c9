"""What was seen of a broker's queues: by a look at it, and by whoever was told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.broker.arrivals import Arrivals
from telemetry.broker.readings import of

if TYPE_CHECKING:
    from telemetry.broker.brokers import Broker
    from telemetry.broker.readings import Look
    from tests.support.sink import Sink


def seen(observer: Broker) -> Look:
    """A look of one that is elected, or where nobody is."""
    look = observer.look()
    assert look is not None
    return look


def lengths(look: Look) -> dict[str, int]:
    """How long queues are."""
    return {queue.name: queue.length for queue in look.queues}


def ages(look: Look, arrivals: Arrivals | None = None) -> dict[str, float]:
    """How old queues are."""
    made, _ = of(look, arrivals or Arrivals())
    return {r.attributes[0]: r.numbers[0] for r in made if r.metric.name.endswith("oldest_age")}


def last(sink: Sink, name: str, **attributes: str) -> float | None:
    """The newest reading of a gauge."""
    wanted = frozenset(attributes.items())
    found = [p for p in sink.points if p.name == name and wanted <= p.attributes]
    return found[-1].value if found else None


def blind(sink: Sink, *, ever: bool = False) -> set[str]:
    """The reasons for which nothing is seen now, by whoever said so last; or ever was."""
    told: dict[str, bool] = {}
    for point in sink.points:
        if point.name == "celery.broker.blind":
            reason = dict(point.attributes)["reason"]
            told[reason] = bool(point.value) or (ever and told.get(reason, False))
    return {reason for reason, is_so in told.items() if is_so}
