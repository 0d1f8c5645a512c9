"""Facts -> tallies: the life of a delivery, from received to the one outcome it ends in.

Comes in: facts, one at a time. Goes out: numbers in the tallies, so that at any moment the messages
received are the outcomes plus what is in hand. It knows no Celery, no OTLP, no thread and no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry import catalog
from telemetry.tally import OTHER
from telemetry.tasks import facts
from telemetry.tasks.settle import WORKER_DIED, in_hand

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.catalog import Metric
    from telemetry.tally import Tallies

EXCEPTIONS_MAX = 100
"""Classes of exceptions in one process; an application has tens, generated ones have no end."""

_METRICS: dict[str, Metric] = {
    "sent": catalog.SENT,
    "runtime": catalog.RUNTIME,
    "queue_wait": catalog.QUEUE_WAIT,
    "received": catalog.RECEIVED,
    "started": catalog.STARTED,
    "success": catalog.SUCCESS,
    "failed": catalog.FAILED,
    "retried": catalog.RETRIED,
    "ignored": catalog.IGNORED,
    "rejected": catalog.REJECTED,
    "revoked": catalog.REVOKED,
    "lost": catalog.LOST,
    "discarded": catalog.DISCARDED,
}
_NO_SIBLINGS = {"sent", "runtime", "queue_wait"}
"""What is there only once it happened."""
_REASONED = (
    *(catalog.CHILD_EXITS, catalog.UNEXPORTED, catalog.BINDS, catalog.OVERFLOW),
    catalog.STATE_FAILURES,
)
"""What a worker reports from its beginning, one series per reason."""
_STATES: dict[facts.Outcome, str] = {
    "success": "success",
    "failed": "failure",
    "retried": "retry",
    "ignored": "ignored",
    "rejected": "rejected",
}
"""`state` of the runtime of what ended by itself; how long a lost task ran nobody knows."""
_NOT_IN_HAND: tuple[None, None] = (None, None)


class _Task:
    """The cells of one task in one queue, each looked up once."""

    __slots__ = ("cells", "names", "received", "reserved", "runtimes", "started", "wait")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.received: int | None = None
        self.started: int | None = None
        self.cells: dict[tuple[str, str], int] = {}
        """By outcome and the value of its last attribute, "" where it has only the names."""
        self.runtimes: dict[facts.Outcome, int] = {}
        self.wait: int | None = None
        self.reserved: int | None = None
        """The queue's cell, the same for all tasks that come through it."""


