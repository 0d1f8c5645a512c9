"""What workers push in a turn, in each peer's language: the same counters, the same increments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.payload import TENANTS, counters
from benchmarks.processes import Push

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 5
POINTS = 600
"""Of a push: series that all were there before, in three counters of 20 tasks and ten tenants."""
COUNTERS = ("started", "success", "failed")
TENANT = "tenant-"
"""What every tenant's name begins with."""


@dataclass(frozen=True)
class Turn:
    """Some pushes of every worker, made when they are first asked for."""

    ticks: range

    @property
    def points(self) -> int:
        """How many come in."""
        return len(self.ticks) * WORKERS * POINTS

    @cached_property
    def otlp(self) -> list[bytes]:
        """As OTLP, one body after the other, workers by turns."""
        return [counters(f"worker-{worker}", tick, POINTS) for tick, worker in self._pushes()]

    @cached_property
    def text(self) -> list[Push]:
        """As Prometheus' text, each worker to a group of its own, which it replaces."""
        return [
            Push(
                f"PUT /metrics/job/celery/instance/worker-{worker}",
                "text/plain; version=0.0.4",
                _text(tick),
            )
            for tick, worker in self._pushes()
        ]

    @cached_property
    def statsd(self) -> dict[int, bytes]:
        """As lines of statsd by worker: increments, since it has no totals."""
        return {worker: b"".join(_lines(worker) for _ in self.ticks) for worker in range(WORKERS)}

    def _pushes(self) -> Iterator[tuple[int, int]]:
        return ((tick, worker) for tick in self.ticks for worker in range(WORKERS))


def total_started(tick: int) -> int:
    """What all workers together have counted in the first counter after a tick."""
    return WORKERS * tick * sum(at + 1 for at in _series())


def _series() -> range:
    return range(POINTS // len(COUNTERS))


def _text(tick: int) -> bytes:
    lines = []
    for name in COUNTERS:
        lines.append(f"# TYPE shop_{name}_total counter")
        lines += [
            f'shop_{name}_total{{queue_name="default",task_name="{_task(at)}",'
            f'tenant_id="{_tenant(at)}"}} {tick * (at + 1)}'
            for at in _series()
        ]
    return ("\n".join(lines) + "\n").encode()


def _lines(worker: int) -> bytes:
    """What is counted between two ticks; its dots separate, so a task's name has slashes."""
    return "".join(
        f"shop.{name}.worker-{worker}.{_task(at).replace('.', '/')}.default.{_tenant(at)}"
        f":{at + 1}|c\n"
        for name in COUNTERS
        for at in _series()
    ).encode()


def _task(at: int) -> str:
    return f"shop.tasks.reports.build_{at // TENANTS}"


def _tenant(at: int) -> str:
    return f"{TENANT}{at % TENANTS:06d}"
