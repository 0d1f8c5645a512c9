"""The health of the worker in this process: its pulse, its canary, the file that is kept of both.

Comes in: a worker, when its steps say what becomes of it. Goes out: the state file, and canaries if
they are wanted, for as long as the worker is there. A process that was forked from the worker's has
nothing to do with it.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.health import canary_task
from telemetry.health.canary import Canary, Diversion, Pace
from telemetry.health.canary_queue import CanaryQueue
from telemetry.health.keeper import Beside, Keeper
from telemetry.health.pulse import Pulse
from telemetry.health.steps import steps
from telemetry.health.verdict import Limits, ready
from telemetry.tasks.facts import HealthMeasured
from telemetry.tasks.safely import Safely

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery

    from telemetry.settings import Settings
    from telemetry.tasks.books import Books, Delivery, Outcome
    from telemetry.tasks.facts import Fact

Worker: TypeAlias = Any
Consumer: TypeAlias = Any


class WorkerHealth:
    """A `telemetry.health.steps.Site`; `record` takes facts, `is_down` knows of the last export."""

    def __init__(
        self,
        wanted: Settings,
        environ: Mapping[str, str],
        record: Callable[[Fact], None],
        is_down: Callable[[], bool],
        after: type,
    ) -> None:
        self.pulse: Pulse | None = None
        self.safely = Safely(record)
        self.steps = steps(self, after)
        self._wanted = wanted
        self._environ = environ
        self._record = record
        self._is_down = is_down
        self._canary: Canary | None = None
        self._keeper: Keeper | None = None
        self._consumer: Consumer = None

    def add(self, app: Celery) -> None:
        """Prepare the workers of `app`, whatever process they will be in."""
        if self._wanted.canary_interval_seconds is not None:
            canary_task.register(app)

    def diverted(self, books: Books) -> Books:
        """A worker's books, its canary's messages set apart."""
        if self._wanted.canary_interval_seconds is None:
            return books
        return Diversion(books, self._told).books

    def worker_is_built(self, worker: Worker) -> None:
        """Write for the first time: from now on there is something to probe."""
        self.ends()  # of the worker before, in a process that has one after the other
        self.pulse = Pulse()
        if self._wanted.canary_interval_seconds is not None:
            self._canary = self._new_canary(
                worker, self.pulse, self._wanted.canary_interval_seconds
            )
        self._keeper = Keeper(self._environ, worker.hostname, self.pulse, self._beside)

    def work_begins(self) -> None:
        """Keep the file. No earlier, so that the first forks know no thread of it."""
        if self._keeper is not None:
            self._keeper.start()

    def consumer_begins(self, consumer: Consumer) -> None:
        """Know whom to ask for its queues; the first has a canary fly."""
        first, self._consumer = self._consumer is None, consumer
        if first and self._canary is not None:
            self._canary.start()

    def measure(self) -> Fact:
        """Whether the worker is ready, as a probe would find now.

        Whoever exports asks, in a thread of its own: it says no for a loop that is wedged.
        """
        keeper = self._keeper
        found = keeper is not None and ready(keeper.state(), monotonic(), Limits()).ok
        return HealthMeasured(found)

    def ends(self) -> None:
        """Take file and queue away; whoever asks second finds that done."""
        keeper, self._keeper = self._keeper, None
        canary, self._canary = self._canary, None
        begun, self._consumer = self._consumer is not None, None
        self.pulse = None
        if canary is not None and begun:
            self.safely("health", canary.stop)
        if keeper is not None:
            self.safely("health", keeper.stop)

    def was_forked(self) -> None:
        """What was inherited belongs to the parent."""
        self._keeper = self._canary = self.pulse = self._consumer = None

    def _new_canary(self, worker: Worker, pulse: Pulse, interval_seconds: float) -> Canary:
        from celery.worker import state as worker_state  # noqa: PLC0415 - only in a worker

        queue = CanaryQueue(worker.app, worker.hostname)
        queue.select()
        return Canary(
            queue,
            pulse,
            lambda: len(worker_state.active_requests) >= (worker.pool.num_processes or 0),
            self._record,
            Pace(interval_seconds, self._wanted.canary_timeout_seconds),
        )

    def _told(self, delivery: Delivery, outcome: Outcome, detail: str) -> None:
        if self._canary is not None:
            self._canary.told(delivery, outcome, detail)

    def _beside(self) -> Beside:
        tasks = getattr(self._consumer, "task_consumer", None)
        queues = len(tasks.queues) if tasks else 0
        canary = self._canary
        if canary is None:
            return Beside(queues, exports=not self._is_down())
        return Beside(queues, not self._is_down(), canary.outcome, canary.round_trip_seconds)
