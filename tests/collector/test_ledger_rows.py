"""The rows of the ledger: given out, found again, given back; dictionaries say what should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ledger.book import Book
from collector.ledger.columns import BIN, NOBODY, ROOM, differ, each_of, some_of
from collector.ledger.histograms import Histograms
from collector.ledger.owners import Owners
from collector.ledger.totals import Totals
from collector.model import Merge

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = (0, 1, 2, 3, 200)
STARTS = (0, 1, 2)
SERIES = (0, 1, 2)
NEVER = np.iinfo(np.uint64).max


@dataclass
class Row:
    """What a row should say."""

    source: int
    start: int
    series: int
    seen: float
    present: bool = False
    told: int = 0


Truth = dict[int, Row]

step = st.one_of(
    st.tuples(
        st.just("open"),
        st.sampled_from(SOURCES),
        st.sampled_from(STARTS),
        st.sampled_from(SERIES),
        st.booleans(),
    ),
    st.tuples(
        st.just("open_all"),
        st.lists(
            st.tuples(st.sampled_from(SOURCES), st.sampled_from(STARTS), st.sampled_from(SERIES)),
            unique_by=lambda one: one[0],
        ),
    ),
    st.tuples(st.just("share"), st.sampled_from(SERIES)),
    st.tuples(st.just("close"), st.sets(st.integers(0, 9), max_size=4)),
    st.tuples(st.just("retire"), st.sets(st.sampled_from(SOURCES), max_size=2)),
    st.tuples(st.just("drop"), st.sets(st.sampled_from(SERIES), max_size=1)),
    st.tuples(st.just("touch"), st.integers(0, 9), st.integers(1, 5)),
)


def apply(book: Book, rows: Truth, others: Truth, what: tuple[Any, ...], now: float) -> None:
    """Do one step to the book and to what it should be."""
    name, *told = what
    if name == "open":
        source, start, series, says = told
        if any((row.source, row.start) == (source, start) for row in rows.values()):
            return
        new = book.open(source, start, series, now)
        assert new not in {BIN, *rows}
        book.present[new] = says
        rows[new] = Row(source, start, series, now, says)
    elif name == "open_all":
        known = {row.source for row in (*rows.values(), *others.values())}
        fresh = [one for one in told[0] if one[0] not in known]
        columns = np.array(fresh, np.int64).reshape(-1, 3).T
        starts = columns[1].astype(np.uint64)
        found = book.open_all(columns[0], starts, columns[2].astype(np.int32), now).tolist()
        assert found == sorted(set(found) - {BIN, *rows})
        rows.update({row: Row(*one, now) for row, one in zip(found, fresh)})
    elif name == "share":
        new = book.retired(told[0], now)
        share = [at for at, row in rows.items() if row.source == NOBODY and row.series == told[0]]
        if share:
            assert [new] == share
        else:
            assert new not in {BIN, *rows}
            rows[new] = Row(NOBODY, 0, told[0], now)
    elif name == "touch":
        some = sorted(rows)[told[0] : told[0] + 2]
        book.touch(np.array(some, np.intp), now)
        book.tell(np.array(some, np.intp), np.full(len(some), told[1], np.uint64))
        for one in some:
            rows[one].seen, rows[one].told = now, max(rows[one].told, told[1])
    else:
        for at in closed(book, rows, name, told[0]):
            del rows[at]


def closed(book: Book, rows: Truth, how: str, which: set[int]) -> list[int]:
    """Give back rows that are named by their place, by source or by series; return which."""
    if how == "close":
        gone = [row for at, row in enumerate(sorted(rows)) if at in which]
        book.close(gone)
        return gone
    if how == "retire":
        mask = np.zeros(max(SOURCES) + 1, np.bool_)
        mask[list(which)] = True
        book.retire(mask, {})
        return [at for at, row in rows.items() if row.source in which]
    book.drop(which)
    return [at for at, row in rows.items() if row.series in which]


def check(book: Book, rows: Truth) -> None:
    """Hold all that a book tells of its rows against what it should be."""
    assert (len(book), book.used()) == (len(rows), sorted(rows))
    assert book.sources[BIN] == book.series[BIN] == NOBODY
    assert book.told is not None
    for at, row in rows.items():
        columns = book.sources, book.starts, book.series, book.seen, book.present, book.told
        assert Row(*(column[at].item() for column in columns)) == row
    lives = {(row.source, row.start): at for at, row in rows.items() if row.source != NOBODY}
    asked = [(source, start) for source in SOURCES for start in STARTS]
    for one in asked:
        assert book.find(*one) == lives.get(one)
    asked += [(NOBODY, start) for start in STARTS]
    sources, starts = np.array(asked).T
    found, fresh = book.find_all(sources, starts.astype(np.uint64))
    assert found.tolist() == [lives.get(one, BIN) for one in asked]
    known = {source for source, _ in lives}
    assert fresh.tolist() == [source not in known for source, _ in asked]
    assert [book.knows(source) for source in SOURCES] == [source in known for source in SOURCES]
    for series in SERIES:
        shares = [row for row in rows.values() if (row.source, row.series) == (NOBODY, series)]
        assert book.is_heir(series) == bool(shares)
    look(book, rows)


def look(book: Book, rows: Truth) -> None:
    """What is read off all rows at once."""
    said = sorted(at for at, row in rows.items() if row.present)
    assert book.spoken().tolist() == said
    for of, size in (("source", max(SOURCES) + 1), ("series", len(SERIES))):
        last = np.full(size, -np.inf)
        book.hear("sources" if of == "source" else of, last)
        for number in range(size):
            own = [row.seen for row in rows.values() if getattr(row, of) == number]
            assert last[number] == max(own, default=-np.inf)
    for since in (0.0, 3.0, 3.5):
        heard = np.zeros(max(SOURCES) + 1, np.bool_)
        book.loud(since, heard)
        loud = {row.source for row in rows.values() if row.source >= 0 and row.seen >= since}
        assert set(np.flatnonzero(heard).tolist()) == loud
    earliest = np.full(len(SERIES), NEVER, np.uint64)
    newest = np.zeros(len(SERIES), np.uint64)
    book.earliest(earliest)
    book.newest(newest)
    for series in SERIES:
        own_rows = [row for row in rows.values() if row.series == series]
        starts = [row.start for row in own_rows if row.start]
        assert earliest[series] == min(starts, default=NEVER)
        assert newest[series] == max([row.told for row in own_rows], default=0)


@given(st.lists(st.tuples(st.integers(0, 1), step), max_size=14))
@settings(max_examples=150)
def test_a_row_is_found_by_whose_it_is(steps: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Two books share the table of owners; neither takes or loses a row of the other."""
    owners = Owners()
    books = Book(owners), Book(owners)
    truth: tuple[Truth, Truth] = ({}, {})
    for book in books:
        book.keep_times()
    for now, (which, what) in enumerate(steps):
        apply(books[which], truth[which], truth[1 - which], what, float(now))
        check(books[which], truth[which])
    for book, rows in zip(books, truth):
        check(book, rows)


