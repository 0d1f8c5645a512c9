"""Sums without rounding: of doubles that rows took over, and of all terms of a series at the end.

Rows come and go, are carried over and are summed again after a restart. Were a total to depend on
the order of its terms, it could fall by a bit, and Prometheus would see a counter that was reset.
So doubles are added as if there were no rounding, which is done once, when a total is read.
"""

from __future__ import annotations

from math import fsum, isfinite
from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.book import Book

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from collector.ledger.owners import Owners

EXACT = 2**53
"""Beyond, not every integer is a double."""


class Exact(Book):
    """A book with a double for each row that is a sum of many: the row's base.

    It is in several pieces that do not overlap (Shewchuk, Adaptive Precision Floating-Point
    Arithmetic, 1997): two in columns, and what is left of them, which is rare, beside.
    """

    columns = (*Book.columns, ("base_floats", np.float64), ("base_lows", np.float64))
    base_floats: NDArray[np.float64]
    base_lows: NDArray[np.float64]

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__(owners)
        self._rest: dict[int, list[float]] = {}

    def gain_double(self, row: int, double: float) -> None:
        """Add to a row's base."""
        self.base_floats[row], error = two_sum(float(self.base_floats[row]), double)
        self.base_lows[row], error = two_sum(float(self.base_lows[row]), error)
        if error:
            pieces = self._rest.setdefault(row, [])
            kept = 0
            for piece in pieces[:]:
                error, lost = two_sum(error, piece)
                if lost:
                    pieces[kept] = lost
                    kept += 1
            pieces[kept:] = [error]

    def base(self, row: int) -> list[float]:
        """Return the pieces of a row's base."""
        pieces = [float(self.base_floats[row]), float(self.base_lows[row])]
        return pieces + self._rest.get(row, [])

    def based(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return all pieces of the bases of rows, each with its row."""
        if not (self.base_floats.any() or self.base_lows.any() or self._rest):
            return rows[:0], self.base_floats[:0]
        own = rows[(self.base_floats[rows] != 0) | (self.base_lows[rows] != 0)]
        columns = np.concatenate([self.base_floats[own], self.base_lows[own]])
        if not self._rest:
            return np.tile(own, 2), columns
        chosen = set(rows.tolist())
        rest = [(row, one) for row, own in self._rest.items() if row in chosen for one in own]
        where = np.array([row for row, _ in rest], np.intp)
        return (
            np.concatenate([own, own, where]),
            np.concatenate([columns, [piece for _, piece in rest]]),
        )

    def bare(self, row: int) -> None:
        """Let a row's base be 0."""
        self.base_floats[row] = self.base_lows[row] = 0
        self._rest.pop(row, None)

    def copied(self) -> Self:
        """Return a copy to read from, which stays as it is."""
        twin = super().copied()
        twin._rest = {row: list(pieces) for row, pieces in self._rest.items()}  # noqa: SLF001
        return twin

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, empty."""
        super().close(rows)
        for row in rows if self._rest else ():
            self._rest.pop(row, None)


def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return the sum of two doubles and its rounding error, which is a double too (Knuth)."""
    total = a + b
    if not isfinite(total):
        return total, 0.0
    part = total - a
    return total, (a - (total - part)) + (b - part)


def sum_by(
    groups: NDArray[np.int64], ints: NDArray[np.int64], floats: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Add up both parts by group: the exact sum, rounded once."""
    whole = np.zeros(size, np.int64)
    np.add.at(whole, groups, ints)
    sums: NDArray[np.float64] = whole.astype(np.float64)
    sums += np.bincount(groups, weights=floats, minlength=size)
    # A sum of two doubles is rounded right by the processor; so is an integer that is a double.
    rough = np.bincount(groups, weights=np.abs(ints.astype(np.float64)), minlength=size)
    terms = np.bincount(groups[floats != 0], minlength=size) + (rough != 0)
    inexact, rows, spans = _members(groups, (terms > 2) | (rough >= EXACT))
    own_ints, own_floats = ints[rows].tolist(), floats[rows].tolist()
    sums[inexact] = [_exactly(own_ints[own], own_floats[own]) for own in spans]
    return sums


def sum_doubles_by(
    groups: NDArray[np.intp], doubles: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Add doubles up by group: the exact sum, rounded once."""
    sums = np.bincount(groups, weights=doubles, minlength=size).astype(np.float64, copy=False)
    inexact, rows, spans = _members(groups, np.bincount(groups, minlength=size) > 2)
    own = doubles[rows].tolist()
    sums[inexact] = [_sum(own[span]) for span in spans]
    return sums


def _members(
    groups: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[slice]]:
    """Return the chosen groups, their rows one group behind the other, and where each lies."""
    rows = np.flatnonzero(chosen[groups])
    rows = rows[np.argsort(groups[rows], kind="stable")]
    which = np.flatnonzero(chosen)
    bounds = np.searchsorted(groups[rows], which).tolist()
    return which, rows, [slice(*span) for span in zip(bounds, [*bounds[1:], len(rows)])]


def _exactly(ints: Sequence[int], floats: Sequence[float]) -> float:
    whole = sum(ints)
    high = float(whole)
    return _sum([high, float(whole - int(high)), *floats])


def _sum(doubles: Sequence[float]) -> float:
    try:
        return fsum(doubles)
    except (OverflowError, ValueError):  # beyond doubles on the way, or both infinities
        return sum(doubles)
