"""Whose the rows are: of a source's lives, or of a series' share.

Nearly every source has one row, which is noted in the table of owners; what has several is noted
here. A series has a row of its own, without a source, for what sources left behind that are
forgotten: its share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.columns import BIN, NOBODY, Columns
from collector.ledger.owners import Owners
from collector.model import Merge

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from collector.ledger.columns import Mask
    from collector.ledger.deltas import Intervals


class Book(Columns):
    """Rows that are opened for somebody and closed again; subclasses add the numbers."""

    def __init__(self, owners: Owners | None = None) -> None:
        """`owners` is shared by all books of a ledger."""
        super().__init__()
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

    def copied(self) -> Self:
        """Return a copy to read from, which stays as it is."""
        twin = super().copied()
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
        rows = self._several(sources, starts, series, now)
        self._owners.claim_all(sources, self._me, rows)
        return rows

    def retired(self, series: int, now: float) -> int:
        """Return the row of a series' share, opened if need be."""
        row = self._retired.get(series)
        if row is None:
            row = self._retired[series] = self._one(series, now)
        return row

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, empty."""
        for row in rows:
            self._leave(row, int(self.sources[row]))
        self._empty(rows)

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

    def drop(self, series: Collection[int]) -> None:
        """Close every row of these series."""
        wanted = np.fromiter(series, np.int64, len(series))
        self.close(np.flatnonzero(np.isin(self.series[: self._used], wanted)).tolist())

    def retire(self, sources: Mask, merges: Mapping[int, Merge]) -> None:
        """Close the rows of sources.

        What they counted becomes part of their series' shares; `merges` has those that are no sums.
        """
        owned = self._owned()
        rows: list[int] = owned[sources[self.sources[owned]]].tolist()
        for row in rows:
            if self.present[row]:
                self._bequeath(row, merges.get(int(self.series[row]), Merge.SUM))
        self.close(rows)

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
