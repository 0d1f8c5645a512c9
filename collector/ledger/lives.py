"""Books whose sources have lives: a restarted source begins at 0, and what it said before stays.

An old life can speak up late (a request was under way), so it keeps its row while it may. Once it
has been silent for long, and a newer life speaks, its share is carried over and the row is free.

A life that comes back after it was forgotten would be counted twice: it is in its series' share.
Which lives these are nobody knows any more, but when the newest of them began. So a life that has
no row and began no later counts from its first reading on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.book import Book
from collector.ledger.columns import BIN, Rows, each_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from collector.ledger.columns import Mask
    from collector.ledger.owners import Owners
    from collector.model import Merge


class Lives(Book):
    """One row per source and life."""

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__(owners)
        self._closed: dict[int, int] = {}
        self.returned: set[int] = set()
        """Rows that count from their first reading on, which has not come yet."""

    def is_closed(self, source: int, start: int) -> bool:
        """Whether a life that has no row had one, or began before one that had."""
        return 0 < start <= self.closed(source)

    def closed(self, source: int) -> int:
        """Return the start of the newest life of a source that is closed, 0 if none is."""
        return self._closed.get(source, 0)

    def are_closed(self, sources: NDArray[np.intp], starts: NDArray[np.uint64]) -> Mask:
        """Return of which lives `is_closed` holds."""
        if not self._closed:
            return np.zeros(len(sources), np.bool_)
        lives = zip(sources.tolist(), starts.tolist())
        return np.array([self.is_closed(source, start) for source, start in lives], np.bool_)

    def close_until(self, source: int, start: int) -> None:
        """Note that the lives of a source up to this start are closed."""
        if start:
            self._closed[source] = max(start, self._closed.get(source, 0))

    def copied(self) -> Self:
        """Return a copy to read from, which stays as it is."""
        twin = super().copied()
        twin._closed, twin.returned = dict(self._closed), set(self.returned)  # noqa: SLF001
        return twin

    def open(self, source: int, start: int, series: int, now: float) -> int:
        """Give a source's life an empty row."""
        row = super().open(source, start, series, now)
        self._welcome([row])
        return row

    def open_all(
        self,
        sources: NDArray[np.intp],
        starts: NDArray[np.uint64],
        series: NDArray[np.int32],
        now: float,
    ) -> NDArray[np.intp]:
        """Give sources that have no row in any book an empty one each; none is there twice."""
        rows = super().open_all(sources, starts, series, now)
        self._welcome(rows.tolist())
        return rows

    def open_next(
        self,
        sources: NDArray[np.intp],
        starts: NDArray[np.uint64],
        series: NDArray[np.int32],
        now: float,
    ) -> NDArray[np.intp]:
        """Give sources that have rows here one more each, for another life; none is there twice."""
        rows = self._several(sources, starts, series, now)
        only = self._owners.rows(sources, self._me)
        self._owners.clear(sources[only != BIN])
        of_only = zip(self.starts[only].tolist(), only.tolist())
        for source, start, row, (began, one) in zip(
            sources.tolist(), starts.tolist(), rows.tolist(), of_only
        ):
            if one != BIN:
                self._lives[source] = {began: one}
            self._lives[source][start] = row
        self._welcome(rows.tolist())
        return rows

    def _welcome(self, rows: Sequence[int]) -> None:
        """Note which new rows are of lives that may have been here before."""
        if not self._retired and not self.pooled:
            return
        for row in rows:
            share = self._retired.get(int(self.series[row]))
            newest = self.pooled if share is None else max(self.pooled, int(self.starts[share]))
            if (share is not None or self.pooled) and self.starts[row] <= newest:
                self.returned.add(row)

    def begin(self, rows: Rows) -> None:
        """Let those of these rows that returned count from here on."""
        for row in self.returned.intersection(each_of(rows)):
            self.returned.discard(row)
            self.discount(row)

    def discount(self, row: int) -> None:
        """Let a row count from its present reading on."""
        raise NotImplementedError

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        raise NotImplementedError

    def fold(self, before: float) -> int:
        """Close the lives, all but each source's newest, silent since `before`; return how many."""
        closed: list[int] = []
        for source, lives in self._lives.items():
            newest = max(lives)
            for start, row in lives.items():
                if start != newest and self.seen[row] < before:
                    self.carry(row, lives[newest])
                    self.present[lives[newest]] |= self.present[row]
                    self.close_until(source, start)
                    closed.append(row)
        self.close(closed)
        return len(closed)

    def _bequeath(self, row: int, merge: Merge) -> None:  # noqa: ARG002
        """Let a life go into the share of its series."""
        share = self.heir(row)
        self.carry(row, share)
        self.present[share] = True

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back; with a source's last one, what was remembered of its lives."""
        sources = {int(self.sources[row]) for row in rows}
        super().close(rows)
        self.returned.difference_update(rows)
        for source in sources:
            if not self.knows(source):
                self._closed.pop(source, None)
