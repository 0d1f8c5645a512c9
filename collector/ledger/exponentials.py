"""Exponential histograms: each row has a grid of its own, so how its values lie is an object.

It is kept as it came, as it may be replaced many times before somebody asks; grids meet in
`histogram.py`, when rows are carried over, added to or read.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from collector.histogram import add, exponential, negated
from collector.ledger.columns import BIN, Rows, each_of
from collector.ledger.distributions import Chosen, Distributions
from collector.reading import HistogramReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from collector.ledger.columns import Mask
    from collector.ledger.owners import Owners
    from collector.reading import Exponential, Grid, Reading


class Exponentials(Distributions):
    """One row per source and life."""

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__(owners)
        self.told_by_row: dict[int, tuple[Grid, NDArray[np.int64]]] = {}
        """How the values of a cumulative life lie, by row."""
        self.added_by_row: dict[int, Exponential] = {}
        """How those lie that are added up: increments, and lives that were carried over."""

    def _put(self, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        buckets, grids = _parts_of(reading)
        indices = np.arange(len(grids))[chosen].tolist()
        for row, index in zip(each_of(rows), indices):
            if row != BIN:
                self.told_by_row[row] = grids[index], buckets[index].copy()

    def _add(self, rows: NDArray[np.intp], reading: Reading, chosen: Chosen) -> None:
        buckets, grids = _parts_of(reading)
        indices = np.arange(len(grids))[chosen].tolist()
        for row, index in zip(rows.tolist(), indices):
            self.gain(row, [exponential(grids[index], buckets[index])])

    def gain(self, row: int, parts: list[Exponential]) -> None:
        """Add to how the values of a row lie that are added up."""
        before = self.added_by_row.get(row)
        if before is not None:
            parts = [before, *parts]
        if parts:
            self.added_by_row[row] = add(parts)

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        super().carry(old, new)
        told = self.told_by_row.pop(old, None)
        parts = [] if told is None else [exponential(*told)]
        if old != new and old in self.added_by_row:
            parts.append(self.added_by_row.pop(old))
        self.gain(new, parts)

    def discount(self, row: int) -> None:
        """Let a row count from its present reading on."""
        super().discount(row)
        if row in self.told_by_row:
            self.gain(row, [negated(exponential(*self.told_by_row[row]))])

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, and what was remembered of them."""
        super().close(rows)
        for row in rows:
            self.told_by_row.pop(row, None)
            self.added_by_row.pop(row, None)

    def copied(self) -> Self:
        """Return a copy to read from, which stays as it is."""
        twin = super().copied()
        twin.told_by_row, twin.added_by_row = dict(self.told_by_row), dict(self.added_by_row)
        return twin

    def by_series(self, shown: Mask) -> Iterator[tuple[int, HistogramReading]]:
        """Yield each series shown with its count and sum, and its buckets if they are asked for."""
        fed = self.groups().fed()
        counts, sums = self.totals()
        for (number, own), count, total in zip(fed, counts.tolist(), sums.tolist()):
            if shown[number]:
                yield number, HistogramReading((), [], count, total, partial(self._sum, own))

    def _sum(self, rows: list[int]) -> Exponential:
        told = [exponential(*self.told_by_row[row]) for row in rows if row in self.told_by_row]
        return add(told + [self.added_by_row[row] for row in rows if row in self.added_by_row])


def _parts_of(reading: Reading) -> tuple[NDArray[np.int64], list[Grid]]:
    if reading.buckets is None or reading.grids is None:
        raise TypeError("a reading without grids is no exponential histogram")
    return reading.buckets, list(reading.grids)
