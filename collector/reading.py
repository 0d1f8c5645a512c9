"""Numbers under way: as they come out of the bytes, and as they go into the exposition.

Nothing here knows whose numbers they are; readings go by position, results by series number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import numpy as np
    from numpy.typing import NDArray


class Reading(NamedTuple):
    """The numbers of points that are read alike, one of each per point, in the points' order."""

    values: NDArray[Any]
    """Shape (n,): int64 or float64; the sums of histograms, as float64."""
    times: NDArray[np.uint64]
    """Nanoseconds since 1970."""
    starts: NDArray[np.uint64]
    """Of deltas; zeros otherwise."""
    counts: NDArray[np.int64] | None = None
    buckets: NDArray[np.int64] | None = None
    """Shape (n, bounds + 1), not cumulated."""


@dataclass(frozen=True)
class HistogramReading:
    """A histogram as the exposition prints it."""

    bounds: tuple[float, ...]
    """Ascending, without the infinite one."""
    cumulated: Sequence[int]
    """For each bound how many values are not above it."""
    count: int
    sum: float


@dataclass(frozen=True)
class Readings:
    """The value of every series at one moment, by the series' number."""

    numbers: Sequence[float]
    """Counters and gauges; meaningless where a number is free or belongs to a histogram."""
    histograms: Mapping[int, HistogramReading]
    absent: AbstractSet[int] = field(default_factory=frozenset)
    """Series that have nothing to say now and are not shown."""
