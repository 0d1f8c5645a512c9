"""The life of each delivery, from received to the one outcome it ends in -> tallies.

Comes in: what became of deliveries, one call at a time. Goes out: numbers in the tallies, so that
at any moment the messages received are the outcomes plus what is in hand. It knows no Celery, no
OTLP, no thread and no clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from telemetry import catalog
from telemetry.tally import OTHER
from telemetry.tasks import facts
from telemetry.tasks.settle import WORKER_DIED, in_hand

if TYPE_CHECKING:
    from telemetry.catalog import Metric
    from telemetry.tally import Tallies
    from telemetry.tasks.books import Delivery, Ended, Outcome, Received, Started, Succeeded

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
_STATES: dict[Outcome, str] = {
    "failed": "failure",
    "retried": "retry",
    "ignored": "ignored",
    "rejected": "rejected",
}
"""`state` of the runtime of what ended by itself; how long a lost task ran nobody knows."""
_NOT_RUNNING: tuple[None, float] = (None, 0.0)
_RUNTIME_BUCKETS, _WAIT_BUCKETS = catalog.RUNTIME.buckets, catalog.QUEUE_WAIT.buckets


class _Task:
    """The cells of one task in one queue, each looked up once."""

    __slots__ = ("cells", "names", "received", "runtime", "started", "success", "wait")

    def __init__(self, names: tuple[str, ...], received: int) -> None:
        self.names = names
        self.received = received
        self.started: int | None = None
        self.success: int | None = None
        self.wait: int | None = None
        self.runtime: int | None = None
        """Of those that succeeded."""
        self.cells: dict[tuple[str, str], int] = {}
        """By counter and the value of its last attribute, "" where it has only the names."""


class Deliveries:
    """The deliveries of one process."""

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
        self._reserved: dict[Delivery, _Task] = {}
        self._running: dict[Delivery, tuple[_Task, float]] = {}

    # Every task comes through the next ones: they look nothing up that a task has at hand, and what
    # can be told from what is in hand is counted by whoever asks.

    def received(self, said: Received) -> None:
        """Count a message that came."""
        delivery, task_name, queue_name, lifted = said
        task = self._tasks.get((task_name, queue_name, *lifted) if lifted else said[1:3])
        if task is None:
            task = self._task(task_name, queue_name, lifted)
        self._tallies.numbers[task.received] += 1
        self._reserved[delivery] = task

    def started(self, said: Started) -> None:
        """Count one that began to run."""
        delivery, at_seconds, waited_seconds = said
        task = self._reserved.pop(delivery, None)
        if task is None:
            return
        self._running[delivery] = (task, at_seconds)
        cell = task.started
        if cell is None:
            cell = task.started = self._cell(task, "started")
        self._tallies.numbers[cell] += 1
        if waited_seconds is not None:
            cell = task.wait
            if cell is None:
                cell = task.wait = self._cell(task, "queue_wait")
            numbers = self._tallies.numbers
            numbers[cell] += waited_seconds
            numbers[cell + 1 + bisect_left(_WAIT_BUCKETS, waited_seconds)] += 1

    def succeeded(self, said: Succeeded) -> None:
        """Count one that returned."""
        delivery, runtime_seconds = said
        task, _ = self._running.pop(delivery, _NOT_RUNNING)
        if task is None:
            self.ended((delivery, "success", "", 0.0))
            return
        cell = task.success
        if cell is None:
            cell = task.success = self._cell(task, "success")
        self._tallies.numbers[cell] += 1
        cell = task.runtime
        if cell is None:
            cell = task.runtime = self._cell(task, "runtime", "success")
        numbers = self._tallies.numbers
        numbers[cell] += runtime_seconds
        numbers[cell + 1 + bisect_left(_RUNTIME_BUCKETS, runtime_seconds)] += 1

    def ended(self, said: Ended) -> None:
        """Count the end of one, if it is the first."""
        delivery, outcome, detail, at_seconds = said
        task, started = self._running.pop(delivery, _NOT_RUNNING)
        if task is None:
            reserved = self._reserved.pop(delivery, None)
            if reserved is not None:
                self._add(reserved, outcome, detail)
            return
        self._add(task, outcome, detail)
        if outcome in _STATES:
            cell = self._cell(task, "runtime", _STATES[outcome])
            self._tallies.observe(catalog.RUNTIME, cell, max(0.0, at_seconds - started))

    def sent(self, task_name: str, queue_name: str, lifted: tuple[str, ...]) -> None:
        """A task was published."""
        names = (task_name, queue_name)
        self._tallies.count(self._metrics["sent"], *names, *self._admit_lifted(names, lifted))

    def resume(self) -> None:
        """Whatever an earlier process counted here: what it had in hand is lost, limits go on."""
        readings = self._tallies.readings()
        for names, number in in_hand(readings).items():
            self._tallies.count(self._metrics["lost"], *names, WORKER_DIED, by=number)
        for metric, values, _ in readings:
            if metric is self._metrics["received"] and any(values[2:]) and OTHER not in values:
                self._lifted.add(values)
            elif metric is self._metrics["failed"]:
                self._exceptions.add(values[-1])

    def stop(self) -> None:
        """The worker stops: what it has in hand it will not finish."""
        for task in self._reserved.values():  # never begun, so the broker has it again
            self._add(task, "rejected", "returned")
        for task, _ in self._running.values():
            self._add(task, "lost", "shutdown")
        self._reserved.clear()
        self._running.clear()

    def reserved(self) -> list[Delivery]:
        """Those that were received, and neither began nor ended; from any thread."""
        return list(self._reserved)

    def active(self) -> int:
        """How many run."""
        return len(self._running)

    def reserved_by_queue(self) -> dict[str, int]:
        """How many were received and not begun, 0 where there once were any."""
        found = Counter(task.names[1] for task in self._reserved.values())
        return {queue: found[queue] for queue in {task.names[1] for task in self._tasks.values()}}

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
                self._tallies.count(catalog.OVERFLOW, "attribute")
                return (OTHER,) * len(lifted)
            self._lifted.add((*names, *lifted))
        return lifted

    def _new_task(self, names: tuple[str, ...]) -> _Task:
        """A task with its siblings at 0, so that ratios and increases exist from the first one.

        Of one with attributes of the user's only those without them are: the others would be many.
        """
        task = _Task(names, self._tallies.cell(self._metrics["received"], *names))
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

    def _cell(self, task: _Task, counter: str, value: str = "") -> int:
        cell = task.cells.get((counter, value))
        if cell is None:
            metric = self._metrics[counter]
            values = (value,) if len(metric.attributes) > len(task.names) else ()
            cell = task.cells[counter, value] = self._tallies.cell(metric, *task.names, *values)
        return cell

    def _add(self, task: _Task, outcome: Outcome, detail: str) -> None:
        value = self._admit_exception(detail) if outcome == "failed" else detail
        cell = self._cell(task, outcome, value)
        self._tallies.numbers[cell] += 1

    def _admit_exception(self, name: str) -> str:
        if name not in self._exceptions:
            if len(self._exceptions) >= EXCEPTIONS_MAX:
                self._tallies.count(catalog.OVERFLOW, "exception")
                return OTHER
            self._exceptions.add(name)
        return name
