"""Histograms with explicit bounds: counts and buckets are a vector, read and added as one.

Cumulative ones follow the rule of totals (per life the reading with the largest count), increments
that of deltas. There is a book for each set of bounds; only a series, at the end, sees several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.book import BIN, Book
from collector.ledger.deltas import Intervals
from collector.ledger.lives import Lives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from collector.reading import Reading


class Histograms(Lives):
    """One row per source and life, in all of which the buckets have the same bounds.

    `vectors` holds the buckets and behind them the count, int64.
    """

    columns = (*Book.columns, "vectors", "sums", "base_vectors", "base_sums", "times")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        super().__init__()
        self.bounds = bounds
        width = len(bounds) + 2
        self.vectors = np.zeros((1, width), np.int64)
        self.sums = np.zeros(1, np.float64)
        self.base_vectors = np.zeros((1, width), np.int64)
        self.base_sums = np.zeros(1, np.float64)
        self.times = np.zeros(1, np.uint64)
        self._intervals = Intervals()

    def record(self, rows: NDArray[np.intp], reading: Reading, *, unique: bool) -> None:
        """Take cumulative readings of lives whose start is known."""
        vectors = vectors_of(reading)
        if unique:
            grown = vectors[:, -1] >= self.vectors[rows, -1]
            chosen = rows if grown.all() else rows[grown]
            self.vectors[chosen] = vectors if chosen is rows else vectors[grown]
            self.sums[chosen] = reading.values if chosen is rows else reading.values[grown]
        else:
            for index, row in enumerate(rows.tolist()):
                if vectors[index, -1] >= self.vectors[row, -1]:
                    self.vectors[row] = vectors[index]
                    self.sums[row] = reading.values[index]
        self.present[rows] = True

    def record_unknown(self, rows: NDArray[np.intp], reading: Reading) -> None:
        """Take cumulative readings of sources that do not tell their start; see `Totals`."""
        vectors = vectors_of(reading)
        for index, (row, time) in enumerate(zip(rows.tolist(), reading.times.tolist())):
            newest = int(self.times[row])
            fell = vectors[index, -1] < self.vectors[row, -1]
            if row == BIN or time < newest or (time == newest and fell):
                continue
            if fell:
                self.carry(row, row)
            self.vectors[row] = vectors[index]
            self.sums[row] = reading.values[index]
            self.times[row] = time
            self.present[row] = True

    def record_deltas(self, rows: NDArray[np.intp], reading: Reading) -> int:
        """Add increments; return how many were refused as too late."""
        fresh, late = self._intervals.choose(
            rows.tolist(), reading.starts.tolist(), reading.times.tolist()
        )
        np.add.at(self.vectors, rows[fresh], vectors_of(reading)[fresh])
        np.add.at(self.sums, rows[fresh], reading.values[fresh])
        self.present[rows[fresh]] = True
        return late

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        self.base_vectors[new] += self.vectors[old]
        self.base_sums[new] += self.sums[old]
        self.vectors[old] = 0
        self.sums[old] = 0
        if old != new:
            self.base_vectors[new] += self.base_vectors[old]
            self.base_sums[new] += self.base_sums[old]

    def close(self, row: int) -> None:
        """Give a row back, and what was remembered of it."""
        super().close(row)
        self._intervals.drop(row)

    def sums_by_series(self) -> Iterator[tuple[int, NDArray[np.int64], float]]:
        """Yield each series with its vector and sum over this book's rows."""
        rows = self.spoken()
        found, groups = np.unique(self.series[rows], return_inverse=True)
        vectors = np.zeros((len(found), len(self.bounds) + 2), np.int64)
        np.add.at(vectors, groups, self.vectors[rows] + self.base_vectors[rows])
        sums = np.bincount(groups, self.sums[rows] + self.base_sums[rows], len(found))
        yield from zip(found.tolist(), vectors, sums.tolist())


def vectors_of(reading: Reading) -> NDArray[np.int64]:
    """Put each point's count behind its buckets."""
    if reading.buckets is None or reading.counts is None:
        raise TypeError("a reading of numbers is not a histogram")
    return np.column_stack([reading.buckets, reading.counts])
