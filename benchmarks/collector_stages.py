"""Where the time of a request goes that is known as a whole, stage by stage, inside of one process.

Every stage is timed by itself, over and over, and the least counts: what it takes with warm caches
and nobody beside it. The whole is more than the stages, by what lies between them.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.collectors import CONFIG
from benchmarks.payload import counters, histograms
from benchmarks.table import Table
from collector.plan import load
from collector.river import River

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KINDS: dict[str, tuple[Callable[[str, int, int], bytes], int]] = {
    "600 counters": (counters, 600),
    "200 histograms": (histograms, 200),
    "30 counters": (counters, 30),
}
ROUNDS = 7


def table(short: bool) -> Table:
    """Time every stage; a short run repeats it less often."""
    return Table(
        "Stages of a request that is known, in one process, microseconds",
        ("request", "bytes", "lay out", "and take", "record", "accept", "a bare compare"),
        (_row(name, 200 if short else 2000) for name in KINDS),
    )


def _row(name: str, times: int) -> Sequence[str]:
    make, points = KINDS[name]
    plan = load(CONFIG.name, CONFIG.read_text(), {})
    river = River(plan)
    intake = river.intake(next(iter(plan.receivers)), "http")
    body = make("worker", 1, points)
    for tick in (1, 2, 3):
        intake.accept(make("worker", tick, points), 0.0)
    reader = river.engines[0]._reader  # noqa: SLF001 - this is what is measured
    desk = reader._desk  # noqa: SLF001
    known = reader.again(body)
    if known is None:
        raise RuntimeError("a request that was pushed three times is not known")
    shape, cells = known
    stages: Iterator[Callable[[], object]] = iter(
        (
            lambda: desk.lay(body, 0, len(body)),
            lambda: (desk.lay(body, 0, len(body)), desk.take(shape)),
            lambda: shape.binding.record(cells, 0.0),
            lambda: intake.accept(body, 0.0),
            _bare(len(body)),
        )
    )
    taken = [min(timeit.repeat(stage, number=times, repeat=ROUNDS)) / times for stage in stages]
    return [name, f"{len(body):,}", *(f"{seconds * 1e6:.1f}" for seconds in taken)]


def _bare(size: int) -> Callable[[], object]:
    """One comparison of as many bytes: what the memory gives."""
    words = np.ones(size // 8, np.uint64)
    expected = words.copy()
    return lambda: np.array_equal(words, expected)
