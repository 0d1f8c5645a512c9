"""Monotonic sums that count from the start of a life: the largest reading of each life.

A reading can then arrive twice, late, or in any order and mean the same. Where the start is unknown
(0) a life cannot be told from the next by name; there a newer reading that is smaller is a reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from collector.ledger.columns import BIN
from collector.ledger.lives import Lives
from collector.ledger.scalars import Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from collector.ledger.columns import Rows


class Totals(Counts, Lives):
    """One row per source and life.

    A life that is told in integers first and in doubles later counts once: its value is the larger
    of the two, as both only grow from 0.
    """

    columns = (*Counts.columns, ("times", np.uint64))
    times: NDArray[np.uint64]
    """Time of the newest reading, nanoseconds; kept where the start is unknown."""

    def record(self, rows: Rows, values: NDArray[Any], *, unique: bool) -> None:
        """Take readings of lives whose start is known; `unique` says that no row is there twice."""
        column = self.floats if values.dtype.kind == "f" else self.ints
        if isinstance(rows, slice):
            np.maximum(column[rows], values, out=column[rows])
        elif unique:
            column[rows] = np.maximum(column[rows], values)
        else:
            np.maximum.at(column, rows, values)
        self.present[rows] = True
        if self.returned:
            self.begin(rows)

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
        if self.returned:
            self.begin(rows)

    def counted(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return what rows count without their bases: of both forms the larger."""
        ints, floats = super().counted(rows)
        if not floats.any():
            return ints, floats
        doubles = floats > ints
        return np.where(doubles, 0, ints), np.where(doubles, floats, 0.0)

    def discount(self, row: int) -> None:
        """Let a row count from its present reading on."""
        ints, floats = self.counted(np.array([row]))
        self.gain(row, -int(ints[0]), -float(floats[0]))
