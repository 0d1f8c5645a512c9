"""Books of single numbers, integers and doubles apart, so that integers stay exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.book import Book
from collector.ledger.exact import Exact
from collector.model import Merge

if TYPE_CHECKING:
    from numpy.typing import NDArray

INT_MAX = 2**62
"""Beyond, integers go on as doubles, and what these cannot hold stays behind."""

Contributions = tuple[
    "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.float64]"
]
"""Sources, series, integer part and double part, term by term."""


class Scalars(Book):
    """A book of single numbers."""

    columns = (*Book.columns, ("ints", np.int64), ("floats", np.float64))
    ints: NDArray[np.int64]
    floats: NDArray[np.float64]

    def contributions(self) -> Contributions:
        """Return what rows add to their series."""
        rows = self.spoken()
        return self.sources[rows], self.series[rows], self.ints[rows], self.floats[rows]


class Counts(Scalars, Exact):
    """A book of what only grows; a row's base is what it took over from rows that are closed."""

    columns = (
        *Exact.columns,
        ("ints", np.int64),
        ("floats", np.float64),
        ("base_ints", np.int64),
    )
    base_ints: NDArray[np.int64]

    def counted(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return what rows count without their bases, as integers and doubles."""
        return self.ints[rows], self.floats[rows]

    def carry(self, old: int, new: int) -> None:
        """Make what row `old` counts part of the base of row `new`, and start `old` at 0."""
        ints, floats = self.counted(np.array([old]))
        self.ints[old] = self.floats[old] = 0
        self.gain(new, int(ints[0]), float(floats[0]))
        if old != new:
            self.gain(new, int(self.base_ints[old]), 0)
            for piece in self.base(old):
                self.gain_double(new, piece)

    def gain(self, row: int, whole: int, double: float) -> None:
        """Add to a row's base."""
        whole += int(self.base_ints[row])
        if abs(whole) > INT_MAX:
            self.gain_double(row, float(whole))
            whole -= int(float(whole))
        self.base_ints[row] = whole
        self.gain_double(row, double)

    def contributions(self) -> Contributions:
        """Return what rows add to their series, doubles of their bases apart."""
        rows = self.spoken()
        ints, floats = self.counted(rows)
        ints += self.base_ints[rows]
        where, pieces = self.based(rows)
        if not len(where):
            return self.sources[rows], self.series[rows], ints, floats
        terms = np.concatenate([rows, where])
        return (
            self.sources[terms],
            self.series[terms],
            np.concatenate([ints, np.zeros(len(where), np.int64)]),
            np.concatenate([floats, pieces]),
        )

    def _bequeath(self, row: int, merge: Merge) -> None:
        """Let a row's number go into the share of its series, or compete with it."""
        share = self.heir(row)
        if merge is not Merge.SUM and self.present[share]:
            larger = self._worth(row) > self._worth(share)
            if larger != (merge is Merge.MAX):
                return
            self.base_ints[share] = 0
            self.bare(share)
        self.carry(row, share)
        self.present[share] = True

    def _worth(self, row: int) -> float:
        ints, floats = self.counted(np.array([row]))
        return float(ints[0] + self.base_ints[row]) + sum(self.base(row), float(floats[0]))
