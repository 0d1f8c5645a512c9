"""One column's numbers written to the rows of its book: what cannot be true is refused here.

In: a column whose rows are known, and what was read of it. Out: numbers in a book, and refusals
counted. Which rows they are was found before; how a book adds up is the book's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from collector.errors import Reason
from collector.ledger.columns import BIN, Rows
from collector.ledger.deltas import Deltas
from collector.ledger.distributions import Distributions
from collector.ledger.latest import Latest
from collector.ledger.totals import Totals
from collector.model import Kind, Temporality

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from collector.ledger.book import Book
    from collector.ledger.exemplars import Exemplars
    from collector.reading import Reading
    from collector.wire.column import Column

COUNT_MAX = np.uint64(2**53)
"""Above, a double no longer tells neighbours apart, and the exposition has only doubles."""


@dataclass
class Bound:
    """One column of a shape, and the rows where its numbers go."""

    column: Column
    kind: Kind
    temporality: Temporality
    book: Book | Exemplars
    where: Rows
    """One row per point; `BIN` where the point was refused or dropped. Of exemplars the series.

    A slice if they lie one behind the other, which is many times faster."""
    unique: bool
    """No row stands there twice."""
    unknown: NDArray[np.intp]
    """Indices of the points whose cumulative life has no start time."""
    stale: NDArray[np.intp]
    """Indices of the points that say they have nothing to say."""

    @property
    def rows(self) -> NDArray[np.intp]:
        """The same one by one."""
        where = self.where
        return np.arange(where.start, where.stop) if isinstance(where, slice) else where

    def packed(self) -> Bound:
        """Keep the rows as a slice, if they can be one."""
        rows = self.rows
        first = int(rows[0]) if len(rows) else BIN
        is_plain = first != BIN and not len(self.stale) and not len(self.unknown)
        is_plain = is_plain and self.temporality is not Temporality.DELTA
        if is_plain and (rows == np.arange(first, first + len(rows))).all():
            self.where = slice(first, first + len(rows))
        return self

    def __len__(self) -> int:
        """How many points there are."""
        return len(self.column)


def record(
    bound: Bound, book: Book, reading: Reading, now: float, refused: Counter[Reason]
) -> None:
    """Write one column's numbers to its book."""
    book.touch(bound.where, now)
    if book.told is not None:
        book.tell(bound.rows, reading.times)
    faults = _faults(bound.kind, reading)
    bad = [(reason, which) for reason, which in faults if np.count_nonzero(which)]
    if not bad and isinstance(bound.where, slice):
        _keep(book, bound.where, reading, unique=True)
        return
    rows = _sound(bound, bad, refused)
    if len(bound.stale):
        rows = rows.copy()
        stale, rows[bound.stale] = rows[bound.stale], BIN
        if isinstance(book, Latest):
            book.silence(stale, reading.times[bound.stale])
    if bound.temporality is Temporality.DELTA:
        late = _add(book, rows, reading)
        if late:
            refused[Reason.TOO_LATE] += late
    elif len(bound.unknown):
        _record_unknown(bound, book, rows, reading)
    else:
        _keep(book, rows, reading, unique=bound.unique)


def _sound(
    bound: Bound, bad: Iterable[tuple[Reason, NDArray[np.bool_]]], refused: Counter[Reason]
) -> NDArray[np.intp]:
    """Return the rows, `BIN` in place of those whose numbers cannot be true; count these."""
    rows = bound.rows
    for reason, which in bad:
        wrong = which.reshape(len(rows), -1).any(axis=1)
        refused[reason] += int(np.count_nonzero(wrong & (rows != BIN)))
        rows = np.where(wrong, BIN, rows)
    return rows


def _faults(kind: Kind, reading: Reading) -> Iterator[tuple[Reason, NDArray[np.bool_]]]:
    """Yield what a kind of number cannot be, and which are. A gauge can be anything."""
    if kind is not Kind.GAUGE and reading.values.dtype.kind == "f":
        yield Reason.NOT_FINITE, ~np.isfinite(reading.values)
    if kind is Kind.COUNTER:
        yield Reason.NEGATIVE, reading.values < 0
    for counts in (reading.counts, reading.buckets):
        if counts is not None:
            yield Reason.COUNT_RANGE, counts.view(np.uint64) > COUNT_MAX
    if kind is Kind.EXPONENTIAL and reading.buckets is not None:
        yield Reason.HISTOGRAM_BUCKETS, reading.buckets.sum(axis=1) != reading.counts


def _add(book: Book, rows: NDArray[np.intp], reading: Reading) -> int:
    """Add increments; return how many were too late."""
    if isinstance(book, Distributions):
        return book.record_deltas(rows, reading)
    if isinstance(book, Deltas):
        return book.record(rows, reading.values, reading.starts, reading.times)
    raise TypeError(book)


def _keep(book: Book, rows: Rows, reading: Reading, *, unique: bool) -> None:
    """Write cumulative readings and gauges."""
    if isinstance(book, Totals):
        book.record(rows, reading.values, unique=unique)
    elif isinstance(book, Latest):
        book.record(rows, reading.values, reading.times, unique=unique)
    elif isinstance(book, Distributions):
        book.record(rows, reading, unique=unique)


def _record_unknown(bound: Bound, book: Book, rows: NDArray[np.intp], reading: Reading) -> None:
    """Write a column in which some lives tell no start: these apart from the others."""
    apart = np.full(len(rows), BIN, np.intp)
    apart[bound.unknown] = rows[bound.unknown]
    if isinstance(book, Totals):
        book.record_unknown(apart, reading.values, reading.times)
    elif isinstance(book, Distributions):
        book.record_unknown(apart, reading)
    rest = rows.copy()
    rest[bound.unknown] = BIN
    _keep(book, rest, reading, unique=False)
