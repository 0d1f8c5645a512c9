"""One process's report: its facts counted, and sent to the collector at every interval.

Comes in: facts from any thread. Goes out: exports by one thread of its own, the last one at `stop`.
The clock of the exports is here. It knows neither Celery nor which kind of process it reports for.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from time import monotonic, time_ns
from typing import TYPE_CHECKING

from telemetry import catalog, export, instruments
from telemetry.state.left import Fate, Neighbours
from telemetry.state.opening import open_store
from telemetry.tally import Tallies
from telemetry.tasks.facts import ExportFailed, Fact, Overflowed, StateFailed
from telemetry.tasks.lifecycle import Lifecycle
from telemetry.tasks.safely import Safely
from telemetry.tasks.turns import Turns
from telemetry.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import ScopeMetrics
    from opentelemetry.sdk.resources import Resource

    from telemetry.instruments import UserMetrics
    from telemetry.settings import Settings
    from telemetry.slots import Slot
    from telemetry.state.cells import Mapped

logger = logging.getLogger(__name__)

STOP_SECONDS = 2.0
"""How long the last export may hold up an exit, which should take less than 3 s."""
STOP_SECONDS_DOWN = 0.5
"""The same where the last export failed."""


class Reporter:
    """What a process says about itself, from its beginning to its last word."""

    def __init__(
        self,
        settings: Settings,
        resource: Resource,
        *,
        down: bool = False,
        quiet: bool = False,
        durable: bool = False,
    ) -> None:
        """`durable`: what it counts outlives the process, if a state directory is set."""
        self._start_unix_nano = time_ns()
        self._state_failures: deque[str] = deque()
        self._file: Mapped | None = None
        self._neighbours: Neighbours | None = None
        if durable and settings.state_dir is not None:
            self._file = open_store(
                settings.state_dir,
                resource.attributes,
                self._start_unix_nano,
                self._state_failures.append,
                catalog.lifting(settings.attributes).values(),
            )
            if self._file is not None:
                self._start_unix_nano = self._file.start_unix_nano
                self._neighbours = Neighbours(settings.state_dir, partial(export.push, settings))
        self._tallies = Tallies(store=self._file)
        self._lifecycle = Lifecycle(self._tallies, settings.attributes, settings.attributes_max)
        self._turns = Turns()
        self.books = self._lifecycle.books(self._turns)
        """Takes what hooks write down; never blocks."""
        self.record = self.books.record
        level = logging.DEBUG if quiet else logging.WARNING
        self._sender = export.Sender(settings, resource, down=down, log_level=level)
        self._ticker = Ticker(self._export, settings.interval_seconds)
        self._safely = Safely(self.record)
        self._measures: list[Callable[[], Fact]] = []
        self._user: UserMetrics | None = None
        self._slot: Slot | None = None
        self._said = False

    @property
    def resource(self) -> Resource:
        """Who this is a report of."""
        return self._sender.resource

    @property
    def down(self) -> bool:
        """Whether the collector did not take the last export."""
        return self._sender.down

    def start(self) -> None:
        """Begin to export."""
        self._ticker.start()

    def measure(self, measure: Callable[[], Fact]) -> None:
        """Ask for this fact before every export."""
        self._measures.append(measure)

    def user_metrics(
        self, flush: Callable[[float], bool], inherited: MeterProvider | None = None
    ) -> UserMetrics:
        """Take over the user's instruments in this process, under this report's name.

        `inherited` is a provider that was made before this process was forked.
        """
        told = (self._sender.exporter, self._sender.resource, flush)
        if inherited is None:
            return instruments.adopt(*told)
        return instruments.remake(inherited, *told)

    def include(self, user: UserMetrics, slot: Slot | None = None) -> None:
        """Export what the user's instruments record, too; `slot` is told how far that went."""
        self._user = user
        self._slot = slot

    def flush(self, timeout_seconds: float) -> bool:
        """Export now; whether that was done in time."""
        return self._ticker.flush(timeout_seconds)

    def stop(self, *, wait: bool = True) -> bool:
        """The last export; whether it was sent in time. At most `stop_seconds`."""
        self._neighbours = None
        done = self._ticker.stop(self.stop_seconds if wait else 0)
        if self._file is not None:
            # What nobody has taken stays, to be continued or to be sent by others.
            self._turns.read(self._file.remove if done and self._said else self._file.leave)
            self._tallies.moved()
        return done

    def forget(self) -> None:
        """In a forked child: whatever is counted here is its parent's."""
        if self._file is not None:
            self._file.forget()
            self._tallies.moved()

    @property
    def stop_seconds(self) -> float:
        """How long its end may take now."""
        return STOP_SECONDS_DOWN if self.down else STOP_SECONDS

    def _export(self) -> None:
        scopes: list[ScopeMetrics] = []
        self._safely("measure", self._measure)
        ended = 0 if self._slot is None else self._slot.ended()
        self._safely("user_metrics", self._take_user_metrics, scopes)
        used = bool(scopes)
        while self._state_failures:
            self.record(StateFailed(self._state_failures.popleft()))
        readings = self._turns.read(self._lifecycle.readings)
        if readings:
            scopes.append(export.scope_metrics(readings, self._start_unix_nano, time_ns()))
        self._said = self._sender.send(scopes) if scopes else True
        if not self._said:
            self.record(ExportFailed())
            return
        if self._slot is not None:
            self._slot.exported(ended, used=used)
        if self._neighbours is not None:
            self._safely("neighbours", self._visit, self._neighbours)

    def _visit(self, neighbours: Neighbours) -> None:
        """Others' last words, a file at most, while the collector takes what is sent."""
        flushed = neighbours.visit(monotonic())
        if flushed is None:
            return
        if flushed.fate is Fate.DAMAGED:
            self.record(StateFailed("damaged"))
        logger.info(
            "%s, left by another worker: %s; %s messages were in its hands",
            flushed.path.name,
            flushed.fate.value,
            flushed.lost,
        )

    def _measure(self) -> None:
        for measure in self._measures:
            self.record(measure())

    def _take_user_metrics(self, scopes: list[ScopeMetrics]) -> None:
        if self._user is None:
            return
        taken, overflowing = self._user.take()
        scopes += taken
        for name in overflowing:
            self.record(Overflowed())
            logger.warning(
                "%s has more than %s sets of attributes; those beyond are one series without any",
                name,
                instruments.USER_SERIES_MAX,
            )
