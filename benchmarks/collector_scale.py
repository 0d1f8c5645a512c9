"""How the embedded collector's cost of a point grows with the series it keeps, and who waits.

For each number of series: the CPU of a point of a worker that pushes on, while all others are
silent. And, while a page of so many lines is scraped over and over, how long a push takes from its
first byte to its answer.
"""

from __future__ import annotations

import re
import statistics
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.collectors import CONFIG, Served, ours, serving
from benchmarks.payload import counters
from benchmarks.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POINTS = 6000
"""Of a worker that fills the ledger; a tenth as many series, since ten tenants become one."""
SERIES = (1_000, 10_000, 100_000, 1_000_000)
STREAMS_MAX = "20000000"
LIMIT_MIB = 16384
PUSHES = 200
PUSHES_MEANWHILE = 300


def table(short: bool) -> Table:
    """Measure; a short run stops at 10,000 series."""
    return Table(
        "Scale of the embedded collector: one worker pushes 600 points, others have filled it",
        ("series", "a point", "push meanwhile scraped, median", "99 of 100"),
        _rows(SERIES[:2] if short else SERIES),
    )


def _rows(sizes: Sequence[int]) -> Iterator[Sequence[str]]:
    for series in sizes:
        with _roomy() as config, serving(ours("--max-streams", STREAMS_MAX), config) as served:
            _fill(served, series)
            bodies = [counters("pushing", tick, 600) for tick in range(1, PUSHES + 1)]
            served.post(bodies)  # known from here on
            before = served.cpu_seconds()
            served.post(bodies)
            point = (served.cpu_seconds() - before) / (PUSHES * 600) * 1e9
            waits = _waits(served, bodies)
            median, high = statistics.median(waits), statistics.quantiles(waits, n=100)[-1]
            yield (
                f"{series:,}",
                f"{point:,.0f} ns",
                f"{median * 1e3:,.1f} ms",
                f"{high * 1e3:,.1f} ms",
            )


@contextmanager
def _roomy() -> Iterator[Path]:
    """Write the repository's YAML with a limit on memory that millions of streams stay below."""
    text = CONFIG.read_text()
    roomy = re.sub(r"\blimit_mib: \d+", f"limit_mib: {LIMIT_MIB}", text)
    if roomy == text:
        raise RuntimeError(f"{CONFIG.name} has no limit on memory to raise")
    with TemporaryDirectory() as directory:
        config = Path(directory) / CONFIG.name
        config.write_text(roomy)
        yield config


def _fill(served: Served, series: int) -> None:
    for first in range(0, series * 10 // POINTS + 1, 10):
        workers = range(first, min(first + 10, series * 10 // POINTS + 1))
        served.post([counters(f"worker-{worker}", 1, POINTS) for worker in workers])


def _waits(served: Served, bodies: list[bytes]) -> list[float]:
    """Return seconds of pushes while somebody scrapes without a pause."""
    done = threading.Event()

    def scrape() -> None:
        while not done.is_set():
            served.scrape()

    scraping = threading.Thread(target=scrape)
    scraping.start()
    waits = []
    try:
        for at in range(PUSHES_MEANWHILE):
            began = time.perf_counter()
            served.post(bodies[at % len(bodies) :][:1], connections=1)
            waits.append(time.perf_counter() - began)
    finally:
        done.set()
        scraping.join()
    return waits
