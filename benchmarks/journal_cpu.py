"""What keeping costs: CPU of the whole collector with a state directory and without, same bytes.

Both are pushed to in turns, so that whatever else the machine does meets both. The state directory
is on the disk of the temporary directory, with the default `--fsync interval`.
"""

from __future__ import annotations

import statistics
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.collectors import ours, serving
from benchmarks.payload import counters, histograms
from benchmarks.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

BODIES = 20
TURNS = 4

WORKS: tuple[tuple[str, int, int, Callable[[str, int, int], bytes]], ...] = (
    ("counters, 600 points a request", 600, 3000, counters),
    ("histograms of 15 buckets, 200 points a request", 200, 2000, histograms),
    ("counters, 30 points a request", 30, 12000, counters),
)


class Row(NamedTuple):
    """What a request costs."""

    work: str
    without: float
    """Microseconds."""
    kept: float
    """The same with a state directory."""

    @property
    def ratio(self) -> float:
        """How many times more is spent on what is kept."""
        return self.kept / self.without


def table(short: bool) -> Table:
    """Measure; see `measure`."""
    return Table(
        "CPU of the collector with a state directory and without",
        ("work", "without, us a request", "with", "with / without"),
        (
            (kept.work, f"{kept.without:.0f}", f"{kept.kept:.0f}", f"{kept.ratio:.2f}")
            for kept in measure(short=short)
        ),
    )


def measure(*, short: bool) -> list[Row]:
    """Run everything; `short` takes a quarter of the time and is that much rougher."""
    return [
        _traffic(name, [make("worker", tick + 1, points) for tick in range(BODIES)], requests)
        for name, points, requests, make in (
            (name, points, count // (4 if short else 1), make)
            for name, points, count, make in WORKS
        )
    ]


def _traffic(name: str, bodies: list[bytes], requests: int) -> Row:
    costs: tuple[list[float], list[float]] = [], []
    with (
        TemporaryDirectory() as folder,
        serving(ours()) as plain,
        serving([*ours(), "--state-dir", folder]) as keeping,
    ):
        for turn in range(TURNS):
            for served, spent in zip((plain, keeping), costs):
                before = served.cpu_seconds()
                served.post([bodies[at % BODIES] for at in range(requests)])
                if turn:  # the first turn warms both up
                    spent.append((served.cpu_seconds() - before) / requests * 1e6)
    return Row(name, *map(statistics.median, costs))
