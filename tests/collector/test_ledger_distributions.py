"""Books of distributions by themselves: count, sum and how values lie go together, everywhere.

Every point is three counts, of values below, at and above zero, and each book tells these in its
own form; what a series should say is added up here by hand.
"""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ledger.columns import BIN
from collector.ledger.distributions import counts_of
from collector.ledger.exponentials import Exponentials
from collector.ledger.histograms import Histograms
from collector.ledger.summaries import Summaries
from collector.reading import Grid, Reading, SummaryReading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.ledger.distributions import Distributions

KINDS = ("explicit", "exponential", "summary")
ADDED = ("explicit", "exponential")
"""Kinds whose points can be increments."""
ALL = np.ones(9, np.bool_)

Counts = tuple[int, int, int]
DOUBLE = Grid(0, 0.5, range(1, 2), range(2, 3))
FINE = Grid(1, 0.5, range(2, 4), range(4, 5))
"""What lies in its first positive bucket lies in that of DOUBLE, and so do the negative ones."""


def book_of(kind: str) -> Distributions:
    """An empty book."""
    if kind == "explicit":
        return Histograms((-1.0, 1.0))
    return Exponentials() if kind == "exponential" else Summaries()


class Point(NamedTuple):
    """A point: its row, what it counted, its sum, and when."""

    row: int
    counts: Counts
    sum: float = 0.0
    time: int = 0
    start: int = 0


def reading(kind: str, points: Sequence[Point]) -> Reading:
    """Points as the wire's reader gives them."""
    several = [point.counts for point in points]
    buckets = np.array(several, np.int64).reshape(-1, 3)
    made = Reading(
        np.array([point.sum for point in points], np.float64),
        np.array([point.time for point in points], np.uint64),
        np.array([point.start for point in points], np.uint64),
        buckets.sum(axis=1),
    )
    if kind == "explicit":
        return made._replace(buckets=buckets, bounds=(-1.0, 1.0))
    if kind == "summary":
        return made._replace(quantiles=buckets.astype(np.float64), bounds=(0.1, 0.5, 0.9))
    fine = [at % 2 for at in range(len(points))]
    vectors = [
        (zero, above, 0, below) if is_fine else (zero, above, below, 0)
        for (below, zero, above), is_fine in zip(several, fine)
    ]
    grids = [FINE if is_fine else DOUBLE for is_fine in fine]
    return made._replace(buckets=np.array(vectors, np.int64).reshape(-1, 4), grids=grids)


def record(book: Distributions, kind: str, points: Sequence[Point], *, unique: bool = True) -> None:
    """Record cumulative points of lives whose start is known."""
    rows = np.array([point.row for point in points], np.intp)
    book.record(rows, reading(kind, points), unique=unique)


def unknown(book: Distributions, kind: str, points: Sequence[Point]) -> None:
    """Record cumulative points of lives that do not tell their start."""
    book.record_unknown(np.array([point.row for point in points]), reading(kind, points))


def add(book: Distributions, kind: str, points: Sequence[Point]) -> int:
    """Record increments; how many were too late."""
    return book.record_deltas(np.array([point.row for point in points]), reading(kind, points))


def said(book: Distributions) -> dict[int, tuple[Counts | None, int, float]]:
    """What each series says: how values lie where they can be added, their count, their sum."""
    found: dict[int, tuple[Counts | None, int, float]] = {}
    if isinstance(book, Histograms):
        table = book.table()
        assert table.bounds == book.bounds
        for at, line in enumerate(table.lines.tolist()):
            told = table[at]
            below, to_one = told.cumulated
            found[line] = (below, to_one - below, told.count - to_one), told.count, told.sum
    elif isinstance(book, Exponentials):
        for line, told in book.by_series(ALL):
            assert told.native is not None
            native = told.native()
            assert native.scale in {0, 1}
            assert set(native.positive) <= ({1} if native.scale == 0 else {2})
            assert set(native.negative) <= ({2} if native.scale == 0 else {4})
            lie = sum(native.negative.values()), native.zeros, sum(native.positive.values())
            found[line] = lie, told.count, told.sum
    elif isinstance(book, Summaries):
        for line, summary in book.by_series(ALL):
            found[line] = None, summary.count, summary.sum
    return found


