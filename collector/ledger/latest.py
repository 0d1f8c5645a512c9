"""Gauges and sums that may fall: the newest reading of each source is the one that counts.

Newest by the time that the source wrote on it, so a late request cannot bring an old value back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from collector.ledger.columns import some_of
from collector.ledger.scalars import Scalars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from collector.ledger.columns import Rows


class Latest(Scalars):
    """One row per source."""

    columns = (*Scalars.columns, ("times", np.uint64))
    times: NDArray[np.uint64]
    """Time of the newest reading, nanoseconds."""

    def record(
        self,
        rows: Rows,
        values: NDArray[Any],
        times: NDArray[np.uint64],
        *,
        unique: bool,
    ) -> None:
        """Take readings; of two with the same time the one that came later stands."""
        if not unique and not isinstance(rows, slice):
            for index in range(len(rows)):
                one = slice(index, index + 1)
                self.record(rows[one], values[one], times[one], unique=True)
            return
        newer = times >= self.times[rows]
        if not newer.all():
            rows, values, times = some_of(rows, newer), values[newer], times[newer]
        doubles = values.dtype.kind == "f"
        self.floats[rows] = values if doubles else 0.0
        self.ints[rows] = 0 if doubles else values
        self.times[rows] = times
        self.present[rows] = True

    def silence(self, rows: NDArray[np.intp], times: NDArray[np.uint64]) -> None:
        """Take no-recorded-value points: these sources have nothing to say for now."""
        newer = times >= self.times[rows]
        rows, times = rows[newer], times[newer]
        np.maximum.at(self.times, rows, times)  # a row may be there twice
        self.present[rows] = False
        self.ints[rows] = 0
        self.floats[rows] = 0.0
