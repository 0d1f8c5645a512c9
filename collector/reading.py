"""Numbers under way: as they come out of the bytes, and as they go into the exposition.

Nothing here knows whose numbers they are; readings go by position, results by series number.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
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
class SummaryReading:
    """A summary as the exposition prints it."""

    quantiles: Sequence[tuple[float, float]]
    """Quantiles, ascending, and their values; none where several sources met."""
    count: int
    sum: float


@dataclass(frozen=True)
class Readings:
    """The value of every series at one moment, by the series' number."""

    numbers: Sequence[float]
    """Counters and gauges; meaningless where a number is free or belongs to a distribution."""
    histograms: Mapping[int, HistogramReading]
    absent: AbstractSet[int] = field(default_factory=frozenset)
    """Series that have nothing to say now and are not shown."""
    summaries: Mapping[int, SummaryReading] = field(default_factory=dict)
    exemplars: Mapping[int, Sequence[Exemplar]] = field(default_factory=dict)
    """Ascending by time."""
    times: Sequence[int] = ()
    """When each series' newest point was, milliseconds since 1970; empty where it is not shown."""
