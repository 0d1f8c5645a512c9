"""The health of the worker in this process: its pulse, and the file that is kept of it.

Comes in: a worker, when its steps say what becomes of it. Goes out: the state file, for as long as
the worker is there. A process that was forked from the worker's has nothing to do with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.health.keeper import Beside, Keeper
from telemetry.health.pulse import Pulse
from telemetry.health.steps import steps
from telemetry.tasks.safely import Safely

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.tasks.facts import Fact

Worker: TypeAlias = Any
Consumer: TypeAlias = Any


class WorkerHealth:
    """A `telemetry.health.steps.Site`; `record` takes facts, `is_down` knows of the last export."""

    def __init__(
        self,
        environ: Mapping[str, str],
        record: Callable[[Fact], None],
        is_down: Callable[[], bool],
    ) -> None:
        self.pulse: Pulse | None = None
        self.safely = Safely(record)
        self.steps = steps(self)
        self._environ = environ
        self._is_down = is_down
        self._keeper: Keeper | None = None
        self._consumer: Consumer = None

    def worker_is_built(self, worker: Worker) -> None:
        """Write for the first time: from now on there is something to probe."""
        self.ends()  # of the worker before, in a process that has one after the other
        self.pulse = Pulse()
        self._keeper = Keeper(self._environ, worker.hostname, self.pulse, self._beside)

    def work_begins(self) -> None:
        """Keep the file. No earlier, so that the first forks know no thread of it."""
        if self._keeper is not None:
            self._keeper.start()

    def consumer_begins(self, consumer: Consumer) -> None:
        """Know whom to ask for its queues."""
        self._consumer = consumer

    def ends(self) -> None:
        """Take the file away; whoever asks second finds that done."""
        keeper, self._keeper = self._keeper, None
        self.pulse = self._consumer = None
        if keeper is not None:
            self.safely("health", keeper.stop)

    def was_forked(self) -> None:
        """What was inherited belongs to the parent."""
        self._keeper = self.pulse = self._consumer = None

    def _beside(self) -> Beside:
        tasks = getattr(self._consumer, "task_consumer", None)
        return Beside(queues=len(tasks.queues) if tasks else 0, exports=not self._is_down())
