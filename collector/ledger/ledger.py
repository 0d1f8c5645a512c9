"""The ledger: all books together, and what each series reads.

    value(series) = sum over its sources of (sum over lives of the last reading) + what was carried

Series whose rule says so take the largest or smallest of their sources instead of the sum. Sources
and series are numbers here; no attribute, name or clock comes in, only the `now` that it is told.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from collector.histogram import Counts, Native, merge
from collector.ledger.book import sum_by
from collector.ledger.deltas import Deltas
from collector.ledger.exemplars import Exemplars
from collector.ledger.exponentials import Exponentials
from collector.ledger.histograms import Histograms
from collector.ledger.latest import Latest
from collector.ledger.summaries import Summaries
from collector.ledger.totals import Totals
from collector.model import Merge
from collector.reading import HistogramReading, Readings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from collector.ledger.book import Book, Contributions, Scalars
    from collector.ledger.distributions import Distributions


class Ledger:
    """The books, and the series that are not sums."""

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self.freed = 0
        """How often rows were given back; who was refused may ask again when it has changed."""
        self.totals = Totals()
        self.latest = Latest()
        self.deltas = Deltas()
        self.exponentials = Exponentials()
        self.summaries = Summaries()
        self.exemplars = Exemplars()
        self._histograms: dict[tuple[float, ...], Histograms] = {}
        self._merges: dict[int, Merge] = {}

    def histograms(self, bounds: tuple[float, ...]) -> Histograms:
        """Return the book of histograms with these bounds."""
        if bounds not in self._histograms:
            self._histograms[bounds] = Histograms(bounds)
        return self._histograms[bounds]

    def merges(self, series: int, merge: Merge) -> None:
        """Let a series take the largest or smallest of its sources."""
        if merge is not Merge.SUM:
            self._merges[series] = merge

    def _scalars(self) -> tuple[Scalars, ...]:
        return self.totals, self.latest, self.deltas

    def _distributions(self) -> Iterator[Distributions]:
        yield self.exponentials
        yield self.summaries
        yield from self._histograms.values()

    def _books(self) -> Iterator[Book]:
        yield from self._scalars()
        yield from self._distributions()

    @property
    def rows(self) -> int:
        """How many readings are kept: one per source, or one per source and life."""
        return sum(map(len, self._books()))

    @property
    def full(self) -> bool:
        """Whether no more rows may be opened."""
        return self.rows >= self._rows_max

    def read(self, size: int) -> Readings:
        """Read every series numbered below `size`."""
        parts = [book.contributions() for book in self._scalars()]
        every: Contributions = (
            np.concatenate([part[0] for part in parts]),
            np.concatenate([part[1] for part in parts]),
            np.concatenate([part[2] for part in parts]),
            np.concatenate([part[3] for part in parts]),
        )
        numbers = sum_by(every[1], every[2], every[3], size)
        for series, how in self._merges.items():
            numbers[series] = _extreme(every, series, how)
        histograms = self._read_histograms()
        summaries = dict(self.summaries.by_series())
        speaking = np.zeros(size, np.bool_)
        speaking[every[1]] = True
        speaking[[*histograms, *summaries]] = True
        absent = frozenset(np.flatnonzero(~speaking).tolist())
        exemplars = self.exemplars.by_series()
        return Readings(numbers.tolist(), histograms, absent, summaries, exemplars)

    def _read_histograms(self) -> dict[int, HistogramReading]:
        """Read histograms; what is exponential has no bounds but the infinite one in common."""
        parts: dict[int, list[Counts]] = defaultdict(list)
        for book in self._histograms.values():
            for series, counts in book.by_series():
                parts[series].append(counts)
        natives: dict[int, Native] = {}
        for series, counts, native in self.exponentials.by_series():
            if series not in parts:
                natives[series] = native
            parts[series].append(counts)
        return {series: merge(several, natives.get(series)) for series, several in parts.items()}

    def heard(self, size: int) -> NDArray[np.float64]:
        """Return when each series numbered below `size` was last spoken for; -inf for never."""
        last = np.full(size, -np.inf)
        for book in self._books():
            book.hear(last)
        return last

    def drop(self, series: Collection[int]) -> None:
        """Forget series and all that belongs to them."""
        self.freed += 1
        for book in self._books():
            book.drop(series)
        self.exemplars.drop(series)
        for number in series:
            self._merges.pop(number, None)
        self._histograms = {bounds: book for bounds, book in self._histograms.items() if len(book)}

    def fold(self, before: float) -> None:
        """Carry over the shares of lives silent since `before` that another life followed."""
        closed = self.totals.fold(before)
        closed += sum(book.fold(before) for book in self._distributions())
        self.freed += closed > 0


def _extreme(every: Contributions, series: int, how: Merge) -> float:
    """Return the largest or smallest value of a series' sources; 0 where none speaks."""
    rows = np.flatnonzero(every[1] == series)
    if not len(rows):
        return 0.0
    _, groups = np.unique(every[0][rows], return_inverse=True)
    values = sum_by(groups, every[2][rows], every[3][rows], int(groups.max()) + 1)
    return float(values.max() if how is Merge.MAX else values.min())
