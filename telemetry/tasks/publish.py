"""The producer's side: a time stamp in the header of every task, and a fact for every task sent.

Comes in: Celery's publishing signals, in whatever process publishes. Goes out: the header that
tells a worker how long a task waited, and `Sent`. It knows neither workers nor OpenTelemetry.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from celery import signals

from telemetry.tasks.facts import Sent
from telemetry.tasks.headers import Lifted
from telemetry.tasks.routes import Binding, Routes
from telemetry.tasks.safely import Safely

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from telemetry.tasks.facts import Fact

# Celery's and kombu's own objects.
App: TypeAlias = Any
Name: TypeAlias = Any
Exchange: TypeAlias = Any
Signal: TypeAlias = Any

HEADER = "portless_enqueued_at"
"""Seconds since the epoch, a float; no broker keeps the time of publishing for Celery."""
_NOTHING = Lifted(())
_EPOCH_SECONDS_MAX = 1e11
"""The year 5138: what is above was never a time in seconds."""


class Publisher:
    """Stamps and counts what this process publishes, by whichever app."""

    def __init__(
        self, record: Callable[[Fact], None], apps: Iterable[App], lifted: Lifted = _NOTHING
    ) -> None:
        self._record = record
        self._lifted = lifted
        self._safely = Safely(record)
        self._routes = Routes(lambda: [binding for app in apps for binding in bindings(app)])
        listen(signals.before_task_publish, self._on_publish)
        listen(signals.after_task_publish, self._on_published)

    def _on_publish(self, headers: dict[str, Any] | None = None, **_: object) -> None:
        if headers is not None:
            self.prepare(headers)

    def prepare(self, headers: dict[str, Any]) -> None:
        """Write into a message that is about to be sent when that is, and what goes along."""
        headers[HEADER] = time()
        self._safely("task_carries", self._lifted.carry, headers)

    def _on_published(
        self,
        sender: Name,
        headers: Mapping[str, Any] | None = None,
        exchange: Exchange = "",
        routing_key: Name = "",
        **_: object,
    ) -> None:
        self._safely("task_sent", self._sent, sender, headers or {}, (exchange, routing_key))

    def _sent(self, sender: Name, headers: Mapping[str, Any], route: tuple[Exchange, Name]) -> None:
        exchange, routing_key = route
        name = str(getattr(exchange, "name", exchange) or "")
        queue_name = self._routes[name, str(routing_key or "")]
        self._record(Sent(str(sender), queue_name, self._lifted.values(headers)))


def listen(signal: Signal, receiver: Callable[..., None]) -> None:
    """Connect a method in the place of one that an object before this one had connected.

    Celery's own weak references do not do that: in Celery 5.4 a new object at the address of one
    that is gone is taken for connected already.
    """
    name = f"telemetry.{receiver.__qualname__}"
    signal.disconnect(dispatch_uid=name)
    signal.connect(receiver, weak=False, dispatch_uid=name)


def enqueued_at_seconds(headers: Mapping[str, Any]) -> float | None:
    """The stamp of a received task; None if there is none, or what is there is no time."""
    value = headers.get(HEADER)
    if isinstance(value, (float, int)) and 0 < value < _EPOCH_SECONDS_MAX:
        return value
    return None


def bindings(app: App) -> list[Binding]:
    """The queues that an app knows, with every exchange they are bound to."""
    return [
        Binding(queue.name, exchange.name or "", exchange.type or "direct", key or "")
        for queue in list(app.amqp.queues.values())
        for exchange, key in (
            (queue.exchange, queue.routing_key),
            *((bound.exchange, bound.routing_key) for bound in queue.bindings or ()),
        )
        if exchange is not None
    ]
