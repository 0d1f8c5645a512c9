"""Monotonic sums that count from the start of a life: the largest reading of each life.

A reading can then arrive twice, late, or in any order and mean the same. Where the start is unknown
(0) a life cannot be told from the next by name; there a newer reading that is smaller is a reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from collector.ledger.book import BIN, Contributions, Rows, Scalars
from collector.ledger.lives import Lives

if TYPE_CHECKING:
    from numpy.typing import NDArray

INT_MAX = 2**62
"""Beyond, a base goes on as a double: the exposition has no integers of that size either."""


class Totals(Scalars, Lives):
    """One row per source and life; `base` is what the row took over from lives that are closed.

    A life that is told in integers first and in doubles later counts once: its value is the larger
    of the two, as both only grow from 0.
    """

    columns = (*Scalars.columns, "times", "base_ints", "base_floats")

    def __init__(self) -> None:
        super().__init__()
        self.times = np.zeros(1, np.uint64)
        """Time of the newest reading, nanoseconds; kept where the start is unknown."""
        self.base_ints = np.zeros(1, np.int64)
        self.base_floats = np.zeros(1, np.float64)

    def record(self, rows: Rows, values: NDArray[Any], *, unique: bool) -> None:
        """Take readings of lives whose start is known; `unique` says that no row is there twice."""
        column = self.floats if values.dtype.kind == "f" else self.ints
        if unique or isinstance(rows, slice):
            column[rows] = np.maximum(column[rows], values)
        else:
            np.maximum.at(column, rows, values)
        self.present[rows] = True

    def record_unknown(
        self, rows: NDArray[np.intp], values: NDArray[Any], times: NDArray[np.uint64]
    ) -> None:
        """Take readings of sources that do not tell their start."""
        column = self.floats if values.dtype.kind == "f" else self.ints
        for row, value, time in zip(rows.tolist(), values.tolist(), times.tolist()):
            newest = int(self.times[row])
            if row == BIN or time < newest or (time == newest and value < column[row]):
                continue  # late: where the count was since then is known
            if value < column[row]:
                self.carry(row, row)
            column[row] = value
            self.times[row] = time
            self.present[row] = True

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        whole = int(self.base_ints[new])
        if self.floats[old] > self.ints[old]:
            self.base_floats[new] += self.floats[old]
        else:
            whole += int(self.ints[old])
        self.ints[old] = self.floats[old] = 0
        if old != new:
            whole += int(self.base_ints[old])
            self.base_floats[new] += self.base_floats[old]
        if whole > INT_MAX:
            self.base_floats[new] += float(whole)
            whole = 0
        self.base_ints[new] = whole

    def contributions(self) -> Contributions:
        """Return what each row in use adds: its life's reading and its base."""
        sources, series, ints, floats = super().contributions()
        rows = self.spoken()
        doubles = floats > ints
        whole = np.where(doubles, 0, ints) + self.base_ints[rows]
        return sources, series, whole, np.where(doubles, floats, 0.0) + self.base_floats[rows]
