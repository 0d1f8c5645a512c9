"""The ledger: all books together.

    value(series) = sum over its sources of (sum over lives of the last reading) + retired

`retired` is what sources left behind that are forgotten, the series' share. What series add up to
is read in `readout.py`. Sources and series are numbers here; no attribute, name or clock comes in,
only the `now` that it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.ledger.deltas import Deltas
from collector.ledger.exemplars import Exemplars
from collector.ledger.exponentials import Exponentials
from collector.ledger.histograms import Histograms
from collector.ledger.latest import Latest
from collector.ledger.owners import Owners
from collector.ledger.summaries import Summaries
from collector.ledger.totals import Totals
from collector.model import Kind, Merge, Temporality

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from collector.ledger.book import Book
    from collector.ledger.columns import Mask
    from collector.ledger.distributions import Distributions
    from collector.ledger.scalars import Contributions, Scalars
    from collector.reading import HistogramTable


class Ledger:
    """The books."""

    def __init__(self, rows_max: int, *, timed: bool = False) -> None:
        """`timed` keeps the time of each row's newest point, too."""
        self._rows_max = rows_max
        self._timed = timed
        self.freed = 0
        """How often room was made; who was refused may ask again when it has changed."""
        self.dormant = 0
        """Sources that are silent and remembered; their rows do not count against the limit."""
        self.owners = Owners()
        self.totals = Totals(self.owners)
        self.latest = Latest(self.owners)
        self.deltas = Deltas(self.owners)
        self.exponentials = Exponentials(self.owners)
        self.summaries = Summaries(self.owners)
        self.exemplars = Exemplars()
        self._histograms: dict[tuple[float, ...], Histograms] = {}
        if timed:
            for book in self._books():
                book.keep_times()

    def histograms(self, bounds: tuple[float, ...]) -> Histograms:
        """Return the book of histograms with these bounds."""
        if bounds not in self._histograms:
            self._histograms[bounds] = Histograms(bounds, self.owners)
            if self._timed:
                self._histograms[bounds].keep_times()
        return self._histograms[bounds]

    def book(self, kind: Kind, temporality: Temporality, bounds: tuple[float, ...]) -> Book:
        """Return the book for points of a kind; `bounds` are a histogram's."""
        if kind is Kind.HISTOGRAM:
            return self.histograms(bounds)
        if kind is Kind.EXPONENTIAL:
            return self.exponentials
        if kind is Kind.SUMMARY:
            return self.summaries
        if temporality is Temporality.DELTA:
            return self.deltas
        return self.totals if kind is Kind.COUNTER else self.latest

    def copied(self) -> list[Book]:
        """Return copies of all books to read from."""
        return [book.copied() for book in self._books()]

    def shift(self, seconds: float) -> None:
        """Let everything that was heard be heard so much later."""
        for book in self._books():
            book.seen += seconds

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
    def room(self) -> int:
        """How many more rows may be opened."""
        return self._rows_max - (self.rows - self.dormant)

    def contributions(self) -> Contributions:
        """Return what rows of counters and gauges add to their series."""
        parts = [book.contributions() for book in self._scalars()]
        sources, series, ints, floats = (np.concatenate(column) for column in zip(*parts))
        return sources, series, ints, floats

    def counts(self) -> Contributions:
        """Return how many values the rows of distributions tell of, in the same form."""
        parts = [book.counted_rows() for book in self._distributions()]
        sources, series, counts = (np.concatenate(column) for column in zip(*parts))
        return sources, series, counts, np.zeros(len(counts))

    def tables(self) -> list[HistogramTable]:
        """Return what histograms with explicit bounds add to their series, bounds by bounds."""
        return [book.table() for book in self._histograms.values()]

    def heard(self, size: int) -> NDArray[np.float64]:
        """Return when each series numbered below `size` was last spoken for; -inf for never."""
        return self._heard("series", size)

    def sources_heard(self, size: int) -> NDArray[np.float64]:
        """Return when each source numbered below `size` last spoke; -inf for never."""
        return self._heard("sources", size)

    def _heard(self, of: str, size: int) -> NDArray[np.float64]:
        last = np.full(size, -np.inf)
        for book in self._books():
            book.hear(of, last)
        return last

    def told(self, size: int) -> NDArray[np.uint64]:
        """Return the time of the newest point of each series numbered below `size`, nanoseconds."""
        newest = np.zeros(size, np.uint64)
        for book in self._books():
            book.newest(newest)
        return newest

    def loud(self, since: float, size: int) -> Mask:
        """Return which of the sources numbered below `size` spoke at or after `since`."""
        heard = np.zeros(size, np.bool_)
        for book in self._books():
            book.loud(since, heard)
        return heard

    def retire(self, sources: Mask, merges: Mapping[int, Merge]) -> None:
        """Forget sources; what they counted becomes part of their series' shares."""
        for book in self._books():
            book.retire(sources, merges)

    def is_heir(self, series: int) -> bool:
        """Whether a series has a share."""
        return any(book.is_heir(series) for book in self._books())

    def pool(self, series: int, into: int, merge: Merge) -> None:
        """Make a series' share part of another's."""
        for book in self._books():
            book.pool(series, into, merge)

    def started(self, size: int) -> NDArray[np.uint64]:
        """Return the earliest start that was told of each series numbered below `size`.

        Nanoseconds; the largest number there is where none was told.
        """
        earliest = np.full(size, np.iinfo(np.uint64).max, np.uint64)
        for book in self._books():
            book.earliest(earliest)
        return earliest

    def drop(self, series: Collection[int]) -> None:
        """Forget series and all that belongs to them."""
        for book in self._books():
            book.drop(series)
        self.exemplars.drop(series)
        self._histograms = {bounds: book for bounds, book in self._histograms.items() if len(book)}

    def fold(self, before: float) -> None:
        """Carry over the shares of lives silent since `before` that another life followed."""
        closed = self.totals.fold(before)
        closed += sum(book.fold(before) for book in self._distributions())
        self.freed += closed > 0
