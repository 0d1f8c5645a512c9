"""A plan -> everything joined: receivers' intakes, the pipelines' engines, the exporters' outlets.

    intake per receiver -> engine per pipeline -> outlet per exporter

A receiver feeds every pipeline that names it, and an exporter shows what every pipeline that names
it keeps. No socket, no thread and no clock: `now` is an argument, seconds of one clock for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine import STREAMS_MAX, Engine
from collector.intake import Intake
from collector.outlets.prometheus import PrometheusOutlet
from collector.outlets.pushed import PushOutlet
from collector.self_metrics import counter
from collector.settings import Prometheus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.fields.component_id import ComponentId
    from collector.journal.journal import StateDir
    from collector.keeper import Keeper
    from collector.outlets.outlet import Outlet
    from collector.plan import Pipeline, Plan
    from collector.self_metrics import Sample


class River:
    """All pipelines of a plan."""

    def __init__(
        self, plan: Plan, streams_max: int = STREAMS_MAX, state_dir: StateDir | None = None
    ) -> None:
        """Join all; `streams_max` is for each pipeline. Raises StateDirError."""
        self._state_dir = state_dir
        self.prometheus: dict[ComponentId, PrometheusOutlet] = {}
        self.pushing: dict[ComponentId, PushOutlet] = {}
        for id_, settings in plan.exporters.items():
            if isinstance(settings, Prometheus):
                self.prometheus[id_] = PrometheusOutlet(settings)
            else:
                self.pushing[id_] = PushOutlet()
        self._outlets: Mapping[ComponentId, Outlet] = {**self.prometheus, **self.pushing}
        self.engines = [self._engine(pipeline, streams_max) for pipeline in plan.pipelines]
        self._intakes: dict[tuple[ComponentId, str], Intake] = {}

    def _engine(self, pipeline: Pipeline, streams_max: int) -> Engine:
        outlets = [self._outlets[id_] for id_ in pipeline.exporters]
        journal = self._state_dir.journal(pipeline.name) if self._state_dir else None
        return Engine(pipeline, outlets, streams_max, journal)

    @property
    def _keepers(self) -> list[Keeper]:
        return [engine.keeper for engine in self.engines if engine.keeper]

    def restore(self, now: float) -> None:
        """Read what was kept in the state directory; before anything else."""
        for engine in self.engines:
            engine.restore(now)

    def keep(self, now: float) -> bool:
        """Write a little of the states that are due; return whether there is more to write."""
        more = [keeper.step(now) for keeper in self._keepers]
        return any(more)

    def syncing(self) -> list[int]:
        """Return handles of files that have to be synced, copies that the caller closes."""
        handles = [keeper.journal.syncing() for keeper in self._keepers]
        return [handle for handle in handles if handle is not None]

    def close(self) -> None:
        """Let go of the state directory."""
        for keeper in self._keepers:
            keeper.close()

    def intake(self, receiver: ComponentId, transport: str) -> Intake:
        """Return the way in from a receiver; `transport` is what the Collector calls it."""
        key = receiver, transport
        if key not in self._intakes:
            fed = [engine for engine in self.engines if receiver in engine.pipeline.receivers]
            self._intakes[key] = Intake(str(receiver), transport, fed)
        return self._intakes[key]

    def _shown(self, exporter: ComponentId) -> Sample:
        """Count the points that came to an exporter which is asked, as the Collector does."""
        points = sum(
            engine.accepted - engine.dropped + engine.copies.kept
            for engine in self.engines
            if exporter in engine.pipeline.exporters
        )
        name, help_ = "otelcol_exporter_sent_metric_points", "Data points that came to an exporter."
        return counter(name, points, help_, exporter=str(exporter))

    def tick(self, now: float) -> None:
        """Forget series that nobody spoke for during `metric_expiration`, like the real exporter.

        One that is part of a line stays while any of the line's series is spoken for.
        """
        for engine in self.engines:
            engine.tidy(now)
        for outlet in self._outlets.values():
            outlet.hear(now)
        for engine in self.engines:
            engine.forget()

    def self_metrics(self) -> list[Sample]:
        """Return the numbers of all parts."""
        samples = [intake.self_metrics() for intake in self._intakes.values()]
        samples += [engine.self_metrics() for engine in self.engines]
        samples += [outlet.self_metrics(str(id_)) for id_, outlet in self._outlets.items()]
        samples += [[self._shown(id_)] for id_ in self.prometheus]
        return [sample for each in samples for sample in each]
