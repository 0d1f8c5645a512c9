"""CPU of the whole collector process per point and per scraped line: the embedded one and otelcol.

Both get the same bytes over OTLP on one connection, in turns, so that whatever else the
machine does meets both. A turn's cost is the process's CPU time; of each the middle one counts.
"""

from __future__ import annotations

import gzip
import statistics
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.collectors import Served, otelcol, ours, serving
from benchmarks.payload import counters, histograms

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 5
TICKS = 20
"""Different bodies per worker before they repeat with larger numbers."""


class Work(NamedTuple):
    """One kind of traffic."""

    name: str
    points: int
    """Per request."""
    requests: int
    """Per turn, full length."""
    make: Callable[[str, int, int], bytes]
    encoding: str = ""
    over_grpc: bool = False


WORKS = (
    Work("counters, 600 points a request", 600, 1500, counters),
    Work("counters, 600 points, gzip", 600, 800, counters, "gzip"),
    Work("histograms of 15 buckets, 200 points a request", 200, 1000, histograms),
    Work("counters, 30 points a request", 30, 4000, counters),
    Work("counters, 600 points a request over gRPC", 600, 800, counters, over_grpc=True),
)


class Row(NamedTuple):
    """What a kind of work costs each."""

    work: str
    unit: str
    ours: float
    otelcol: float

    @property
    def ratio(self) -> float:
        """How many times more the real collector spends."""
        return self.otelcol / self.ours


def measure(*, short: bool) -> list[Row]:
    """Run everything; `short` takes a tenth of the time and is that much rougher."""
    rows = [_traffic(work, max(work.requests // (10 if short else 1), 50)) for work in WORKS]
    rows.append(_scrape(scrapes=3 if short else 20))
    return rows


def _traffic(work: Work, requests: int) -> Row:
    with serving(ours()) as mine, serving(otelcol()) as theirs:
        costs: dict[int, list[float]] = {0: [], 1: []}
        for turn in range(4):
            bodies = _bodies(work, turn, requests)
            for which, served in enumerate((mine, theirs)):
                before = served.cpu_seconds()
                if work.over_grpc:
                    served.call(bodies)
                else:
                    served.post(bodies, work.encoding)
                spent = served.cpu_seconds() - before
                if turn:  # the first turn warms both up
                    costs[which].append(spent / (requests * work.points) * 1e9)
        return Row(work.name, "ns/point", *(statistics.median(costs[which]) for which in costs))


def _bodies(work: Work, turn: int, requests: int) -> list[bytes]:
    made = [
        work.make(f"worker-{worker}", turn * TICKS + tick + 1, work.points)
        for tick in range(TICKS)
        for worker in range(WORKERS)
    ]
    if work.encoding:
        made = [gzip.compress(body, 6) for body in made]
    return [made[at % len(made)] for at in range(requests)]


def _scrape(scrapes: int) -> Row:
    with serving(ours()) as mine, serving(otelcol()) as theirs:
        costs = []
        for served in (mine, theirs):
            fill(served)
            lines = sum(not line.startswith(b"#") for line in served.scrape().splitlines())
            before = served.cpu_seconds()
            for _ in range(scrapes):
                served.scrape()
            costs.append((served.cpu_seconds() - before) / (scrapes * lines) * 1e9)
        return Row("scrape, about 40,000 lines", "ns/line", *costs)


def fill(served: Served) -> None:
    """Push what becomes some 40,000 lines of exposition."""
    for worker in range(110):
        name = f"worker-{worker}"
        served.post([counters(name, 3, 300), histograms(name, 3, 200)])
