"""Memory of the collector with 100,000 streams of 200 workers: the embedded one and otelcol.

Each worker pushes its 500 counter points three times, and is scraped once; then the resident memory
is read. What both held before the first push is taken off for the bytes of a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.collectors import Served, otelcol, ours, serving
from benchmarks.payload import counters
from benchmarks.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORKERS = 200
POINTS = 498
"""Of a worker: a multiple of the three metrics, 99,600 streams in all."""
PUSHES = 3


def table(short: bool) -> Table:
    """Measure; a short run has a tenth of the workers."""
    return Table(
        "Memory of the collector",
        ("streams", "ours", "otelcol", "otelcol / ours", "ours, a stream", "otelcol, a stream"),
        _rows(WORKERS // 10 if short else WORKERS),
    )


def _rows(workers: int) -> Iterator[Sequence[str]]:
    streams = workers * POINTS
    found = [_measure(command, workers) for command in (ours(), otelcol())]
    (mine, my_growth), (theirs, their_growth) = found
    yield (
        f"{streams:,} of {workers} workers",
        f"{mine / 2**20:,.0f} MiB",
        f"{theirs / 2**20:,.0f} MiB",
        f"{theirs / mine:.2f}",
        f"{my_growth / streams:,.0f} B",
        f"{their_growth / streams:,.0f} B",
    )


def _measure(command: list[str], workers: int) -> tuple[int, int]:
    """Return the resident bytes, and by how much they grew."""
    with serving(command) as served:
        before = served.resident_bytes()
        for tick in range(1, PUSHES + 1):
            _push(served, tick, workers)
        served.scrape()
        return served.resident_bytes(), served.resident_bytes() - before


def _push(served: Served, tick: int, workers: int) -> None:
    served.post([counters(f"worker-{worker}", tick, POINTS) for worker in range(workers)])
