"""Rows of numbers in columns that grow: the paper that every book of the ledger is written on.

A row belongs to one source and one series, both plain numbers given by the router, and remembers
when it was last written. Row 0 is the bin: readings that must not count are written there, so that
a whole column of points is always recorded in one stroke. A series has a row of its own, without a
source, for what sources left behind that are forgotten: its share.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from collector.ledger.owners import Owners
from collector.model import Merge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from collector.ledger.deltas import Intervals

    Mask = NDArray[np.bool_]

BIN = 0
"""The row that nobody reads."""
NOBODY = -1
"""The series of rows that are free, and of the bin; the source of shares as well."""

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


class Book:
    """Rows with source, life, series and time of the last reading; subclasses add the numbers."""

    columns: tuple[str, ...] = ("sources", "starts", "series", "seen", "present")

    def __init__(self, owners: Owners | None = None) -> None:
        """`owners` is shared by all books of a ledger."""
        self.sources = np.full(1, NOBODY, np.int64)
        self.starts = np.zeros(1, np.uint64)
        """When the row's life began, nanoseconds; 0 where there is one row for all lives. Of a
        share the start of the newest life in it."""
        self.series = np.full(1, NOBODY, np.int64)
        self.seen = np.zeros(1, np.float64)
        """The clock's seconds at the last reading."""
        self.present = np.zeros(1, np.bool_)
        """Whether the row says anything: not before its first good reading."""
        self.told: NDArray[np.uint64] | None = None
        """The time of the newest point, nanoseconds, where somebody wants to know."""
        self._used = 1
        self._free: list[int] = []
        self._owners = owners or Owners()
        self._me = self._owners.join()
        """Where it is noted which row is a source's, where it has one."""
        self._lives: dict[int, dict[int, int]] = {}
        """The rows of the other sources, by start."""
        self._retired: dict[int, int] = {}
        """By series the row of its share."""
        self.intervals: Intervals | None = None
        """The increments that are remembered, where rows have any."""
        self.pooled = 0
        """The start of the newest life in shares that are now part of another's."""

    def keep_times(self) -> None:
        """Note the times of points from now on; only a book that is empty can."""
        self.columns = (*self.columns, "told")
        self.told = np.zeros(1, np.uint64)

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
        for name in self.columns:
            setattr(twin, name, getattr(self, name)[: self._used].copy())
        if self.intervals is not None:
            twin.intervals = self.intervals.copied()
        return twin

    def find(self, source: int, start: int) -> int | None:
        """Return the row of a source's life, if it has one."""
        row = self._owners.row(source, self._me)
        if row != BIN:
            return row if self.starts[row] == start else None
        lives = self._lives.get(source)
        return None if lives is None else lives.get(start)

    def find_all(
        self, sources: NDArray[np.intp], starts: NDArray[np.uint64]
    ) -> tuple[NDArray[np.intp], Mask]:
        """Return the rows of lives, BIN where there is none; and where the source has no row.

        A negative source is nobody, and has none.
        """
        rows = self._owners.rows(sources, self._me)
        fresh = rows == BIN
        other = fresh | (self.starts[rows] != starts)
        rows[other] = BIN
        if self._lives:
            for at in np.flatnonzero(other).tolist():
                lives = self._lives.get(int(sources[at]))
                if lives is not None:
                    rows[at], fresh[at] = lives.get(int(starts[at]), BIN), False
        return rows, fresh

    def knows(self, source: int) -> bool:
        """Whether a source has a row."""
        return source in self._lives or self._owners.row(source, self._me) != BIN

    def open(self, source: int, start: int, series: int, now: float) -> int:
        """Give a source's life an empty row."""
        row = self._one(series, now)
        self.sources[row] = source
        self.starts[row] = start
        only = self._owners.row(source, self._me)
        if only != BIN:
            self._owners.clear(source)
            self._lives[source] = {int(self.starts[only]): only}
        if source in self._lives:
            self._lives[source][start] = row
        elif not self._owners.claim(source, self._me, row):
            self._lives[source] = {start: row}
        return row

    def open_all(
        self,
        sources: NDArray[np.intp],
        starts: NDArray[np.uint64],
        series: NDArray[np.int32],
        now: float,
    ) -> NDArray[np.intp]:
        """Give sources that have no row in any book an empty one each; none is there twice."""
        rows = self._several(series, now)
        self.sources[rows] = sources
        self.starts[rows] = starts
        self._owners.claim_all(sources, self._me, rows)
        return rows

    def retired(self, series: int, now: float) -> int:
        """Return the row of a series' share, opened if need be."""
        row = self._retired.get(series)
        if row is None:
            row = self._retired[series] = self._one(series, now)
        return row

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

    def _several(self, series: NDArray[np.int32], now: float) -> NDArray[np.intp]:
        """Return rows that are nobody's, ascending, for these series."""
        again = min(len(series), len(self._free))
        first, self._used = self._used, self._used + len(series) - again
        self._grow()
        rows = np.arange(first - again, self._used)
        if again:
            rows[:again] = sorted(self._free[-again:])
            del self._free[-again:]
        self.series[rows] = series
        self.seen[rows] = now
        return rows

    def _grow(self) -> None:
        """Make room, where it is short, for twice as many rows as there are.

        Pages of memory on which nothing stands but zeros are not written on: they cost nothing.
        """
        if self._used <= len(self.seen):
            return
        room = max(64, 2 * self._used)
        for name in self.columns:
            column = getattr(self, name)
            grown = np.zeros((room, *column.shape[1:]), column.dtype)
            if column.any():
                grown[: len(column)] = column
            setattr(self, name, grown)

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, empty."""
        for row in rows:
            self._leave(row, int(self.sources[row]))
        chosen = np.array(rows, np.intp)
        for name in self.columns:
            getattr(self, name)[chosen] = 0
        self.sources[chosen] = self.series[chosen] = NOBODY
        self._free.extend(rows)

    def _leave(self, row: int, source: int) -> None:
        """Forget whose row it was."""
        if source == NOBODY:
            del self._retired[int(self.series[row])]
        elif source in self._lives:
            lives = self._lives[source]
            del lives[int(self.starts[row])]
            if len(lives) <= 1:
                for last in lives.values():
                    if not self._owners.claim(source, self._me, last):
                        return
                del self._lives[source]
        else:
            self._owners.clear(source)

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
        wanted = np.fromiter(series, np.int64, len(series))
        self.close(np.flatnonzero(np.isin(self.series[: self._used], wanted)).tolist())

    def rows_of(self, sources: Mask) -> list[int]:
        """Return all rows of the sources in a mask."""
        rows = self._owned()
        found: list[int] = rows[sources[self.sources[rows]]].tolist()
        return found

    def retire(self, sources: Mask, merges: Mapping[int, Merge]) -> None:
        """Close the rows of sources.

        What they counted becomes part of their series' shares; `merges` has those that are no sums.
        """
        rows = self.rows_of(sources)
        for row in rows:
            if self.present[row]:
                self._bequeath(row, merges.get(int(self.series[row]), Merge.SUM))
        self.close(rows)

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

    def _bequeath(self, row: int, merge: Merge) -> None:
        """Let a row's numbers go into the share of its series; by default they go nowhere."""

    def heir(self, row: int) -> int:
        """Return the share that a row goes into, which remembers the newest life in it."""
        share = self.retired(int(self.series[row]), float(self.seen[row]))
        self.starts[share] = max(self.starts[share], self.starts[row])
        if self.told is not None:
            self.told[share] = max(self.told[share], self.told[row])
        return share

    def is_heir(self, series: int) -> bool:
        """Whether a series has a share."""
        return series in self._retired

    def pool(self, series: int, into: int, merge: Merge) -> None:
        """Make a series' share part of another's."""
        row = self._retired.get(series)
        if row is not None:
            self.pooled = max(self.pooled, int(self.starts[row]))
            self.series[row] = into
            self._bequeath(row, merge)
            self.series[row] = series
            self.close([row])

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
