"""CPU of the whole collector process per point and per scraped line: the embedded one and otelcol.

Both get the same bytes over OTLP on ten connections, as of ten workers that push at the same moment
(over gRPC on one), in turns, so that whatever else the machine does meets both. A turn's cost is
the process's CPU time; of each the middle one counts.
"""

from __future__ import annotations

import gzip
import statistics
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.collectors import Served, otelcol, ours, serving
from benchmarks.payload import counters, histograms, new, reordered, restarted
from benchmarks.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    Work("known streams, each request in another order", 600, 200, reordered),
    Work("known streams of workers that began anew", 600, 200, restarted),
    Work("every stream is new", 600, 60, new),
)
TURNS = 5
"""The first one warms both up."""
WORKERS_SCRAPED = 110
"""Their 300 counter points and 200 histograms each make about 40,000 lines."""


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


def table(short: bool) -> Table:
    """Run everything; `short` takes a tenth of the time and is that much rougher."""
    return Table(
        "CPU of the collector: the embedded one and otelcol, same YAML, same bytes, in turns",
        ("work", "ours", "otelcol", "otelcol / ours"),
        (
            (row.work, f"{row.ours:,.0f} {row.unit}", f"{row.otelcol:,.0f} {row.unit}",
             f"{row.ratio:.1f}")
            for row in _rows(short=short)
        ),
    )  # fmt: skip


def _rows(*, short: bool) -> Iterator[Row]:
    for work in WORKS:
        yield _traffic(work, max(work.requests // (10 if short else 1), 30))
    for changed in (False, True):
        for encoding in ("identity", "gzip"):
            yield _scrape(3 if short else 10, encoding, changed=changed)


def _traffic(work: Work, requests: int) -> Row:
    with serving(ours()) as mine, serving(otelcol()) as theirs:
        costs: dict[int, list[float]] = {0: [], 1: []}
        for turn in range(TURNS):
            bodies = _bodies(work, turn, requests)
            for which, served in enumerate((mine, theirs)):
                before = served.cpu_seconds()
                if work.over_grpc:
                    served.call(bodies)
                else:
                    served.post(bodies, work.encoding)
                spent = served.cpu_seconds() - before
                if turn:
                    costs[which].append(spent / (requests * work.points) * 1e9)
        return Row(work.name, "ns/point", *(statistics.median(costs[which]) for which in costs))


def _bodies(work: Work, turn: int, requests: int) -> list[bytes]:
    """Make a turn's requests; of known streams a hundred bodies come again and again."""
    ticks = TICKS if work.make in (counters, histograms) else -(-requests // WORKERS)
    made = [
        work.make(f"worker-{worker}", turn * ticks + tick + 1, work.points)
        for tick in range(ticks)
        for worker in range(WORKERS)
    ]
    if work.encoding:
        made = [gzip.compress(body, 6) for body in made]
    return [made[at % len(made)] for at in range(requests)]


def _scrape(scrapes: int, encoding: str, *, changed: bool) -> Row:
    """Scrape in turns, with the same numbers each time or with other ones in every line."""
    with serving(ours()) as mine, serving(otelcol()) as theirs:
        costs: dict[int, list[float]] = {0: [], 1: []}
        for served in (mine, theirs):
            fill(served, 1)
        lines = sum(not line.startswith(b"#") for line in mine.scrape().splitlines())
        theirs.scrape()
        for scrape in range(scrapes):
            for which, served in enumerate((mine, theirs)):
                if changed:
                    fill(served, 2 + scrape)
                before = served.cpu_seconds()
                served.scrape(encoding)
                costs[which].append((served.cpu_seconds() - before) / lines * 1e9)
        what = "every line changed" if changed else "no line changed"
        packed = ", gzip" if encoding == "gzip" else ""
        name = f"scrape of {lines:,} lines, {what}{packed}"
        return Row(name, "ns/line", *(statistics.median(costs[which]) for which in costs))


def fill(served: Served, tick: int) -> None:
    """Push what becomes some 40,000 lines of exposition."""
    for worker in range(WORKERS_SCRAPED):
        name = f"worker-{worker}"
        served.post([counters(name, tick, 300), histograms(name, tick, 200)], connections=1)
