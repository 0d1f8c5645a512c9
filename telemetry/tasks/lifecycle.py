"""Facts and deliveries -> tallies: the books of one process, whatever it is.

Comes in: facts, one at a time, and what its deliveries are. Goes out: numbers in the tallies, and
readings of them all, so that the messages received are the outcomes plus what the worker's gauges
have in hand. It knows no Celery, no OTLP, no thread and no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry import catalog
from telemetry.tasks import facts
from telemetry.tasks.books import Books
from telemetry.tasks.deliveries import Deliveries

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.catalog import Metric
    from telemetry.tally import Reading, Tallies
    from telemetry.tasks.turns import Turns

_OF_A_WORKER = (*(catalog.UP, catalog.READY, catalog.ACTIVE, catalog.RESERVED, catalog.PROCESSES),)
"""What a worker reports of itself."""
_AT_THE_BROKER = {"recovered": catalog.BROKER_RECOVERED, "set_aside": catalog.BROKER_SET_ASIDE}
_REASONED = (
    *(catalog.CHILD_EXITS, catalog.UNEXPORTED, catalog.BINDS, catalog.OVERFLOW),
    catalog.STATE_FAILURES,
)
"""What a worker reports from its beginning, one series per reason."""


class Lifecycle:
    """The books of one process."""

    def __init__(
        self, tallies: Tallies, attributes: tuple[str, ...] = (), attributes_max: int = 0
    ) -> None:
        """`attributes` are lifted from headers; see `Deliveries` for their limit."""
        self.deliveries = Deliveries(tallies, attributes, attributes_max)
        self._tallies = tallies
        self._gauges: dict[Metric, int] = {}
        """Of a worker, for as long as it is alive."""
        self._apply: dict[type, Callable[[Any], None]] = {
            facts.Sent: self._sent,
            facts.WorkerStarted: self._worker_started,
            facts.PoolMeasured: self._pool_measured,
            facts.HealthMeasured: self._health_measured,
            facts.ChildExited: self._child_exited,
            facts.WorkerStopped: self._worker_stopped,
            facts.BeatSent: self._beat_sent,
            facts.Bound: self._bound,
            facts.CanaryStarted: self._canary_started,
            facts.CanaryReturned: self._canary_returned,
            facts.CanaryLost: self._canary_lost,
            facts.HookFailed: self._hook_failed,
            facts.ExportFailed: self._export_failed,
            facts.StateFailed: self._state_failed,
            facts.Overflowed: self._overflowed,
            facts.Befell: self._befell,
        }

    def books(self, turns: Turns) -> Books:
        """The same for hooks in any thread."""
        deliveries, taking = self.deliveries, turns.taking
        return Books(
            taking(deliveries.received),
            taking(deliveries.started),
            taking(deliveries.succeeded),
            taking(deliveries.ended),
            deliveries.reserved,
            taking(self.apply),
        )

    def apply(self, fact: facts.Fact) -> None:
        """Count one fact."""
        self._apply[type(fact)](fact)

    def readings(self) -> list[Reading]:
        """Every series now."""
        self._measure()
        return self._tallies.readings()

    def _measure(self) -> None:
        """What a worker has in hand, which no delivery has to say one by one."""
        if not self._gauges:
            return
        reserved = self.deliveries.reserved_by_queue()
        self._set(catalog.ACTIVE, self.deliveries.active())
        self._set(catalog.RESERVED, sum(reserved.values()))
        for queue, number in reserved.items():
            cell = self._tallies.cell(catalog.QUEUE_RESERVED, queue)
            self._tallies.numbers[cell] = number

    def _sent(self, fact: facts.Sent) -> None:
        self.deliveries.sent(*fact)

    def _worker_started(self, fact: facts.WorkerStarted) -> None:
        self.deliveries.resume()
        for metric in _OF_A_WORKER:
            self._gauges[metric] = self._tallies.cell(metric, fact.hostname)
            self._set(metric, 0)
        for metric in _REASONED:
            for reason in metric.values:
                self._tallies.cell(metric, reason)
        self._tallies.cell(catalog.EXPORT_FAILURES)
        self._set(catalog.UP, 1)

    def _pool_measured(self, fact: facts.PoolMeasured) -> None:
        self._set(catalog.PROCESSES, fact.processes)

    def _health_measured(self, fact: facts.HealthMeasured) -> None:
        self._set(catalog.READY, int(fact.ready))

    def _child_exited(self, fact: facts.ChildExited) -> None:
        self._tallies.count(catalog.CHILD_EXITS, fact.reason)
        self._tallies.count(catalog.UNEXPORTED, fact.reason, by=fact.unexported)

    def _worker_stopped(self, _fact: facts.WorkerStopped) -> None:
        self.deliveries.stop()
        self._measure()
        for metric in self._gauges:
            self._set(metric, 0)
        # Nothing that comes after the last word changes it.
        self._gauges.clear()

    def _beat_sent(self, fact: facts.BeatSent) -> None:
        cell = self._tallies.cell(catalog.BEAT_LAST_SENT, fact.schedule)
        self._tallies.numbers[cell] = fact.at_seconds
        if fact.late_seconds is not None:
            cell = self._tallies.cell(catalog.BEAT_LATENESS, fact.schedule)
            self._tallies.numbers[cell] = fact.late_seconds

    def _bound(self, fact: facts.Bound) -> None:
        self._tallies.count(catalog.BINDS, fact.result)

    def _canary_started(self, fact: facts.CanaryStarted) -> None:
        self._tallies.cell(catalog.CANARY_ROUND_TRIP, fact.hostname)
        for stage in catalog.CANARY_FAILURES.values:
            self._tallies.cell(catalog.CANARY_FAILURES, fact.hostname, stage)

    def _canary_returned(self, fact: facts.CanaryReturned) -> None:
        cell = self._tallies.cell(catalog.CANARY_ROUND_TRIP, fact.hostname)
        self._tallies.observe(catalog.CANARY_ROUND_TRIP, cell, fact.seconds)

    def _canary_lost(self, fact: facts.CanaryLost) -> None:
        self._tallies.count(catalog.CANARY_FAILURES, fact.hostname, fact.stage)

    def _hook_failed(self, fact: facts.HookFailed) -> None:
        self._tallies.count(catalog.HOOK_ERRORS, fact.hook)

    def _export_failed(self, _fact: facts.ExportFailed) -> None:
        self._tallies.count(catalog.EXPORT_FAILURES)

    def _state_failed(self, fact: facts.StateFailed) -> None:
        self._tallies.count(catalog.STATE_FAILURES, fact.reason)

    def _befell(self, fact: facts.Befell) -> None:
        self._tallies.count(_AT_THE_BROKER[fact.what], fact.queue_name, by=fact.messages)

    def _overflowed(self, _fact: facts.Overflowed) -> None:
        self._tallies.count(catalog.OVERFLOW, "user_series")

    def _set(self, gauge: Metric, value: int) -> None:
        cell = self._gauges.get(gauge)
        if cell is not None:
            self._tallies.numbers[cell] = value
