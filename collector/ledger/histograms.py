"""Histograms with explicit bounds: the buckets are a vector, written and added as one.

There is a book for each set of bounds; only a series, at the end, sees several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.distributions import Chosen, Distributions
from collector.reading import HistogramTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from collector.ledger.columns import Rows
    from collector.ledger.owners import Owners
    from collector.reading import Reading


class Histograms(Distributions):
    """One row per source and life, in all of which the buckets have the same bounds."""

    buckets: NDArray[np.int64]
    """Shape (rows, bounds + 1), as is the next; not cumulated."""
    base_buckets: NDArray[np.int64]

    def __init__(self, bounds: tuple[float, ...], owners: Owners | None = None) -> None:
        vector = np.dtype((np.int64, (len(bounds) + 1,)))
        self.columns = (*self.columns, ("buckets", vector), ("base_buckets", vector))
        self.bounds = bounds
        super().__init__(owners)

    def _put(self, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        self.buckets[rows] = _buckets_of(reading)[chosen]

    def _add(self, rows: NDArray[np.intp], reading: Reading, chosen: Chosen) -> None:
        np.add.at(self.buckets, rows, _buckets_of(reading)[chosen])

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        super().carry(old, new)
        self.base_buckets[new] += self.buckets[old]
        self.buckets[old] = 0
        if old != new:
            self.base_buckets[new] += self.base_buckets[old]

    def discount(self, row: int) -> None:
        """Let a row count from its present reading on."""
        super().discount(row)
        self.base_buckets[row] -= self.buckets[row]

    def table(self) -> HistogramTable:
        """Add up what this book's rows tell; its lines are series here."""
        groups = self.groups()
        counts, sums = self.totals()
        buckets = groups.add(self.buckets)
        if self.base_counts.any():
            buckets += groups.add(self.base_buckets)
        cumulated = np.cumsum(buckets[:, :-1], axis=1)
        return HistogramTable(self.bounds, groups.series, cumulated, counts, sums)


def _buckets_of(reading: Reading) -> NDArray[np.int64]:
    if reading.buckets is None:
        raise TypeError("a reading without buckets is no histogram")
    return reading.buckets