def should(kind: str, points: dict[int, list[tuple[Counts, float]]]) -> dict[int, Any]:
    """The same, of points added up."""
    expected = {}
    for series, own in points.items():
        below, zero, above = (sum(column) for column in zip(*[counts for counts, _ in own]))
        lie = None if kind == "summary" else (below, zero, above)
        total = sum((Fraction(one) for _, one in own), Fraction(0))
        expected[series] = lie, below + zero + above, float(total)
    return expected


counts = st.tuples(*[st.integers(0, 9)] * 3)
sums = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.1, 0.2, 1e16]))
columns = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), counts, sums), max_size=5)
steps = st.one_of(
    st.tuples(st.just("read"), columns, st.booleans()),
    st.tuples(st.just("fold"), st.integers(0, 9)),
    st.tuples(st.just("retire"), st.integers(0, 3)),
)


@pytest.mark.parametrize("kind", KINDS)
@given(many=st.lists(steps, max_size=9))
@settings(max_examples=60)
def test_lives_add_up_through_folding_and_retiring(kind: str, many: list[tuple[Any, ...]]) -> None:
    """Each life counts once, with the largest count that it told, and also when it is gone."""
    book = book_of(kind)
    lives: dict[tuple[int, int], tuple[Counts, float]] = {}
    gone: set[int] = set()
    for now, (what, told, *one_by_one) in enumerate(many):
        if what == "fold":
            book.fold(float(told))
        elif what == "retire":
            mask = np.arange(4) == told
            gone.add(told)
            book.retire(mask, {})
        else:
            points = []
            for source, start, lie, total in told:
                if source in gone or book.is_closed(source, start):
                    continue
                row = book.find(source, start)
                if row is None:
                    row = book.open(source, start, source % 2, float(now))
                points.append(Point(row, lie, total))
                before = lives.get((source, start), ((0, 0, 0), 0.0))
                if sum(lie) >= sum(before[0]):
                    before = lie, total
                lives[source, start] = before
            if book.returned:  # what may have been here before is tested by itself
                return
            for some in [[one] for one in points] if one_by_one[0] else [points]:
                rows = [one.row for one in some]
                book.touch(np.array(rows, np.intp), float(now))
                record(book, kind, some, unique=len(set(rows)) == len(rows))
        by_series: dict[int, list[tuple[Counts, float]]] = defaultdict(list)
        for (source, _), one in lives.items():
            by_series[source % 2].append(one)
        assert said(book) == should(kind, by_series)