def test_a_book_doubles_when_it_is_full_and_not_before() -> None:
    """All columns grow together and keep what stands in them, vectors as well."""
    book = Histograms((1.0, 2.0))
    book.keep_times()
    for source in range(ROOM - 1):
        row = book.open(source, 0, source, 0.0)
        book.buckets[row] = (row, 2 * row, 2**60 + row)
    assert len(book.seen) == ROOM
    book.open(ROOM, 0, 0, 0.0)
    for name, form in book.columns:
        assert len(getattr(book, name)) == 2 * (ROOM + 1)
        assert getattr(book, name).dtype == np.dtype(form).base
    assert book.buckets[1 : ROOM - 1].tolist() == [
        [row, 2 * row, 2**60 + row] for row in range(1, ROOM - 1)
    ]
    assert book.series[1:ROOM].tolist() == list(range(ROOM - 1))


def test_rows_that_are_free_are_used_again_before_new_ones() -> None:
    """Those that were freed last, ascending, so that they may lie one behind the other."""
    book = Book()
    rows = [book.open(source, 0, 0, 0.0) for source in range(6)]
    book.close([rows[4], rows[1], rows[3]])
    sources, starts = np.array([10, 11]), np.zeros(2, np.uint64)
    again = book.open_all(sources, starts, np.zeros(2, np.int32), 1.0)
    assert again.tolist() == [rows[1], rows[3]]
    assert book.open(12, 0, 0, 1.0) == rows[4]
    assert book.open(13, 0, 0, 1.0) == len(rows) + 1


def test_a_row_that_is_used_again_says_nothing_of_before() -> None:
    """Every column of it is empty, and whose it was is not."""
    book = Histograms((1.0,))
    book.keep_times()
    row = book.open(3, 7, 2, 9.0)
    for name, _ in book.columns:
        if name not in {"sources", "series", "starts"}:
            getattr(book, name)[row] = 1
    book.close([row])
    assert book.open_all(np.array([5]), np.array([8], np.uint64), np.array([4]), 6.0) == [row]
    found = {name: getattr(book, name)[row].tolist() for name, _ in book.columns}
    expected = {"sources": 5, "starts": 8, "series": 4, "seen": 6.0}
    assert {name: value for name, value in found.items() if np.any(value)} == expected


def test_times_are_kept_to_the_nanosecond_where_somebody_asks() -> None:
    """A double would round those of this century; a book that nobody asks keeps none."""
    book, plain = Totals(), Totals()
    book.keep_times()
    newest = 2**60 + 255
    for one in (book, plain):
        row = one.open(0, newest, 0, 0.0)
        one.tell(np.array([row, row]), np.array([newest, newest - 1], np.uint64))
        times = np.zeros(1, np.uint64)
        one.newest(times)
        assert times.tolist() == [newest if one is book else 0]
        assert one.find(0, newest) == row
        starts = np.full(1, NEVER, np.uint64)
        one.earliest(starts)
        assert starts.tolist() == [newest]


