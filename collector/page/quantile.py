"""A histogram -> a quantile, as PromQL's histogram_quantile reads it off the buckets.

Within a bucket values are taken to lie evenly; the first begins at 0 if its bound is above that;
what lies in the infinite one is told as the last finite bound
(https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.reading import HistogramReading

QUANTILES = (0.5, 0.95, 0.99)


def quantile(histogram: HistogramReading, q: float) -> float | None:
    """Estimate the value below which a share `q` of all values lies, None where nothing says."""
    bounds, cumulated, count = histogram.bounds, histogram.cumulated, histogram.count
    if not count or not bounds:
        return None
    rank = q * count
    at = bisect_left(cumulated, rank)
    if at == len(bounds):
        return bounds[-1]
    if at == 0 and bounds[0] <= 0:
        return bounds[0]
    low, below = (bounds[at - 1], cumulated[at - 1]) if at else (0.0, 0)
    return low + (bounds[at] - low) * (rank - below) / (cumulated[at] - below)