@pytest.mark.parametrize("kind", KINDS)
def test_points_that_lie_together_are_written_in_place(kind: str) -> None:
    """As a slice; who tells less than before is not heard, the others are."""
    book = book_of(kind)
    rows = [book.open(source, 1, source, 0.0) for source in range(3)]
    together = slice(rows[0], rows[-1] + 1)
    first = [Point(row, (1, row, 3), 0.5) for row in rows]
    book.record(together, reading(kind, first), unique=True)
    again = [Point(row, (2, row if row != rows[1] else 0, 3), 1.5) for row in rows]
    book.record(together, reading(kind, again), unique=True)
    heard = {0: again[0], 1: first[1], 2: again[2]}
    assert said(book) == should(kind, {at: [one[1:3]] for at, one in heard.items()})
    book.record(
        np.array(rows), reading(kind, [one._replace(sum=9.0) for one in first]), unique=True
    )
    heard[1] = first[1]._replace(sum=9.0)
    assert said(book) == should(kind, {at: [one[1:3]] for at, one in heard.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_stands_twice_keeps_the_larger_count(kind: str) -> None:
    """Whichever comes last; of equal ones the later. Both have the bin beside them."""
    book = book_of(kind)
    row = book.open(0, 1, 0, 0.0)
    record(
        book,
        kind,
        [Point(BIN, (9, 9, 9)), Point(row, (1, 2, 3), 4.0), Point(row, (1, 0, 3), 5.0)],
        unique=False,
    )
    assert said(book) == should(kind, {0: [((1, 2, 3), 4.0)]})
    record(book, kind, [Point(row, (3, 2, 1), 7.0), Point(BIN, (9, 9, 9))], unique=False)
    assert said(book) == should(kind, {0: [((3, 2, 1), 7.0)]})


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_start_only_what_is_newer_and_less_is_a_restart(kind: str) -> None:
    """Late is late, of one moment the larger stands; a column goes on behind what is left out."""
    book = book_of(kind)
    rows = [book.open(source, 0, source, 0.0) for source in range(2)]
    newest = 2**60 + 255
    unknown(book, kind, [Point(rows[0], (1, 2, 3), 0.1, newest), Point(rows[1], (5, 0, 0), 5.0, 4)])
    unknown(
        book,
        kind,
        [
            Point(BIN, (9, 9, 9), 9.0, newest),
            Point(rows[0], (9, 9, 9), 9.0, newest - 1),
            Point(rows[0], (0, 2, 3), 9.0, newest),
            Point(rows[1], (0, 4, 0), 4.0, 5),
        ],
    )
    once = {0: [((1, 2, 3), 0.1)], 1: [((5, 0, 0), 5.0), ((0, 4, 0), 4.0)]}
    assert said(book) == should(kind, once)
    assert not book.present[BIN]
    unknown(book, kind, [Point(rows[0], (2, 2, 3), 0.2, newest)])
    unknown(book, kind, [Point(rows[0], (2, 2, 4), 0.3, newest + 1)])
    unknown(book, kind, [Point(rows[0], (1, 0, 0), 0.4, newest + 2)])
    assert said(book) == should(kind, once | {0: [((2, 2, 4), 0.3), ((1, 0, 0), 0.4)]})
    assert book.times[rows[0]] == newest + 2
    for time in (newest + 2, newest + 3):  # said again, it is the same life
        unknown(book, kind, [Point(rows[0], (1, 0, 0), 0.4, time)])
    unknown(book, kind, [Point(rows[0], (1, 1, 0), 0.5, newest + 3)])
    assert said(book) == should(kind, once | {0: [((2, 2, 4), 0.3), ((1, 1, 0), 0.5)]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_carried_begins_at_0(kind: str) -> None:
    """Into itself as into another, one after the other; also one that said nothing."""
    book: Any = book_of(kind)
    row = book.open(0, 0, 0, 0.0)
    book.carry(row, row)
    parts = [((1, 0, 2), 0.5), ((0, 3, 1), 0.25)]
    for lie, total in parts:
        record(book, kind, [Point(row, lie, total)])
        book.carry(row, row)
        assert (book.counts[row], book.sums[row]) == (0, 0.0)
        assert row not in getattr(book, "told_by_row", {})
        if kind == "explicit":
            assert book.buckets[row].tolist() == [0, 0, 0]
    expected = should(kind, {0: [*parts, ((0, 0, 0), 0.0)]})
    assert said(book)[0][1:] == expected[0][1:]
    if kind in ADDED:
        assert said(book) == expected


@pytest.mark.parametrize("kind", ADDED)
def test_increments_are_added_once_each(kind: str) -> None:
    """Twice in a column, beside the bin, and again as a retry; what is too late is told."""
    book = book_of(kind)
    rows = [book.open(source, 0, source, 0.0) for source in range(2)]
    book.open(2, 0, 2, 0.0)
    points = [
        Point(BIN, (9, 9, 9), 9.0, 1),
        Point(rows[0], (1, 2, 3), 0.1, 1),
        Point(rows[0], (1, 0, 0), 0.2, 2, 1),
        Point(rows[1], (0, 0, 5), 1.5, 2),
        Point(rows[0], (1, 2, 3), 0.1, 1),
    ]
    assert add(book, kind, points) == 0
    assert add(book, kind, points) == 0
    expected = {0: [points[1][1:3], points[2][1:3]], 1: [points[3][1:3]]}
    assert said(book) == should(kind, expected)
    book.intervals.take(rows[1], [], 50)
    assert (
        add(book, kind, [Point(rows[1], (1, 0, 0), 1.0, 50), Point(rows[1], (1, 1, 1), 3.0, 51)])
        == 1
    )
    expected[1].append(((1, 1, 1), 3.0))
    assert said(book) == should(kind, expected)
    book.close(rows)
    assert book.intervals.told(rows[0]) == ([], 0)
    assert said(book) == {}


@pytest.mark.parametrize("kind", ADDED)
def test_increments_count_whoever_returns(kind: str) -> None:
    """They say what is new by themselves."""
    book = book_of(kind)
    row = book.open(0, 0, 0, 0.0)
    other = book.open(1, 0, 1, 0.0)
    book.returned = {row, other}
    add(book, kind, [Point(row, (1, 2, 3), 0.5, 1)])
    assert book.returned == {other}
    assert said(book) == should(kind, {0: [((1, 2, 3), 0.5)]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [0, 5])
def test_who_returns_counts_from_its_first_reading_on(kind: str, start: int) -> None:
    """What it told then is in the share already, in count, sum and buckets; what follows is not."""
    book = book_of(kind)
    row = book.open(0, 5, 0, 0.0)
    record(book, kind, [Point(row, (1, 2, 3), 0.1)])
    book.retire(np.array([True]), {})
    assert said(book) == should(kind, {0: [((1, 2, 3), 0.1)]})
    row = book.open(0, start, 0, 0.0)
    assert book.returned == {row}
    for at, (lie, total) in enumerate((((2, 2, 3), 0.5), ((2, 4, 3), 1.5))):
        point = Point(row, lie, total, at + 1)
        if start:
            record(book, kind, [point])
        else:
            unknown(book, kind, [point])
        assert book.returned == set()
        more = ((0, 2 * at, 0), 1.0 * at)
        assert said(book) == should(kind, {0: [((1, 2, 3), 0.1), more]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_base_goes_with_its_row(kind: str) -> None:
    """What a life took over is carried into the next, and from there into the share, in full."""
    book = book_of(kind)
    parts = [((1, 0, 2), 0.1), ((0, 3, 1), 0.2), ((4, 1, 0), 0.3)]
    for start, (lie, total) in enumerate(parts, 1):
        row = book.open(0, start, 0, float(start))
        record(book, kind, [Point(row, lie, total)])
        assert book.fold(float(start)) == (start > 1)
    assert len(book) == 1
    expected = should(kind, {0: parts})
    assert said(book) == expected
    sources, series, counted = book.counted_rows()
    assert (sources.tolist(), series.tolist(), counted.tolist()) == ([0], [0], [12])
    book.retire(np.array([True]), {})
    assert said(book) == expected
    _, _, counted = book.counted_rows()
    assert (book.counts.any(), counted.tolist()) == (False, [12])


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_a_distribution_stays_as_it_is(kind: str) -> None:
    """While the book goes on, as while a state is written."""
    book = book_of(kind)
    rows = [book.open(0, start, 0, float(start)) for start in (1, 2, 3)]
    for row in rows:
        record(book, kind, [Point(row, (1, 2, 3), 0.1)])
    book.fold(2.0)
    before, copy = said(book), book.copied()
    record(book, kind, [Point(rows[1], (9, 9, 9), 99.0)])
    book.fold(9.0)
    book.retire(np.array([True]), {})
    assert said(copy) == before == should(kind, {0: [((1, 2, 3), 0.1)] * 3})
    assert copy.closed(0) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_shown_is_read(kind: str) -> None:
    """And what says nothing is not there."""
    book = book_of(kind)
    rows = [book.open(source, 1, source, 0.0) for source in range(3)]
    assert said(book) == {}
    record(book, kind, [Point(rows[1], (1, 0, 0), 1.0), Point(rows[2], (2, 0, 0), 2.0)])
    assert set(said(book)) == {1, 2}
    if not isinstance(book, Histograms):
        shown = np.array([True, False, True])
        assert [(line, told.count) for line, told in book.by_series(shown)] == [(2, 2)]  # type: ignore[attr-defined]
    book.close([rows[1]])
    assert set(said(book)) == {2}
    again = book.open(1, 1, 5, 0.0)
    record(book, kind, [Point(again, (1, 0, 0), 1.0)])
    assert set(said(book)) == {2, 5}


def test_groups_follow_rows_that_come_back_to_another_series() -> None:
    """The rows that speak may be the same ones while their series are not."""
    book = book_of("explicit")
    rows = [book.open(source, 1, source, 0.0) for source in range(2)]
    for series in (1, 0):
        record(book, "explicit", [Point(row, (1, 0, 0), 1.0) for row in rows])
        assert book.groups() is book.groups()
        assert {at: count for at, (_, count, _) in said(book).items()} == (
            {0: 1, 1: 1} if series else {0: 2}
        )
        if series:
            book.close([rows[1]])
            assert book.open(7, 1, 0, 0.0) == rows[1]


def test_rows_of_a_series_need_not_lie_together() -> None:
    """Any order of rows and series gives the same groups."""
    shuffled = random.Random(5)
    for _ in range(20):
        book = book_of("explicit")
        numbers = [shuffled.randrange(4) for _ in range(8)]
        rows = [book.open(source, 1, series, 0.0) for source, series in enumerate(numbers)]
        silent = set(shuffled.sample(rows, 2))
        loud = [row for row in rows if row not in silent]
        record(book, "explicit", [Point(row, (row, 1, 0), float(row)) for row in loud])
        groups = book.groups()
        expected: dict[int, list[int]] = defaultdict(list)
        for row, series in zip(rows, numbers):
            if row in loud:
                expected[series].append(row)
        assert dict(groups.fed()) == expected
        by_hand = {at: [((row, 1, 0), float(row)) for row in own] for at, own in expected.items()}
        assert said(book) == should("explicit", by_hand)
        lie_together = groups.ordered.tolist() == list(range(loud[0], loud[-1] + 1))
        assert isinstance(groups.chosen, slice) == lie_together


def test_a_summary_has_quantiles_while_one_source_feeds_it() -> None:
    """Those of its newest life; a second source, or a share, takes them away."""
    book = Summaries()

    def quantiles() -> SummaryReading:
        ((_, told),) = book.by_series(ALL)
        return told

    rows = [book.open(0, start, 0, float(start)) for start in (2**60 + 1, 2**60)]
    record(book, "summary", [Point(rows[0], (1, 2, 3), 0.5), Point(rows[1], (7, 8, 9), 0.25)])
    assert quantiles() == SummaryReading([(0.1, 1.0), (0.5, 2.0), (0.9, 3.0)], 30, 0.75)
    other = book.open(1, 1, 0, 0.0)
    record(book, "summary", [Point(BIN, (1, 1, 1)), Point(other, (1, 0, 0), 1.0)])
    assert quantiles() == SummaryReading([], 31, 1.75)
    book.retire(np.array([False, True]), {})
    assert quantiles() == SummaryReading([], 31, 1.75)
    book.retire(np.array([True]), {})
    assert quantiles() == SummaryReading([], 31, 1.75)
    assert book.told_by_row == {}


def test_what_is_kept_of_rows_goes_with_them() -> None:
    """Neither the row's next owner nor the memory has it; the bin has nothing."""
    for kind in ("exponential", "summary"):
        book: Any = book_of(kind)
        rows = [book.open(0, start, 0, 0.0) for start in (1, 2)]
        record(book, kind, [Point(BIN, (1, 1, 1)), *(Point(row, (1, 0, 0), 1.0) for row in rows)])
        assert set(book.told_by_row) == set(rows)
        if kind == "exponential":
            add(book, kind, [Point(rows[0], (1, 0, 0), 1.0, 1)])
            assert set(book.added_by_row) == {rows[0]}
        book.close(rows)
        assert book.told_by_row == {}
        assert not getattr(book, "added_by_row", {})


def test_a_reading_is_kept_as_it_was() -> None:
    """The reader's columns may be written again afterwards."""
    book = Exponentials()
    row = book.open(0, 1, 0, 0.0)
    made = reading("exponential", [Point(row, (1, 2, 3), 1.0)])
    book.record(np.array([row]), made, unique=True)
    assert made.buckets is not None
    made.buckets[:] = 0
    assert said(book) == should("exponential", {0: [((1, 2, 3), 1.0)]})


@pytest.mark.parametrize(
    ("kind", "field", "message"),
    [
        ("explicit", "buckets", "a reading without buckets is no histogram"),
        ("exponential", "buckets", "a reading without grids is no exponential histogram"),
        ("exponential", "grids", "a reading without grids is no exponential histogram"),
        ("summary", "quantiles", "a reading without quantiles is no summary"),
        ("summary", "counts", "a reading of numbers is no distribution"),
    ],
)
def test_a_reading_of_another_kind_is_no_reading(kind: str, field: str, message: str) -> None:
    """Whoever gives it is told what it lacks."""
    book = book_of(kind)
    row = book.open(0, 1, 0, 0.0)
    made = reading(kind, [Point(row, (1, 2, 3), 1.0)])._replace(**{field: None})
    with pytest.raises(TypeError) as refusal:
        book.record(np.array([row]), made, unique=True)
    assert str(refusal.value) == message


def test_summaries_are_never_added() -> None:
    """OTLP has no increments of them, and no arithmetic would be true."""
    book = Summaries()
    row = book.open(0, 0, 0, 0.0)
    with pytest.raises(TypeError, match=r"^quantiles cannot be added$"):
        add(book, "summary", [Point(row, (1, 0, 0), 1.0, 1)])


def test_counts_are_read_where_they_are() -> None:
    """Every distribution has them."""
    assert counts_of(reading("summary", [Point(1, (1, 2, 3))])).tolist() == [6]
