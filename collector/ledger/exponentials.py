"""Exponential histograms: each row has a grid of its own, so how its values lie is an object.

It is kept as it came, as it may be replaced many times before somebody asks; grids meet in
`histogram.py`, when rows are carried over, added to or read.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from collector.histogram import add, exponential, negated
from collector.ledger.book import BIN, Rows, each_of
from collector.ledger.distributions import Chosen, Distributions
from collector.reading import HistogramReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from collector.ledger.book import Mask
    from collector.reading import Exponential, Grid, Reading


class Exponentials(Distributions):
    """One row per source and life."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[int, tuple[Grid, NDArray[np.int64]]] = {}
        """How the values of a cumulative life lie, by row."""
        self._added: dict[int, Exponential] = {}
        """How those lie that are added up: increments, and lives that were carried over."""

    def _put(self, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        buckets, grids = _parts_of(reading)
        indices = np.arange(len(grids))[chosen].tolist()
        for row, index in zip(each_of(rows), indices):
            if row != BIN:
                self._told[row] = grids[index], buckets[index].copy()

    def _add(self, rows: NDArray[np.intp], reading: Reading, chosen: Chosen) -> None:
        buckets, grids = _parts_of(reading)
        indices = np.arange(len(grids))[chosen].tolist()
        for row, index in zip(rows.tolist(), indices):
            self._gain(row, [exponential(grids[index], buckets[index])])

    def _gain(self, row: int, parts: list[Exponential]) -> None:
        before = self._added.get(row)
        if before is not None:
            parts = [before, *parts]
        if parts:
            self._added[row] = add(parts)

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        super().carry(old, new)
        told = self._told.pop(old, None)
        parts = [] if told is None else [exponential(*told)]
        if old != new and old in self._added:
            parts.append(self._added.pop(old))
        self._gain(new, parts)

    def discount(self, row: int) -> None:
        """Let a row count from its present reading on."""
        super().discount(row)
        if row in self._told:
            self._gain(row, [negated(exponential(*self._told[row]))])

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, and what was remembered of them."""
        super().close(rows)
        for row in rows:
            self._told.pop(row, None)
            self._added.pop(row, None)

    def by_series(self, shown: Mask) -> Iterator[tuple[int, HistogramReading]]:
        """Yield each series shown with its count and sum, and its buckets if they are asked for."""
        fed = self.groups().fed()
        counts, sums = self.totals()
        for (number, own), count, total in zip(fed, counts.tolist(), sums.tolist()):
            if shown[number]:
                yield number, HistogramReading((), [], count, total, partial(self._sum, own))

    def _sum(self, rows: list[int]) -> Exponential:
        told = [exponential(*self._told[row]) for row in rows if row in self._told]
        return add(told + [self._added[row] for row in rows if row in self._added])


def _parts_of(reading: Reading) -> tuple[NDArray[np.int64], list[Grid]]:
    if reading.buckets is None or reading.grids is None:
        raise TypeError("a reading without grids is no exponential histogram")
    return reading.buckets, list(reading.grids)
