"""Rows of numbers in columns that grow: the paper that every book of the ledger is written on.

A row belongs to one source and one series, both plain numbers given by the router, and remembers
when it was last written. Row 0 is the bin: readings that must not count are written there, so that
a whole column of points is always recorded in one stroke.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

BIN = 0
"""The row that nobody reads."""
NOBODY = -1
"""The series of rows that are free, and of the bin."""

Rows: TypeAlias = "slice | NDArray[np.intp]"
"""Some rows; a slice is of rows that lie one behind the other, each there once, without the bin."""


def some_of(rows: Rows, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the chosen ones of rows."""
    if isinstance(rows, slice):
        rows = np.arange(rows.start, rows.stop)
    return rows[chosen]


def each_of(rows: Rows) -> Iterable[int]:
    """Go through rows one by one."""
    return range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()


class Book:
    """Rows with source, life, series and time of the last reading; subclasses add the numbers."""

    columns: tuple[str, ...] = ("sources", "starts", "series", "seen", "present")

    def __init__(self) -> None:
        self.sources = np.full(1, NOBODY, np.int64)
        self.starts = np.zeros(1, np.uint64)
        """When the row's life began, nanoseconds; 0 where there is one row for all lives."""
        self.series = np.full(1, NOBODY, np.int64)
        self.seen = np.zeros(1, np.float64)
        """The clock's seconds at the last reading."""
        self.present = np.zeros(1, np.bool_)
        """Whether the row says anything: not before its first good reading."""
        self.told: NDArray[np.uint64] | None = None
        """The time of the newest point, nanoseconds, where somebody wants to know."""
        self._used = 1
        self._free: list[int] = []
        self._lives: dict[int, dict[int, int]] = {}

    def keep_times(self) -> None:
        """Note the times of points from now on; only a book that is empty can."""
        self.columns = (*self.columns, "told")
        self.told = np.zeros(1, np.uint64)

    def __len__(self) -> int:
        """How many rows are in use."""
        return self._used - 1 - len(self._free)

    def find(self, source: int, start: int) -> int | None:
        """Return the row of a source's life, if it has one."""
        lives = self._lives.get(source)
        return None if lives is None else lives.get(start)

    def open(self, source: int, start: int, series: int, now: float) -> int:
        """Give a source's life an empty row."""
        row = self._free.pop() if self._free else self._next()
        self._lives.setdefault(source, {})[start] = row
        self.sources[row] = source
        self.starts[row] = start
        self.series[row] = series
        self.seen[row] = now
        return row

    def _next(self) -> int:
        if self._used == len(self.seen):
            for name in self.columns:
                column = getattr(self, name)
                more = np.zeros((max(64, self._used), *column.shape[1:]), column.dtype)
                setattr(self, name, np.concatenate([column, more]))
        self._used += 1
        return self._used - 1

    def close(self, row: int) -> None:
        """Give a row back, empty."""
        source = int(self.sources[row])
        lives = self._lives[source]
        del lives[int(self.starts[row])]
        if not lives:
            del self._lives[source]
        for name in self.columns:
            getattr(self, name)[row] = 0
        self.sources[row] = self.series[row] = NOBODY
        self._free.append(row)

    def touch(self, rows: Rows, now: float) -> None:
        """Note that these rows were spoken for, whatever was said.

        Who remembers rows must touch them whenever it uses them: silent rows are closed.
        """
        self.seen[rows] = now

    def tell(self, rows: NDArray[np.intp], times: NDArray[np.uint64]) -> None:
        """Note when what these rows were told was true, if that is kept."""
        if self.told is not None:
            np.maximum.at(self.told, rows, times)

    def drop(self, series: Collection[int]) -> None:
        """Close every row of these series."""
        for row in self._rows_of(series):
            self.close(row)

    def _rows_of(self, series: Collection[int]) -> list[int]:
        """Return the rows that belong to any of these series."""
        wanted = np.fromiter(series, np.int64, len(series))
        rows: list[int] = np.flatnonzero(np.isin(self.series[: self._used], wanted)).tolist()
        return rows

    def spoken(self) -> NDArray[np.intp]:
        """Return the rows that say something."""
        return np.flatnonzero((self.series[: self._used] >= 0) & self.present[: self._used])

    def hear(self, last: NDArray[np.float64]) -> None:
        """Raise `last`, seconds by series, to the latest reading of each series' rows."""
        used = self.series[: self._used]
        rows = used >= 0
        np.maximum.at(last, used[rows], self.seen[: self._used][rows])

    def newest(self, times: NDArray[np.uint64]) -> None:
        """Raise `times`, nanoseconds by series, to the newest point of each series' rows."""
        if self.told is not None:
            used = self.series[: self._used]
            rows = used >= 0
            np.maximum.at(times, used[rows], self.told[: self._used][rows])


class Scalars(Book):
    """A book of single numbers: integers and doubles apart, so that integers stay exact."""

    columns = (*Book.columns, "ints", "floats")

    def __init__(self) -> None:
        super().__init__()
        self.ints = np.zeros(1, np.int64)
        self.floats = np.zeros(1, np.float64)

    def contributions(self) -> Contributions:
        """Return what each row in use adds."""
        rows = self.spoken()
        return self.sources[rows], self.series[rows], self.ints[rows], self.floats[rows]


Contributions = tuple[
    "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.float64]"
]
"""Sources, series, integer part and double part, row by row."""


def sum_by(
    groups: NDArray[np.int64], ints: NDArray[np.int64], floats: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Add up both parts by group; integers exactly, also where the sum passes 2^63.

    Doubles are added in row order: rounding is monotonic, so growing terms never make a sum fall.
    """
    whole = np.zeros(size, np.int64)
    np.add.at(whole, groups, ints)
    sums: NDArray[np.float64] = whole.astype(np.float64)
    rough = np.bincount(groups, weights=ints, minlength=size)
    for group in np.flatnonzero(np.abs(rough) > 2.0**62):
        sums[group] = float(sum(ints[groups == group].tolist()))
    sums += np.bincount(groups, weights=floats, minlength=size)
    return sums