def test_a_share_remembers_the_newest_of_those_in_it() -> None:
    """Its start, its time, and when it was heard, in whatever order they come."""
    for order in ((1, 2), (2, 1)):
        book = Totals()
        book.keep_times()
        for source in order:
            row = book.open(source, source, 0, 10.0 + source)
            book.record(np.array([row]), np.array([source]), unique=True)
            book.tell(np.array([row]), np.array([20 + source], np.uint64))
            mask = np.zeros(3, np.bool_)
            mask[source] = True
            book.retire(mask, {})
        share = book.retired(0, 99.0)
        assert (book.starts[share], book.told is not None and book.told[share]) == (2, 22)
        assert book.seen[share] == 10.0 + order[0]


def test_a_row_that_said_nothing_leaves_nothing() -> None:
    """A series whose only source never spoke has no share."""
    book = Totals()
    book.open(0, 1, 0, 0.0)
    book.retire(np.array([True]), {})
    assert (len(book), book.is_heir(0)) == (0, False)


def test_shares_are_pooled_and_know_their_newest_life() -> None:
    """One series' share goes into another's, which need not have one; where none is, none comes."""
    book = Totals()
    for source, start in ((0, 5), (1, 3)):
        row = book.open(source, start, source, 0.0)
        book.record(np.array([row]), np.array([10 + source]), unique=True)
    book.retire(np.array([True, True]), {})
    assert len(book) == 2
    book.pool(7, 2, Merge.SUM)
    assert (len(book), book.pooled) == (2, 0)
    book.pool(0, 2, Merge.SUM)
    book.pool(1, 2, Merge.SUM)
    assert (len(book), book.pooled) == (1, 5)
    assert [book.is_heir(series) for series in range(3)] == [False, False, True]
    _, series, ints, _ = book.contributions()
    assert (series.tolist(), ints.tolist()) == ([2], [21])


def test_a_copy_stays_as_it_is() -> None:
    """Whatever is written afterwards, and however much the book grows."""
    book = Histograms((1.0,))
    row = book.open(0, 1, 0, 2.0)
    book.intervals.admit(row, (1, 2))
    copy = book.copied()
    book.touch(np.array([row]), 9.0)
    book.intervals.admit(row, (3, 4))
    book.open(1, 1, 0, 2.0)
    assert (copy.used(), copy.seen[row], len(copy.seen)) == ([row], 2.0, row + 1)
    assert copy.intervals is not None
    assert copy.intervals.told(row) == ([(1, 2)], 0)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], True),
        ([3], True),
        ([1, 2, 5], True),
        ([5, 1, 2], True),
        ([1, 1], False),
        ([1, 3, 3], False),
        ([1, 3, 2], True),
        ([2, 1, 2], False),
    ],
)
def test_numbers_differ_in_any_order(numbers: list[int], *, expected: bool) -> None:
    """Ascending ones are seen at once, the others are sorted."""
    assert differ(np.array(numbers, np.intp)) is expected


def test_rows_that_lie_together_are_rows_like_others() -> None:
    """As a slice or one by one."""
    chosen = np.array([True, False, True])
    for rows in (slice(3, 6), np.array([3, 4, 5])):
        assert list(each_of(rows)) == [3, 4, 5]
        assert some_of(rows, chosen).tolist() == [3, 5]


def rows_of(owners: Owners, sources: Sequence[int], book: int) -> list[int]:
    """The rows of sources in a book."""
    return owners.rows(np.array(sources, np.intp), book).tolist()


def test_the_table_of_owners() -> None:
    """A source has one row in one book; who asks for another book, or for nobody, gets none."""
    owners = Owners()
    first, second = owners.join(), owners.join()
    assert first != second
    assert 0 not in {first, second}  # what is not noted is noted for book 0
    assert owners.claim(0, first, 7)
    assert not owners.claim(0, second, 8)
    assert not owners.claim(0, first, 8)
    owners.claim_all(np.array([63, 64, 300]), second, np.array([1, 2, 3]))
    assert rows_of(owners, [300, 0, -1, 63, 64, 5], second) == [3, 0, 0, 1, 2, 0]
    assert rows_of(owners, [0, -1, 300], first) == [7, 0, 0]
    assert [owners.row(source, first) for source in (0, 63, 1000)] == [7, 0, 0]
    assert owners.row(63, second) == 1
    assert owners.is_free(np.array([0, 1, 63, 900])).tolist() == [False, True, False, True]
    owners.clear(0)
    assert owners.row(0, first) == 0
    assert rows_of(owners, [0], first) == [0]
    assert owners.claim(0, second, 4)
    assert rows_of(owners, [], first) == []
    assert owners.is_free(np.array([], np.intp)).tolist() == []


def test_a_source_costs_eight_bytes_where_its_row_is_noted() -> None:
    """The table doubles when a source lies beyond it, and not before."""
    owners = Owners()
    sizes = []
    for source in (63, 64, 129, 130):
        owners.claim(source, 1, 1)
        sizes.append(owners._rows.nbytes + owners._books.nbytes)
    assert sizes == [8 * 64, 8 * 130, 8 * 130, 8 * 262]
    assert [owners.row(source, 1) for source in (63, 64, 129, 130)] == [1] * 4
