"""Histograms with different bounds, made one.

The count of values at or below a bound is exact for everyone who has that bound, so what several
sets of bounds can say together without guessing is said at the bounds they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.reading import HistogramReading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Counts = tuple[tuple[float, ...], "NDArray[np.int64]", float]
"""Bounds, the buckets with the count behind them, and the sum."""


def merge(parts: Sequence[Counts]) -> HistogramReading:
    """Add histograms up at the bounds that all of them have. `parts` is not empty."""
    if len(parts) == 1:
        bounds, vector, total = parts[0]
        return HistogramReading(bounds, np.cumsum(vector[:-2]).tolist(), int(vector[-1]), total)
    common = set(parts[0][0]).intersection(*(bounds for bounds, _, _ in parts[1:]))
    shared = tuple(sorted(common))
    cumulated = np.zeros(len(shared), np.int64)
    for bounds, vector, _ in parts:
        running = np.cumsum(vector[:-1])
        chosen = [at for at, bound in enumerate(bounds) if bound in common]
        cumulated += running[chosen]
    count = sum(int(vector[-1]) for _, vector, _ in parts)
    return HistogramReading(shared, cumulated.tolist(), count, sum(total for _, _, total in parts))
