"""A moment of the run as numbers for a person: scrapes in, rows out.

In: pages of /metrics and of the collector's own metrics, one after the other, and when. Out: a
`Picture`. It draws nothing and fetches nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from demo.account import OUTCOMES, exposed
from demo.shop import EXPOSED, QUEUES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.scrape import Page, Sample

WINDOW_SECONDS = 6.0
"""Rates are over so long: some exports of every worker."""


class TaskRow(NamedTuple):
    """A task, summed over workers."""

    task: str
    counts: Mapping[str, int]
    """By outcome, since the start."""
    rates: Mapping[str, float]
    """By outcome, a second."""
    runtime_seconds: float | None
    """The mean; None where none has ended by itself."""


class WorkerRow(NamedTuple):
    """A worker, as it describes itself."""

    node: str
    processes: int
    active: int
    reserved: int
    canary_seconds: float | None
    """The mean of its messages to itself; None while none has come back."""


class QueueRow(NamedTuple):
    """A queue, as whoever observes the broker and the workers describe it."""

    queue: str
    waiting: int
    oldest_seconds: float
    """How long the next message has waited."""
    reserved: int
    """Messages that workers took and have not begun."""


class ShopRow(NamedTuple):
    """One of the shop's metrics: with tenants before the collector, without behind it."""

    metric: str
    given: Mapping[str, int]
    """What tasks gave to it, by tenant."""
    exposed: tuple[Sample, ...]


class Picture(NamedTuple):
    """What is to be seen."""

    seconds: float
    tasks: tuple[TaskRow, ...]
    workers: tuple[WorkerRow, ...]
    queues: tuple[QueueRow, ...]
    child_exits: Mapping[str, int]
    """By reason; those that happened."""
    streams: int
    """What the collector has been pushed, tenants apart."""
    series: int
    """What it has made of them."""
    shop: tuple[ShopRow, ...]

    @property
    def totals(self) -> dict[str, int]:
        """Executions by outcome."""
        return {name: sum(row.counts.get(name, 0) for row in self.tasks) for name in OUTCOMES}

    @property
    def per_second(self) -> float:
        """Tasks that ended, a second."""
        return sum(sum(row.rates.values()) for row in self.tasks)


class Observer:
    """Remembers just enough of what it saw to tell rates."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._seen: deque[tuple[float, Mapping[tuple[str, str], int]]] = deque()

    def look(
        self, now: float, page: Page, own: Page, given: Mapping[str, Mapping[str, int]]
    ) -> Picture:
        """Take a picture at `now`, seconds on the clock of `started`.

        `given` is what tasks gave to the shop's metrics, by metric and tenant.
        """
        outcomes = exposed(page).outcomes
        self._seen.append((now, outcomes))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_SECONDS:
            self._seen.popleft()
        return Picture(
            seconds=now - self._started,
            tasks=tuple(self._task(task, page) for task in sorted({task for task, _ in outcomes})),
            workers=_workers(page),
            queues=_queues(page),
            child_exits=_exits(page),
            streams=round(own.sum("portless_streams")),
            series=round(own.sum("portless_series")),
            shop=tuple(
                ShopRow(metric, by_tenant, tuple(page.samples(EXPOSED[metric])))
                for metric, by_tenant in given.items()
            ),
        )

    def _task(self, task: str, page: Page) -> TaskRow:
        (then, before), (now, outcomes) = self._seen[0], self._seen[-1]
        counts = {name: outcomes[task, name] for name in OUTCOMES if (task, name) in outcomes}
        rates = {
            name: (count - before.get((task, name), 0)) / (now - then) if now > then else 0.0
            for name, count in counts.items()
        }
        ended = page.sum("celery_task_runtime_seconds_count", task_name=task)
        total = page.sum("celery_task_runtime_seconds_sum", task_name=task)
        return TaskRow(task, counts, rates, total / ended if ended else None)


def _workers(page: Page) -> tuple[WorkerRow, ...]:
    gauges = (
        page.sum_by("hostname", f"celery_worker_{name}")
        for name in ("pool_processes", "tasks_active", "tasks_reserved")
    )
    processes, active, reserved = gauges
    returned, took = (
        page.sum_by("hostname", f"celery_canary_round_trip_seconds_{part}")
        for part in ("count", "sum")
    )
    return tuple(
        WorkerRow(
            node,
            *(round(gauge.get(node, 0)) for gauge in (processes, active, reserved)),
            took[node] / returned[node] if returned.get(node) else None,
        )
        for node, up in sorted(page.sum_by("hostname", "celery_worker_up").items())
        if up
    )


def _queues(page: Page) -> tuple[QueueRow, ...]:
    gauges = (
        page.sum_by("queue_name", f"celery_queue_{name}")
        for name in ("length", "oldest_age_seconds", "reserved")
    )
    waiting, oldest, reserved = gauges
    return tuple(
        QueueRow(queue, round(waiting[queue]), oldest[queue], round(reserved.get(queue, 0)))
        for queue in QUEUES
        if queue in waiting and queue in oldest
    )


def _exits(page: Page) -> dict[str, int]:
    exits = page.sum_by("reason", "celery_worker_child_exits_total")
    return {reason: round(count) for reason, count in sorted(exits.items()) if count}
