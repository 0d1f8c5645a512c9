"""Books whose sources have lives: a restarted source begins at 0, and what it said before stays.

An old life can speak up late (a request was under way), so it keeps its row while it may. Once it
has been silent for long, and a newer life speaks, its share is carried over and the row is free.
"""

from __future__ import annotations

from collector.ledger.book import Book


class Lives(Book):
    """One row per source and life."""

    def __init__(self) -> None:
        super().__init__()
        self._restarted: set[int] = set()
        self._closed: dict[int, int] = {}

    def is_closed(self, source: int, start: int) -> bool:
        """Whether a life that has no row had one, or began before one that had."""
        return 0 < start <= self._closed.get(source, 0)

    def open(self, source: int, start: int, series: int, now: float) -> int:
        """Give a source's life an empty row."""
        row = super().open(source, start, series, now)
        if len(self._lives[source]) > 1:
            self._restarted.add(source)
        return row

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        raise NotImplementedError

    def fold(self, before: float) -> int:
        """Close the lives, all but each source's newest, silent since `before`; return how many."""
        closed = 0
        for source in list(self._restarted):
            lives = self._lives.get(source, {})
            newest = max(lives, default=0)
            for start, row in list(lives.items()):
                if start != newest and self.seen[row] < before:
                    self.carry(row, lives[newest])
                    self._closed[source] = max(start, self._closed.get(source, 0))
                    self.close(row)
                    closed += 1
            if len(lives) < 2:
                self._restarted.discard(source)
        return closed

    def close(self, row: int) -> None:
        """Give a row back; with a source's last one, what was remembered of its lives."""
        source = int(self.sources[row])
        super().close(row)
        if source not in self._lives:
            self._closed.pop(source, None)
