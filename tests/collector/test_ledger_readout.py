"""What lines read off ledgers: sums, rules, histograms that meet, what is shown nowhere."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ledger.account import told
from collector.ledger.exemplars import NO_SERIES, Exemplars
from collector.ledger.histograms import Histograms
from collector.ledger.ledger import Ledger
from collector.ledger.readout import NOWHERE, Share, doubles, read, starts
from collector.model import Kind, Merge, Temporality
from collector.reading import Exemplar, Grid, HistogramReading, Reading, SummaryReading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.ledger.book import Book

LINES = 4
GRID = Grid(0, 0.0, range(1), range(0))


def gauge(ledger: Ledger, source: int, series: int, number: float, now: float = 0.0) -> None:
    """Have a source of a gauge say something."""
    row = ledger.latest.open(source, 0, series, now)
    values = np.array([number])
    ledger.latest.record(np.array([row]), values, np.ones(1, np.uint64), unique=True)


def counter(ledger: Ledger, source: int, series: int, number: float, start: int = 1) -> int:
    """Have a life of a counter say something."""
    row = ledger.totals.open(source, start, series, 0.0)
    ledger.totals.record(np.array([row]), np.array([number]), unique=True)
    return row


def distribution(book: Book, ledger: Ledger, life: tuple[int, int], lie: Sequence[int]) -> int:
    """Have a source of a distribution say something: of which series, and how values lie."""
    source, series = life
    row = book.open(source, 1, series, 0.0)
    made = Reading(
        np.array([sum(lie) / 2]),
        np.zeros(0, np.uint64),
        np.zeros(0, np.uint64),
        np.array([sum(lie)]),
        np.array([lie]),
    )
    if book is ledger.exponentials:
        made = made._replace(grids=[GRID])
    elif book is ledger.summaries:
        made = made._replace(quantiles=np.array([lie], np.float64), bounds=(0.5,) * len(lie))
    book.record(np.array([row]), made, unique=True)  # type: ignore[attr-defined]
    return row


def lines(*of: int) -> np.ndarray:
    """Of each series its line."""
    return np.array(of, np.int64)


ORACLES: dict[Merge, Callable[[list[float]], float]] = {
    Merge.MAX: max,
    Merge.MIN: min,
    Merge.MEAN: fmean,
    Merge.MEDIAN: median,
    Merge.COUNT: len,
}
numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e3, 1e3).map(lambda x: round(x * 8) / 8))
told_by = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.booleans(), numbers), max_size=10
)


@given(told_by, st.dictionaries(st.integers(0, LINES - 1), st.sampled_from(list(ORACLES))))
@settings(max_examples=150)
def test_lines_are_made_of_the_series_of_all_ledgers(
    drawn: list[tuple[int, int, bool, float]], merges: dict[int, Merge]
) -> None:
    """A line that has no rule is the sum; what is whole is told as such."""
    ledgers = Ledger(100), Ledger(100)
    where = lines(2, 0, NOWHERE), lines(0, NOWHERE, 2)
    values: dict[int, list[float]] = {}
    for source, (which, series, grows, number) in enumerate(drawn):
        line = int(where[which][series])
        value = abs(number) if grows else number
        (counter if grows else gauge)(ledgers[which], source, series, value)
        if line != NOWHERE:
            values.setdefault(line, []).append(value)
    shares = [Share(*pair) for pair in zip(ledgers, where)]
    found = read(shares, LINES, merges)
    assert len(found.numbers) == LINES
    assert found.absent == frozenset(range(LINES)) - set(values)
    for line in set(range(LINES)) - set(merges):
        assert found.numbers[line] == float(sum(map(Fraction, values.get(line, []))))
    fractions = {
        line for line, own in values.items() if any(n and isinstance(n, float) for n in own)
    }
    assert doubles(shares, LINES) == sorted(fractions)


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2), numbers),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one[:3],
    ),
    st.sampled_from(list(ORACLES)),
)
@settings(max_examples=150)
def test_a_rule_is_applied_to_sources_one_by_one(
    drawn: list[tuple[int, int, int, float]], merge: Merge
) -> None:
    """What a source said in several series is one value of it; in another ledger it is another."""
    ledgers = Ledger(100), Ledger(100)
    where = lines(1, 1, NOWHERE)
    by_source: dict[tuple[int, int], float] = {}
    for which, source, series, number in drawn:
        # of one source several rows, in several books
        book = ledgers[which].latest if series else ledgers[which].totals
        row = book.open(source, series, series, 0.0)
        value = number if series else abs(number)  # no counter is negative
        book.ints[row], book.floats[row] = (value, 0) if isinstance(value, int) else (0, value)
        book.present[row] = True
        if where[series] != NOWHERE:
            key = which, source
            by_source[key] = by_source.get(key, 0) + value
    found = read([Share(one, where) for one in ledgers], 2, {1: merge, 0: merge})
    expected = ORACLES[merge](list(by_source.values())) if by_source else 0
    assert found.numbers[1] == pytest.approx(expected, rel=1e-12)
    assert found.numbers[0] == 0


def test_only_doubles_that_say_more_are_told() -> None:
    """Lines of whole numbers can be written as such; what is shown nowhere is in none."""
    ledger = Ledger(10)
    gauge(ledger, 0, 0, 0.5)
    gauge(ledger, 1, 1, 7)
    gauge(ledger, 2, 2, 0.0)
    gauge(ledger, 3, 3, 0.25)
    assert doubles([Share(ledger, lines(3, 1, 2, NOWHERE))], 5) == [3]


def test_the_earliest_start_of_a_line() -> None:
    """Over all its series and ledgers; 0 where no start was told."""
    ledgers = Ledger(10), Ledger(10)
    for ledger, source, series, start in (
        (ledgers[0], 0, 0, 7),
        (ledgers[0], 1, 1, 2**60 + 255),
        (ledgers[1], 0, 0, 5),
        (ledgers[1], 1, 1, 3),
        (ledgers[1], 2, 2, 0),
    ):
        counter(ledger, source, series, 1, start)
    shares = [Share(ledgers[0], lines(0, 3, 1)), Share(ledgers[1], lines(0, NOWHERE, 1))]
    assert starts(shares, 4) == [5, 0, 0, 2**60 + 255]


def test_the_newest_point_of_a_line() -> None:
    """In milliseconds, over all its series; nothing where nobody asks."""
    ledgers = Ledger(10, timed=True), Ledger(10, timed=True)
    now = 1_700_000_000_123_999_999  # as a double the next millisecond
    for ledger, series, time in ((ledgers[0], 0, now), (ledgers[1], 0, 7_000_000)):
        row = counter(ledger, 0, series, 1)
        ledger.totals.tell(np.array([row]), np.array([time], np.uint64))
    book = ledgers[1].histograms((1.0,))
    row = distribution(book, ledgers[1], (1, 1), (1, 2))
    book.tell(np.array([row]), np.array([9_500_000], np.uint64))
    shares = [Share(ledgers[0], lines(0, 0)), Share(ledgers[1], lines(1, NOWHERE))]
    assert read(shares, 3, {}, times=True).times == [1_700_000_000_123, 7, 0]
    assert read(shares, 3, {}).times == ()


def same(a: HistogramReading, b: HistogramReading) -> bool:
    """Whether two histograms say the same, their native buckets aside."""
    return (a.bounds, list(a.cumulated), a.count, a.sum) == (
        b.bounds, list(b.cumulated), b.count, b.sum,
    )  # fmt: skip


def test_histograms_stand_in_tables_until_they_meet() -> None:
    """A line of one series is its row in a table; of several it is merged, and in no table."""
    ledgers = Ledger(100), Ledger(100)
    one, two = (1.0, 2.0), (2.0, 4.0)
    distribution(ledgers[0].histograms(one), ledgers[0], (0, 0), (1, 2, 3))
    distribution(ledgers[0].histograms(one), ledgers[0], (1, 1), (4, 0, 0))
    distribution(ledgers[0].histograms(one), ledgers[0], (2, 2), (0, 0, 5))
    distribution(ledgers[0].histograms(two), ledgers[0], (3, 1), (1, 1, 1))
    distribution(ledgers[1].histograms(one), ledgers[1], (0, 0), (0, 1, 0))
    distribution(ledgers[1].histograms(one), ledgers[1], (1, 1), (7, 7, 7))
    shares = [Share(ledgers[0], lines(0, 2, 3)), Share(ledgers[1], lines(5, NOWHERE))]
    found = read(shares, 7, {})
    assert set(found.histograms) == {2}
    assert same(found.histogram(2), HistogramReading((2.0,), [5], 7, 3.5))
    assert found.histogram(2).native is None
    in_tables = sorted(line for table in found.tables for line in table.lines.tolist())
    assert in_tables == [0, 3, 5]
    assert same(found.histogram(0), HistogramReading(one, [1, 3], 6, 3.0))
    assert same(found.histogram(3), HistogramReading(one, [0, 0], 5, 2.5))
    assert same(found.histogram(5), HistogramReading(one, [0, 1], 1, 0.5))
    assert found.absent == {1, 4, 6}


def test_exponential_histograms_are_never_in_tables() -> None:
    """Alone they keep their buckets, with their like they add up; with bounds only counts stay."""
    ledger = Ledger(100)
    for source, series in enumerate((0, 1, 1, 2, 3)):
        distribution(ledger.exponentials, ledger, (source, series), (1, source))
    distribution(ledger.histograms((1.0,)), ledger, (9, 4), (1, 2))
    found = read([Share(ledger, lines(0, 1, 2, NOWHERE, 2))], 3, {})
    assert set(found.histograms) == {0, 1, 2}
    assert [len(table.lines) for table in found.tables] == [0]
    native = found.histogram(0).native
    assert native is not None
    assert native().zeros == 1
    native = found.histogram(1).native
    assert native is not None
    assert (native().zeros, native().positive) == (2, {0: 3})
    assert found.histogram(2).native is None
    assert (found.histogram(2).count, found.histogram(2).sum) == (4 + 3, 2 + 1.5)
    assert found.absent == frozenset()


def test_summaries_that_meet_have_no_quantiles() -> None:
    """Two or more series of a line, in whatever ledger; count and sum add up."""
    ledgers = Ledger(100), Ledger(100)
    distribution(ledgers[0].summaries, ledgers[0], (0, 0), (1,))
    distribution(ledgers[0].summaries, ledgers[0], (1, 1), (2,))
    distribution(ledgers[0].summaries, ledgers[0], (2, 2), (9,))
    for series in range(3):
        distribution(ledgers[1].summaries, ledgers[1], (series, series), (4,))
    shares = [Share(ledgers[0], lines(0, 1, NOWHERE)), Share(ledgers[1], lines(1, 1, NOWHERE))]
    assert read(shares, 3, {}).summaries == {
        0: SummaryReading([(0.5, 1.0)], 1, 0.5),
        1: SummaryReading([], 10, 5.0),
    }
    assert read(shares, 3, {}).absent == {2}


def exemplar(value: float, time: int, trace: str = "t", span: str = "") -> Exemplar:
    """An exemplar."""
    return Exemplar(value, time, trace, span)


def test_the_newest_exemplar_of_each_bucket_stands() -> None:
    """Bounds belong to the bucket below; of one moment the later one; what has no trace is none."""
    own = Exemplars()
    own.record(
        np.array([NO_SERIES, 0, 0, 0, 0, 0, 1, 0]),
        (1.0, 2.0),
        [
            exemplar(0.5, 99),
            exemplar(0.5, 5),
            exemplar(1.0, 5, "", "s"),
            exemplar(0.7, 4),
            exemplar(2.5, 3),
            exemplar(2.5, 9, "", ""),
            exemplar(1.5, 2),
            exemplar(math.inf, 2),
        ],
    )
    own.record(np.array([0]), (), [exemplar(1.2, 1)])
    assert own.by_series() == {
        0: [exemplar(2.5, 3), exemplar(1.0, 5, "", "s")],
        1: [exemplar(1.5, 2)],
    }
    own.record(np.array([0, 0]), (1.0, 2.0), [exemplar(1.7, 4), exemplar(9.0, 7)])
    assert own.by_series()[0] == [exemplar(1.7, 4), exemplar(1.0, 5, "", "s"), exemplar(9.0, 7)]
    own.drop([0, 7])
    assert list(own.by_series()) == [1]


def test_exemplars_of_a_line_stand_by_time() -> None:
    """Whatever ledgers and series they are from; what is shown nowhere shows none."""
    ledgers = Ledger(10), Ledger(10)
    ledgers[0].exemplars.record(
        np.array([0, 0, 1]), (1.0,), [exemplar(0, 5), exemplar(2, 7), exemplar(0, 1)]
    )
    ledgers[1].exemplars.record(np.array([0, 1]), (1.0,), [exemplar(3, 6), exemplar(4, 9)])
    ledgers[1].exemplars.record(np.array([2]), (1.0,), [exemplar(8, 4)])
    shares = [Share(ledgers[0], lines(2, 0, 0)), Share(ledgers[1], lines(2, NOWHERE, 2))]
    assert read(shares, 3, {}).exemplars == {
        2: [exemplar(8, 4), exemplar(0, 5), exemplar(3, 6), exemplar(2, 7)],
        0: [exemplar(0, 1)],
    }


def test_the_account_is_made_row_by_row() -> None:
    """How many sources speak for each line, and what they and those told who are gone."""
    ledgers = Ledger(100), Ledger(100)
    first, second = ledgers
    for source, number in ((0, 2**53 + 1), (1, 3), (2, 0.5)):
        counter(first, source, 0, number)
    counter(first, 0, 0, 4, start=2)
    counter(first, 3, 1, 7)
    book = first.histograms((1.0,))
    distribution(book, first, (4, 2), (1, 2))
    distribution(first.histograms((2.0,)), first, (4, 2), (1, 0))
    distribution(first.summaries, first, (5, 3), (6,))
    counter(second, 0, 0, 100)
    first.retire(np.array([False, True, False, False, False, False]), {})
    shares = [Share(first, lines(0, NOWHERE, 1, 3)), Share(second, lines(0))]
    found = told(shares, 5)
    assert found.streams.tolist() == [3, 1, 0, 1, 0]
    assert found.sums.tolist() == [2**53 + 1 + 3 + 0.5 + 4 + 100, 4, 0, 6, 0]
    assert found.sums.dtype == np.float64


def test_there_is_a_book_for_everything() -> None:
    """By kind and temporality; of histograms one for each set of bounds."""
    ledger = Ledger(10)
    last, delta = Temporality.CUMULATIVE, Temporality.DELTA
    book = ledger.book
    assert book(Kind.COUNTER, last, ()) is ledger.totals
    assert book(Kind.UPDOWN, last, ()) is book(Kind.GAUGE, Temporality.NONE, ()) is ledger.latest
    assert book(Kind.COUNTER, delta, ()) is book(Kind.UPDOWN, delta, ()) is ledger.deltas
    assert book(Kind.SUMMARY, last, ()) is ledger.summaries
    assert book(Kind.EXPONENTIAL, delta, ()) is ledger.exponentials
    some = book(Kind.HISTOGRAM, delta, (1.0,))
    assert isinstance(some, Histograms)
    assert some.bounds == (1.0,)
    assert book(Kind.HISTOGRAM, last, (1.0,)) is some is ledger.histograms((1.0,))
    assert book(Kind.HISTOGRAM, last, (2.0,)) is not some


def filled(*, timed: bool = False) -> Ledger:
    """A ledger with a row in every book, source n speaking for series n at n seconds."""
    ledger = Ledger(10, timed=timed)
    books: list[Book] = [
        ledger.totals,
        ledger.latest,
        ledger.deltas,
        ledger.exponentials,
        ledger.summaries,
        ledger.histograms((1.0,)),
    ]
    for number, book in enumerate(books):
        row = book.open(number, 1, number, float(number))
        book.present[row] = True
        if book.told is not None:
            book.told[row] = number
    return ledger


def test_all_books_are_asked_together() -> None:
    """Who spoke when, what room there is, and whether each keeps times."""
    ledger = filled(timed=True)
    assert (ledger.rows, ledger.room) == (6, 4)
    ledger.dormant = 2
    assert ledger.room == 6
    assert ledger.heard(8).tolist() == [0, 1, 2, 3, 4, 5, -math.inf, -math.inf]
    assert ledger.sources_heard(8).tolist() == [0, 1, 2, 3, 4, 5, -math.inf, -math.inf]
    assert ledger.told(7).tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert ledger.told(7).dtype == np.uint64
    assert ledger.loud(3.0, 7).tolist() == [False] * 3 + [True] * 3 + [False]
    never = np.iinfo(np.uint64).max
    assert ledger.started(7).tolist() == [1] * 6 + [never]
    ledger.shift(10.0)
    assert ledger.heard(6).tolist() == [10, 11, 12, 13, 14, 15]
    assert [len(book) for book in ledger.copied()] == [1] * 6
    assert filled().told(6).tolist() == [0] * 6


def test_a_series_leaves_all_books() -> None:
    """Its exemplars as well; and bounds that nobody has any more are forgotten."""
    ledger = filled()
    ledger.exemplars.record(np.array([1, 2]), (), [exemplar(1, 1), exemplar(1, 1)])
    kept, gone = ledger.histograms((1.0,)), ledger.histograms((2.0,))
    gone.open(9, 1, 0, 0.0)
    ledger.drop([0, 2])
    assert ledger.rows == 4
    assert set(ledger.exemplars.by_series()) == {1}
    assert ledger.histograms((1.0,)) is kept
    assert ledger.histograms((2.0,)) is not gone


def test_room_that_was_made_is_told() -> None:
    """By folding, once for each time; where nothing was folded nothing has changed."""
    ledger = Ledger(10)
    assert ledger.freed == 0
    ledger.fold(9.0)
    assert ledger.freed == 0
    books: list[Book] = [ledger.totals, ledger.exponentials, ledger.histograms((1.0,))]
    for source, book in enumerate(books):
        for start in (1, 2, 3):
            book.open(source, start, 0, float(start))
        ledger.fold(9.0)
        assert (ledger.freed, len(book)) == (source + 1, 1)
    for book in books:
        book.open(5, 1, 0, 1.0)
        book.open(5, 2, 0, 2.0)
    ledger.fold(9.0)
    assert (ledger.freed, ledger.rows) == (4, 6)


def test_shares_are_found_in_every_book() -> None:
    """What distributions left, too; of a gauge nothing stays."""
    ledger = Ledger(100)
    counter(ledger, 0, 0, 5)
    gauge(ledger, 1, 1, 5)
    distribution(ledger.histograms((1.0,)), ledger, (2, 2), (1, 2))
    distribution(ledger.exponentials, ledger, (3, 3), (1, 2))
    ledger.retire(np.ones(4, np.bool_), {})
    assert [ledger.is_heir(series) for series in range(5)] == [True, False, True, True, False]
    assert ledger.rows == 3
    ledger.pool(2, 4, Merge.SUM)
    ledger.pool(3, 4, Merge.SUM)
    assert [ledger.is_heir(series) for series in range(5)] == [True, False, False, False, True]
    found = read([Share(ledger, lines(0, 1, 2, 3, 4))], 5, {})
    assert (found.histogram(4).count, found.absent) == (6, {1, 2, 3})


def test_doubles_stand_on_both_sides_of_the_account() -> None:
    """With their sign; sources and sums are told in numbers of their own kind."""
    ledger = Ledger(10)
    counter(ledger, 0, 0, 2.5)
    counter(ledger, 1, 0, 3)
    found = told([Share(ledger, np.arange(1))], 1)
    assert (found.sums.tolist(), found.streams.tolist()) == ([5.5], [2])
    assert (found.sums.dtype, found.streams.dtype) == (np.float64, np.int64)


def test_all_books_of_a_ledger_note_their_rows_in_one_table() -> None:
    """A source that has a row in one is free in none."""
    ledger = Ledger(10)
    books = [ledger.totals, ledger.deltas, ledger.latest, ledger.exponentials, ledger.summaries]
    books.append(ledger.histograms((1.0,)))
    for source, book in enumerate(books):
        book.open(source, 1, 0, float(source))
        free = ledger.owners.is_free(np.arange(len(books)))
        assert free.tolist() == [later > source for later in range(len(books))]
    heard = ledger.loud(2.0, len(books))
    assert (heard.dtype, heard.tolist()) == (np.bool_, [False, False, *[True] * 4])
