"""Celery's bootsteps of health: the worker's loop -> its pulse, in every pool and on every broker.

Comes in: the worker and the consumer as Celery builds them. Goes out: stamps on the pulse, made in
the loop's own thread. Instances are wrapped, never Celery itself. Where the loop blocks for a good
reason is known and said: connecting, and handing a task to the pool, which takes as long as a task
where the pool runs it in the loop (solo) or has no slot free (prefork on a broker without an event
loop, gevent, eventlet).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from celery import bootsteps
from celery.concurrency.solo import TaskPool as Solo

from telemetry.health.state import Handing

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.health.pulse import Pulse
    from telemetry.tasks.safely import Safely

# Celery's and kombu's own objects. Their published types leave out most of what is used here.
Worker: TypeAlias = Any
Consumer: TypeAlias = Any
Request: TypeAlias = Any
Handed: TypeAlias = Any
"""Handed through as it came."""

TURN_SECONDS = 1.0
"""How often an event loop is made to turn, whatever else its timers want."""


class Site(Protocol):
    """What the process offers to a worker in it."""

    @property
    def pulse(self) -> Pulse | None:
        """The loop's, None where nobody watches."""

    @property
    def safely(self) -> Safely:
        """Runs the body of a hook."""

    def worker_is_built(self, worker: Worker) -> None:
        """A worker is being built; nothing of it runs yet."""

    def work_begins(self) -> None:
        """Its pool stands."""

    def consumer_begins(self, consumer: Consumer) -> None:
        """Its consumer has a connection; called again after each that was lost."""


def steps(site: Site, after: type) -> tuple[type, type]:
    """The steps for `app.steps["worker"]`, where it comes after another, and `["consumer"]`."""
    return (
        type("TelemetryHealth", (_WorkerStep,), {"site": site, "requires": (after,)}),
        type("TelemetryPulse", (_ConsumerStep,), {"site": site}),
    )


class _WorkerStep(bootsteps.StartStopStep):
    site: Site

    def __init__(self, worker: Worker, **kwargs: Handed) -> None:
        super().__init__(worker, **kwargs)
        self.site.safely("health", self.site.worker_is_built, worker)

    def start(self, _worker: Worker) -> None:
        self.site.safely("health", self.site.work_begins)

    def close(self, _worker: Worker) -> None:
        if self.site.pulse is not None:
            self.site.pulse.stops()


class _ConsumerStep(bootsteps.StartStopStep):
    requires = ("celery.worker.consumer.tasks:Tasks",)
    site: Site

    def __init__(self, consumer: Consumer, **kwargs: Handed) -> None:
        super().__init__(consumer, **kwargs)
        self._pulse = self.site.pulse
        self._turning: Handed = None
        if self._pulse is not None:
            self.site.safely("health", _watch, consumer, self._pulse)

    def start(self, consumer: Consumer) -> None:
        if self._pulse is not None:
            self._pulse.begins()
            self.site.safely("health", self.site.consumer_begins, consumer)

    def stop(self, _consumer: Consumer) -> None:
        if self._pulse is not None:
            self._pulse.connects()  # for a new connection; or it has been said that all stops

    def register_with_event_loop(self, _consumer: Consumer, hub: Handed) -> None:
        """Turn with an event loop, also one in which nothing happens; anew for each connection."""
        if self._pulse is not None:
            if self._turning is not None:
                self._turning.cancel()
            self._turning = hub.timer.call_repeatedly(TURN_SECONDS, self._pulse.turns)


def _watch(consumer: Consumer, pulse: Pulse) -> None:
    """Stamp where the consumer passes by."""
    consumer.ensure_connected = _connecting(consumer.ensure_connected, pulse)
    consumer.on_task_request = _handing(consumer, pulse)
    if not consumer.hub:  # the loop without events does this at each turn
        perform = consumer.perform_pending_operations
        consumer.perform_pending_operations = functools.wraps(perform)(pulse.turning_by(perform))


def _connecting(connect: Callable[[Any], Any], pulse: Pulse) -> Callable[[Any], Any]:
    @functools.wraps(connect)
    def connect_and_tell(connection: Handed) -> Handed:
        pulse.connects()
        ensure = connection.ensure_connection

        def ensure_connection(
            errback: Handed = None,
            max_retries: Handed = None,
            *args: Handed,
            callback: Handed = None,
            **kwargs: Handed,
        ) -> Handed:
            # kombu calls back at every second that it waits for the next attempt
            told = _before(pulse.sign, callback or (lambda: None))
            return ensure(errback, max_retries, *args, callback=told, **kwargs)

        connection.ensure_connection = ensure_connection
        return connect(connection)

    return connect_and_tell


def _handing(consumer: Consumer, pulse: Pulse) -> Callable[[Any], Any]:
    give = consumer.on_task_request
    runs = isinstance(consumer.pool, Solo)

    def look(request: Request, since: float) -> Handing:
        limit = _limit_seconds(request, consumer) if runs else None
        return Handing(request.name, since, runs, limit)

    return functools.wraps(give)(pulse.handing_by(give, look))


def _limit_seconds(request: Request, consumer: Consumer) -> float | None:
    """The hard limit of a task: its message's, its own, or the worker's."""
    try:
        hard, _soft = request.time_limits
        limit = hard or request.task.time_limit or consumer.controller.time_limit
        return float(limit) if limit else None
    except (AttributeError, TypeError, ValueError):  # whatever somebody put into the message
        return None


def _before(stamp: Callable[[], None], call: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(call)
    def stamp_and_call() -> Handed:
        stamp()
        return call()

    return stamp_and_call