class Lifecycle:
    """The books of one process."""

    def __init__(
        self, tallies: Tallies, attributes: tuple[str, ...] = (), attributes_max: int = 0
    ) -> None:
        """`attributes` are lifted from headers; see `_admit_lifted` for their limit."""
        self._tallies = tallies
        lifting = catalog.lifting(attributes)
        self._metrics = {name: lifting[metric] for name, metric in _METRICS.items()}
        self._nothing = ("",) * len(attributes)
        self._lifted: set[tuple[str, ...]] = set()
        self._lifted_max = attributes_max
        self._tasks: dict[tuple[str, ...], _Task] = {}
        self._queues: set[str] = set()
        self._exceptions: set[str] = set()
        self._in_hand: dict[int, tuple[_Task, float | None]] = {}
        self._gauges: dict[Metric, int] = {}
        self._active: int | None = None
        self._reserved: int | None = None
        """Two of the gauges, at hand for every task; None while no worker is alive."""
        self._queues_reserved: set[int] = set()
        """The cells of queues' reserves that this process counts in."""
        self._apply: dict[type, Callable[[Any], None]] = {
            facts.Sent: self._sent,
            facts.Received: self._received,
            facts.Started: self._started,
            facts.Finished: self._finished,
            facts.WorkerStarted: self._worker_started,
            facts.PoolMeasured: self._pool_measured,
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
            facts.Recovered: self._recovered,
        }

    def apply(self, fact: facts.Fact) -> None:
        """Count one fact."""
        self._apply[type(fact)](fact)

    def _sent(self, fact: facts.Sent) -> None:
        names = (fact.task_name, fact.queue_name)
        self._count(self._metrics["sent"], *names, *self._admit_lifted(names, fact.lifted))

    # Every task comes through the next three: they look nothing up that a task has at hand.

    def _received(self, fact: facts.Received) -> None:
        delivery, task_name, queue_name, lifted = fact
        task = self._tasks.get((task_name, queue_name, *lifted) if lifted else fact[1:3])
        if task is None:
            task = self._task(task_name, queue_name, lifted)
        if task.received is None:
            task.received = self._tallies.cell(self._metrics["received"], *task.names)
        self._tallies.numbers[task.received] += 1
        self._in_hand[delivery] = (task, None)
        self._reserve(task, 1)

    def _started(self, fact: facts.Started) -> None:
        delivery, at_seconds, waited_seconds = fact
        task, started = self._in_hand.get(delivery, _NOT_IN_HAND)
        if task is None or started is not None:
            return
        self._in_hand[delivery] = (task, at_seconds)
        if task.started is None:
            task.started = self._tallies.cell(self._metrics["started"], *task.names)
        self._tallies.numbers[task.started] += 1
        self._reserve(task, -1)
        if self._active is not None:
            self._tallies.numbers[self._active] += 1
        if waited_seconds is not None:
            if task.wait is None:
                task.wait = self._tallies.cell(self._metrics["queue_wait"], *task.names)
            self._tallies.observe(catalog.QUEUE_WAIT, task.wait, waited_seconds)

    def _finished(self, fact: facts.Finished) -> None:
        delivery, outcome, detail, at_seconds, runtime_seconds = fact
        task, started = self._in_hand.pop(delivery, _NOT_IN_HAND)
        if task is None:
            return
        self._add(task, outcome, self._admit_exception(detail) if outcome == "failed" else detail)
        if started is None:
            self._reserve(task, -1)
            return
        if self._active is not None:
            self._tallies.numbers[self._active] -= 1
        if outcome not in _STATES:
            return
        if runtime_seconds is None:
            if outcome == "success":  # stored by a process that was lost before it could tell
                return
            runtime_seconds = max(0.0, at_seconds - started)
        cell = task.runtimes.get(outcome)
        if cell is None:
            cell = self._tallies.cell(self._metrics["runtime"], *task.names, _STATES[outcome])
            task.runtimes[outcome] = cell
        self._tallies.observe(catalog.RUNTIME, cell, runtime_seconds)

    def _worker_started(self, fact: facts.WorkerStarted) -> None:
        self._resume()
        for metric in (catalog.UP, catalog.ACTIVE, catalog.RESERVED, catalog.PROCESSES):
            self._gauges[metric] = self._tallies.cell(metric, fact.hostname)
            self._set(metric, 0)
        self._active = self._gauges[catalog.ACTIVE]
        self._reserved = self._gauges[catalog.RESERVED]
        for metric in _REASONED:
            for reason in metric.values:
                self._tallies.cell(metric, reason)
        self._tallies.cell(catalog.EXPORT_FAILURES)
        self._set(catalog.UP, 1)

    def _resume(self) -> None:
        """Whatever an earlier process counted here: what it had in hand is lost, limits go on."""
        readings = self._tallies.readings()
        for names, number in in_hand(readings).items():
            cell = self._tallies.cell(self._metrics["lost"], *names, WORKER_DIED)
            self._tallies.numbers[cell] += number
        for metric, values, _ in readings:
            if metric is self._metrics["received"] and any(values[2:]) and OTHER not in values:
                self._lifted.add(values)
            elif metric is self._metrics["failed"]:
                self._exceptions.add(values[-1])

    def _pool_measured(self, fact: facts.PoolMeasured) -> None:
        self._set(catalog.PROCESSES, fact.processes)

    def _child_exited(self, fact: facts.ChildExited) -> None:
        self._count(catalog.CHILD_EXITS, fact.reason)
        cell = self._tallies.cell(catalog.UNEXPORTED, fact.reason)
        self._tallies.numbers[cell] += fact.unexported

    def _worker_stopped(self, _fact: facts.WorkerStopped) -> None:
        for task, started in self._in_hand.values():
            if started is None:  # never begun, never acknowledged: the broker has it again
                self._add(task, "rejected", "returned")
                self._reserve(task, -1)
            else:
                self._add(task, "lost", "shutdown")
        self._in_hand.clear()
        for metric in self._gauges:
            self._set(metric, 0)
        # Nothing that comes after the last word changes it.
        self._gauges.clear()
        self._active = self._reserved = None

    def _beat_sent(self, fact: facts.BeatSent) -> None:
        cell = self._tallies.cell(catalog.BEAT_LAST_SENT, fact.schedule)
        self._tallies.numbers[cell] = fact.at_seconds
        if fact.late_seconds is not None:
            cell = self._tallies.cell(catalog.BEAT_LATENESS, fact.schedule)
            self._tallies.numbers[cell] = fact.late_seconds

    def _bound(self, fact: facts.Bound) -> None:
        self._count(catalog.BINDS, fact.result)

    def _canary_started(self, fact: facts.CanaryStarted) -> None:
        self._tallies.cell(catalog.CANARY_ROUND_TRIP, fact.hostname)
        for stage in catalog.CANARY_FAILURES.values:
            self._tallies.cell(catalog.CANARY_FAILURES, fact.hostname, stage)

    def _canary_returned(self, fact: facts.CanaryReturned) -> None:
        cell = self._tallies.cell(catalog.CANARY_ROUND_TRIP, fact.hostname)
        self._tallies.observe(catalog.CANARY_ROUND_TRIP, cell, fact.seconds)

    def _canary_lost(self, fact: facts.CanaryLost) -> None:
        self._count(catalog.CANARY_FAILURES, fact.hostname, fact.stage)

    def _hook_failed(self, fact: facts.HookFailed) -> None:
        self._count(catalog.HOOK_ERRORS, fact.hook)

    def _export_failed(self, _fact: facts.ExportFailed) -> None:
        self._count(catalog.EXPORT_FAILURES)

    def _state_failed(self, fact: facts.StateFailed) -> None:
        self._count(catalog.STATE_FAILURES, fact.reason)

    def _recovered(self, fact: facts.Recovered) -> None:
        cell = self._tallies.cell(catalog.BROKER_RECOVERED, fact.queue_name)
        self._tallies.numbers[cell] += fact.messages

    def _overflowed(self, _fact: facts.Overflowed) -> None:
        self._count(catalog.OVERFLOW, "user_series")

    def _task(self, task_name: str, queue_name: str, lifted: tuple[str, ...]) -> _Task:
        task = self._tasks.get((task_name, queue_name, *lifted))
        if task is not None:
            return task
        lifted = self._admit_lifted((task_name, queue_name), lifted)
        names = self._tallies.admit(self._metrics["received"], task_name, queue_name, *lifted)
        if names not in self._tasks:
            self._tasks[names] = self._new_task(names)
        if queue_name not in self._queues and names[:2] == (task_name, queue_name):
            self._queues.add(queue_name)
            self._task(facts.UNREGISTERED, queue_name, self._nothing)
        return self._tasks[names]

    def _admit_lifted(self, names: tuple[str, ...], lifted: tuple[str, ...]) -> tuple[str, ...]:
        """The values under which a task counts these: its names stay, whatever the limit says."""
        if not any(lifted):
            return self._nothing
        if (*names, *lifted) not in self._lifted:
            if len(self._lifted) >= self._lifted_max:
                self._count(catalog.OVERFLOW, "attribute")
                return (OTHER,) * len(lifted)
            self._lifted.add((*names, *lifted))
        return lifted

    def _new_task(self, names: tuple[str, ...]) -> _Task:
        """A task with its siblings at 0, so that ratios and increases exist from the first one.

        Of one with attributes of the user's only those without them are: the others would be many.
        """
        task = _Task(names)
        if any(names[2:]):
            self._task(names[0], names[1], self._nothing)
            return task
        discards = names[0] == facts.UNREGISTERED
        for counter, metric in self._metrics.items():
            if counter in _NO_SIBLINGS:
                continue
            if counter == "received" or discards == (counter == "discarded"):
                for value in metric.values or ("",):
                    self._cell(task, counter, value)
        return task

    def _cell(self, task: _Task, counter: str, value: str) -> int:
        metric = self._metrics[counter]
        values = (value,) if len(metric.attributes) > len(task.names) else ()
        cell = task.cells[counter, value] = self._tallies.cell(metric, *task.names, *values)
        return cell

    def _add(self, task: _Task, counter: str, value: str = "") -> None:
        cell = task.cells.get((counter, value))
        if cell is None:
            cell = self._cell(task, counter, value)
        self._tallies.numbers[cell] += 1

    def _admit_exception(self, name: str) -> str:
        if name not in self._exceptions:
            if len(self._exceptions) >= EXCEPTIONS_MAX:
                self._count(catalog.OVERFLOW, "exception")
                return OTHER
            self._exceptions.add(name)
        return name

    def _count(self, metric: Metric, *values: str) -> None:
        self._tallies.numbers[self._tallies.cell(metric, *values)] += 1

    def _reserve(self, task: _Task, amount: int) -> None:
        if self._reserved is None:
            return
        if task.reserved is None:
            task.reserved = self._tallies.cell(catalog.QUEUE_RESERVED, task.names[1])
            if task.reserved not in self._queues_reserved:  # an earlier process's, perhaps
                self._queues_reserved.add(task.reserved)
                self._tallies.numbers[task.reserved] = 0
        numbers = self._tallies.numbers
        numbers[self._reserved] += amount
        numbers[task.reserved] += amount

    def _set(self, gauge: Metric, value: int) -> None:
        cell = self._gauges.get(gauge)
        if cell is not None:
            self._tallies.numbers[cell] = value
