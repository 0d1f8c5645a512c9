"""Rows of numbers in columns that grow: the paper that every book of the ledger is written on.

A row belongs to one source and one series, both plain numbers given by the router, and remembers
when it was last written. Row 0 is the bin: readings that must not count are written there, so that
a whole column of points is always recorded in one stroke. Whose row is whose is noted in `book.py`.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import DTypeLike, NDArray
    from typing_extensions import Self

    Mask = NDArray[np.bool_]

BIN = 0
"""The row that nobody reads."""
NOBODY = -1
"""The series of rows that are free, and of the bin; the source of shares as well."""
ROOM = 64
"""For so many rows, the bin included, there is room from the beginning."""

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


def differ(numbers: NDArray[np.intp]) -> bool:
    """Whether none of the numbers is there twice."""
    if (numbers[1:] > numbers[:-1]).all():
        return True
    ordered = np.sort(numbers)
    return bool((ordered[1:] != ordered[:-1]).all())


class Columns:
    """Rows with source, life, series and time of the last reading; books add the numbers."""

    columns: tuple[tuple[str, DTypeLike], ...] = (
        ("sources", np.int64),
        ("starts", np.uint64),
        ("series", np.int64),
        ("seen", np.float64),
        ("present", np.bool_),
    )
    """Their names, and what stands in them for a row."""
    sources: NDArray[np.int64]
    starts: NDArray[np.uint64]
    """When the row's life began, nanoseconds; 0 where there is one row for all lives. Of a share
    the start of the newest life in it."""
    series: NDArray[np.int64]
    seen: NDArray[np.float64]
    """The clock's seconds at the last reading."""
    present: NDArray[np.bool_]
    """Whether the row says anything: not before its first good reading."""
    told: NDArray[np.uint64] | None
    """The time of the newest point, nanoseconds, where somebody wants to know."""

    def __init__(self) -> None:
        for name, form in self.columns:
            setattr(self, name, np.zeros(ROOM, form))
        self.sources[BIN] = self.series[BIN] = NOBODY
        self.told = None
        self._used = BIN + 1
        self._free: list[int] = []

    def keep_times(self) -> None:
        """Note the times of points from now on; only a book that is empty can."""
        self.columns = (*self.columns, ("told", np.uint64))
        self.told = np.zeros(ROOM, np.uint64)

    def __len__(self) -> int:
        """How many rows are in use."""
        return self._used - 1 - len(self._free)

    def used(self) -> list[int]:
        """Return all rows in use."""
        rows: list[int] = np.flatnonzero(self.series[: self._used] >= 0).tolist()
        return rows

    def copied(self) -> Self:
        """Return a copy to read from, which stays as it is."""
        twin = copy(self)
        for name, _ in self.columns:
            setattr(twin, name, getattr(self, name)[: self._used].copy())
        return twin

    def _one(self, series: int, now: float) -> int:
        """Return a row that is nobody's, for a series."""
        if self._free:
            row = self._free.pop()
        else:
            row, self._used = self._used, self._used + 1
            self._grow()
        self.sources[row] = NOBODY
        self.series[row] = series
        self.seen[row] = now
        return row

    def _several(
        self,
        sources: NDArray[np.intp],
        starts: NDArray[np.uint64],
        series: NDArray[np.int32],
        now: float,
    ) -> NDArray[np.intp]:
        """Return new rows, ascending, each for a life of a source."""
        again = min(len(series), len(self._free))
        first, self._used = self._used, self._used + len(series) - again
        self._grow()
        rows = np.arange(first - again, self._used)
        if again:
            rows[:again] = sorted(self._free[-again:])
            del self._free[-again:]
        self.sources[rows] = sources
        self.starts[rows] = starts
        self.series[rows] = series
        self.seen[rows] = now
        return rows

    def _grow(self) -> None:
        """Make room, where it is short, for twice as many rows as there are.

        Pages of memory on which nothing stands but zeros are not written on: they cost nothing.
        """
        if self._used <= len(self.seen):
            return
        for name, form in self.columns:
            column = getattr(self, name)
            grown = np.zeros(2 * self._used, form)
            if column.any():
                grown[: len(column)] = column
            setattr(self, name, grown)

    def _empty(self, rows: Sequence[int]) -> None:
        """Let these rows be free."""
        chosen = np.array(rows, np.intp)
        for name, _ in self.columns:
            getattr(self, name)[chosen] = 0
        self.sources[chosen] = self.series[chosen] = NOBODY
        self._free.extend(rows)

    def touch(self, rows: Rows, now: float) -> None:
        """Note that these rows were spoken for, whatever was said.

        Who remembers rows must touch them whenever it uses them: silent rows are closed.
        """
        self.seen[rows] = now

    def tell(self, rows: NDArray[np.intp], times: NDArray[np.uint64]) -> None:
        """Note when what these rows were told was true, if that is kept."""
        if self.told is not None:
            np.maximum.at(self.told, rows, times)

    def earliest(self, starts: NDArray[np.uint64]) -> None:
        """Lower `starts`, nanoseconds by series, to the earliest that one of their rows knows."""
        used = self.series[: self._used]
        rows = (used >= 0) & (self.starts[: self._used] > 0)
        np.minimum.at(starts, used[rows], self.starts[: self._used][rows])

    def newest(self, times: NDArray[np.uint64]) -> None:
        """Raise `times`, nanoseconds by series, to the newest point of each series' rows."""
        if self.told is not None:
            used = self.series[: self._used]
            rows = used >= 0
            np.maximum.at(times, used[rows], self.told[: self._used][rows])

    def spoken(self) -> NDArray[np.intp]:
        """Return the rows that say something."""
        return np.flatnonzero((self.series[: self._used] >= 0) & self.present[: self._used])

    def loud(self, since: float, heard: Mask) -> None:
        """Mark the sources that spoke at or after `since`."""
        rows = self._owned()
        heard[self.sources[rows[self.seen[rows] >= since]]] = True

    def hear(self, of: str, last: NDArray[np.float64]) -> None:
        """Raise `last`, seconds by sources or by series, to the latest reading of their rows."""
        numbers = getattr(self, of)[: self._used]
        rows = np.flatnonzero(numbers >= 0)
        np.maximum.at(last, numbers[rows], self.seen[rows])

    def _owned(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.sources[: self._used] >= 0)
