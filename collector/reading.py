"""Numbers under way: as they come out of the bytes, and as they go into the exposition.

Nothing here knows whose numbers they are; readings go by position, results by series number.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import numpy as np
    from numpy.typing import NDArray


class Grid(NamedTuple):
    """Where the buckets of an exponential histogram lie.

    The bucket of index i counts what is above b**i and not above b**(i+1), where b is
    2**(2**-scale); a negative bucket counts the same with the other sign
    (https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram).
    """

    scale: int
    zero_threshold: float
    positive: range
    """Indices of the positive buckets."""
    negative: range
    """Indices of the negative buckets, which stand behind the positive ones."""


class Reading(NamedTuple):
    """The numbers of points that are read alike, one of each per point, in the points' order."""

    values: NDArray[Any]
    """Shape (n,): int64 or float64; the sums of distributions, as float64."""
    times: NDArray[np.uint64]
    """Nanoseconds since 1970; empty for lives that tell their start, where the largest counts."""
    starts: NDArray[np.uint64]
    """Of deltas; zeros otherwise, and empty as above."""
    counts: NDArray[np.int64] | None = None
    """Of distributions."""
    buckets: NDArray[np.int64] | None = None
    """Shape (n, width), not cumulated: bounds + 1 of histograms. Of exponential ones a count of
    zeros and then what the point's grid tells, zeros behind."""
    quantiles: NDArray[np.float64] | None = None
    """Shape (n, bounds): the values of summaries."""
    bounds: tuple[float, ...] = ()
    """Of histograms; of summaries the quantiles."""
    grids: Sequence[Grid] | None = None
    """Of exponential histograms."""


class Exponential(NamedTuple):
    """The buckets of an exponential histogram, by index; those that are not told are empty."""

    scale: int
    zero_threshold: float
    zeros: int
    """How many values lie within the threshold."""
    positive: Mapping[int, int]
    negative: Mapping[int, int]


class Exemplar(NamedTuple):
    """One value of those that a distribution or counter counted, and the trace that it is from."""

    value: float
    time: int
    """Nanoseconds since 1970."""
    trace_id: str
    """32 hexadecimal digits; empty where it is not told, as is the next."""
    span_id: str
    """16 hexadecimal digits."""


@dataclass(frozen=True)
class HistogramReading:
    """A histogram as the exposition prints it."""

    bounds: tuple[float, ...]
    """Ascending, without the infinite one."""
    cumulated: Sequence[int]
    """For each bound how many values are not above it."""
    count: int
    sum: float
    native: Callable[[], Exponential] | None = None
    """Adds up the exponential buckets, which most formats do not show; None where there are none,
    or some source has explicit bounds."""

    def in_buckets(self, exemplars: Iterable[Exemplar]) -> Iterable[tuple[int, Exemplar]]:
        """Return of each bucket that has one, the infinite included, the last exemplar."""
        return {
            bisect_left(self.bounds, exemplar.value): exemplar for exemplar in exemplars
        }.items()


@dataclass(frozen=True)
class HistogramTable:
    """Histograms with the same bounds, one a row."""

    bounds: tuple[float, ...]
    """As of a HistogramReading."""
    lines: NDArray[np.int64]
    """Of which line each is, shape (n,)."""
    cumulated: NDArray[np.int64]
    """Shape (n, bounds)."""
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]

    def __getitem__(self, row: int) -> HistogramReading:
        """Return one of them."""
        cumulated = self.cumulated[row].tolist()
        return HistogramReading(
            self.bounds, cumulated, int(self.counts[row]), float(self.sums[row])
        )

    def sum_of(self, rows: NDArray[np.intp]) -> HistogramReading:
        """Add some of its rows up."""
        cumulated = self.cumulated[rows].sum(axis=0).tolist()
        return HistogramReading(
            self.bounds, cumulated, int(self.counts[rows].sum()), fsum(self.sums[rows].tolist())
        )

    def only(self, chosen: NDArray[np.bool_]) -> HistogramTable:
        """Return the table of some of its rows."""
        if chosen.all():
            return self
        return HistogramTable(
            self.bounds,
            self.lines[chosen],
            self.cumulated[chosen],
            self.counts[chosen],
            self.sums[chosen],
        )


@dataclass(frozen=True)
class SummaryReading:
    """A summary as the exposition prints it."""

    quantiles: Sequence[tuple[float, float]]
    """Quantiles, ascending, and their values; none where several sources met."""
    count: int
    sum: float


@dataclass(frozen=True)
class Readings:
    """The value of every series at one moment, by the series' number."""

    numbers: Sequence[float] | NDArray[np.float64]
    """Counters and gauges; meaningless where a number is free or belongs to a distribution."""
    histograms: Mapping[int, HistogramReading] = field(default_factory=dict)
    """Those that are in no table."""
    absent: AbstractSet[int] = field(default_factory=frozenset)
    """Series that have nothing to say now and are not shown."""
    summaries: Mapping[int, SummaryReading] = field(default_factory=dict)
    exemplars: Mapping[int, Sequence[Exemplar]] = field(default_factory=dict)
    """Ascending by time."""
    times: Sequence[int] = ()
    """When each series' newest point was, milliseconds since 1970; empty where it is not shown."""
    tables: Sequence[HistogramTable] = ()

    @cached_property
    def _in_tables(self) -> Mapping[int, tuple[HistogramTable, int]]:
        return {
            line: (table, row)
            for table in self.tables
            for row, line in enumerate(table.lines.tolist())
        }

    def histogram(self, number: int) -> HistogramReading:
        """Return a histogram, wherever it is. Raises KeyError where there is none."""
        if number in self.histograms:
            return self.histograms[number]
        table, row = self._in_tables[number]
        return table[row]
