"""Lives of counters: read in any order, folded, retired and pooled, their sum is what was said."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ledger.columns import BIN
from collector.ledger.deltas import REMEMBERED, Deltas, Intervals
from collector.ledger.latest import Latest
from collector.ledger.ledger import Ledger
from collector.ledger.readout import Share, read
from collector.ledger.totals import Totals
from collector.model import Kind, Merge, Temporality

if TYPE_CHECKING:
    from collector.ledger.scalars import Scalars

SOURCES = 4
SERIES = 2
"""Of source n that of number n % 2."""


def value(ledger: Ledger, size: int = SERIES) -> list[float]:
    """What each series reads."""
    numbers = read([Share(ledger, np.arange(size))], size, {}).numbers
    return [float(number) for number in numbers]


readings = st.lists(
    st.tuples(
        st.integers(0, SOURCES - 1),
        st.integers(1, 3),
        st.one_of(st.integers(0, 2**40), st.floats(0, 1e6)),
    ),
    max_size=5,
)
steps = st.one_of(
    st.tuples(st.just("read"), readings, st.booleans()),
    st.tuples(st.just("fold"), st.integers(0, 12)),
)


@given(st.lists(steps, max_size=10))
@settings(max_examples=120)
def test_a_counter_is_the_sum_of_the_largest_of_each_life(many: list[tuple[Any, ...]]) -> None:
    """However lives are read and folded, and when their sources are retired in the end."""
    ledger = Ledger(1000)
    book = ledger.totals
    largest: dict[tuple[int, int], Fraction] = {}
    for now, (what, told, *together) in enumerate(many):
        if what == "fold":
            ledger.fold(float(told))
            continue
        column = [one for one in told if not book.is_closed(*one[:2])]
        for form in (int, float):
            own = [one for one in column if isinstance(one[2], form)]
            rows = []
            for source, start, number in own:
                found = book.find(source, start)
                rows.append(
                    book.open(source, start, source % SERIES, now) if found is None else found
                )
                life = source, start
                largest[life] = max(largest.get(life, Fraction(0)), Fraction(number))
            batches = [(rows, own)] if together[0] else [([r], [o]) for r, o in zip(rows, own)]
            for some, those in batches:
                values = np.array([one[2] for one in those], form)
                unique = len(set(some)) == len(some)
                where = np.array(some, np.intp)
                book.touch(where, float(now))
                book.record(where, values, unique=unique)
    truth = [
        float(sum((n for (s, _), n in largest.items() if s % SERIES == at), Fraction(0)))
        for at in range(SERIES)
    ]
    assert value(ledger) == truth
    ledger.retire(np.ones(SOURCES, np.bool_), {})
    assert value(ledger) == truth
    assert ledger.rows == len({source % SERIES for source, _ in largest})


def test_rows_that_lie_together_are_written_in_place() -> None:
    """As a slice, in both forms; the larger stands."""
    book = Totals()
    rows = [book.open(source, 1, source, 0.0) for source in range(3)]
    together = slice(rows[0], rows[-1] + 1)
    book.record(together, np.array([5, 2**60 + 1, 7]), unique=True)
    book.record(together, np.array([4, 2**60, 9]), unique=True)
    assert book.ints[together].tolist() == [5, 2**60 + 1, 9]
    book.record(together, np.array([0.5, 2.5, 9.5]), unique=True)
    assert book.floats[together].tolist() == [0.5, 2.5, 9.5]
    assert book.present[together].all()
    _, series, ints, floats = book.contributions()
    assert (series.tolist(), ints.tolist(), floats.tolist()) == (
        [0, 1, 2],
        [5, 2**60 + 1, 0],
        [0.0, 0.0, 9.5],
    )


@pytest.mark.parametrize("number", [9, 9.5])
def test_of_two_forms_the_larger_counts_through_everything(number: float) -> None:
    """Carried over to the next life and to a share, a life counts once."""
    book = Totals()
    old = book.open(0, 1, 0, 0.0)
    new = book.open(0, 2, 0, 5.0)
    for form in (4, 4.5, number):
        book.record(np.array([old]), np.array([form]), unique=True)
    book.record(np.array([new]), np.array([1]), unique=True)
    book.fold(1.0)
    book.retire(np.array([True]), {})
    _, _, ints, floats = book.contributions()
    assert ints.sum() + floats.sum() == number + 1


@pytest.mark.parametrize(
    ("merge", "numbers", "expected"),
    [
        (Merge.MAX, (5, 9, 7), 9),
        (Merge.MAX, (9, 5, 7), 9),
        (Merge.MAX, (0.5, 2**53 + 2, 3), 2**53 + 2),
        (Merge.MIN, (5, 9, 7), 5),
        (Merge.MIN, (9, 5, 7), 5),
        (Merge.MIN, (9, 7.5, 8), 7.5),
        (Merge.SUM, (5, 9.5, 7), 21.5),
    ],
)
def test_a_share_is_what_the_rule_says(
    merge: Merge, numbers: tuple[float, ...], expected: float
) -> None:
    """Of a sum all, otherwise the one that wins, whoever leaves first; nothing of the others."""
    ledger = Ledger(10)
    merges = {} if merge is Merge.SUM else {3: merge}
    for source, number in enumerate(numbers):
        row = ledger.totals.open(source, 1, 3, 0.0)
        ledger.totals.record(np.array([row]), np.array([number]), unique=True)
    for source in range(len(numbers)):
        mask = np.zeros(len(numbers), np.bool_)
        mask[source] = True
        ledger.retire(mask, merges)
    assert value(ledger, 4)[3] == expected
    assert ledger.is_heir(3)
    assert not ledger.is_heir(0)


def test_what_wins_takes_its_base_with_it() -> None:
    """A life that another one was folded into is worth both; an equal one changes nothing."""
    ledger = Ledger(10)
    book = ledger.totals
    for source, parts in enumerate(((4, 0.25), (4, 0.25), (4, 0))):
        old, new = (book.open(source, start, 0, float(start)) for start in (1, 2))
        book.record(np.array([old]), np.array([parts[0]]), unique=True)
        book.record(np.array([new]), np.array([parts[1]]), unique=True)
    book.fold(2.0)
    for source in range(3):
        mask = np.zeros(3, np.bool_)
        mask[source] = True
        ledger.retire(mask, {0: Merge.MAX})
    assert value(ledger, 1) == [4.25]


def test_what_loses_leaves_nothing_behind() -> None:
    """Neither its base nor what that could not hold; doubles decide where integers are equal."""
    ledger = Ledger(10)
    book = ledger.totals
    for source, parts in enumerate(((1.5, 1.5), (1.0, 2.5))):
        old, new = (book.open(source, start, 0, float(start)) for start in (1, 2))
        book.record(np.array([old, new]), np.array(parts), unique=True)
    book.fold(2.0)
    for source in range(2):
        ledger.retire(np.arange(2) == source, {0: Merge.MAX})
    assert value(ledger, 1) == [3.5]
    share = book.retired(0, 0.0)
    assert (len(book), sum(book.base(share)), book.base_ints[share]) == (1, 3.5, 0)


def test_a_start_that_is_not_told_is_told_by_a_number_that_falls() -> None:
    """One that is said again is the same life, also of one moment; 0 is a restart like others."""
    book = Totals()
    row = book.open(0, 0, 0, 0.0)
    for time, number, expected in (
        (1, 5, 5),
        (2, 5, 5),
        (2, 6, 6),
        (3, 6, 6),
        (4, 0, 6),
        (5, 2, 8),
    ):
        book.record_unknown(np.array([row]), np.array([number]), np.array([time], np.uint64))
        assert shown(book) == {0: expected}


def test_a_row_that_is_carried_into_itself_counts_from_0() -> None:
    """In both forms; its base has what it counted."""
    book = Totals()
    row = book.open(0, 0, 0, 0.0)
    book.record(np.array([row]), np.array([7.5]), unique=True)
    book.carry(row, row)
    assert (book.ints[row], book.floats[row], sum(book.base(row))) == (0, 0, 7.5)


def test_who_returns_with_doubles_counts_from_there() -> None:
    """Its first reading is taken off, whatever its form."""
    book = Totals()
    first = book.open(0, 4, 0, 0.0)
    book.record(np.array([first]), np.array([7.5]), unique=True)
    book.retire(np.array([True]), {})
    again = book.open(0, 4, 0, 0.0)
    for number in (9.25, 9.75):
        book.record(np.array([again]), np.array([number]), unique=True)
    _, _, ints, floats = book.contributions()
    assert ints.sum() + floats.sum() == 8.0


def test_folding_one_life_frees_rows() -> None:
    """Who remembers rows hears of it, and of nothing else."""
    ledger = Ledger(10)
    ledger.fold(9.0)
    assert ledger.freed == 0
    for start in (1, 2):
        row = ledger.totals.open(0, start, 0, 0.0)
        ledger.totals.record(np.array([row]), np.array([start]), unique=True)
    ledger.fold(9.0)
    assert (ledger.freed, value(ledger, 1)) == (1, [3])


def test_integers_stay_integers_beside_a_base_of_doubles() -> None:
    """As doubles they would be rounded before they are summed."""
    book = Totals()
    old, new = (book.open(0, start, 0, float(start)) for start in (1, 2))
    book.record(np.array([old]), np.array([0.5]), unique=True)
    book.record(np.array([new]), np.array([2**60 + 1]), unique=True)
    book.fold(2.0)
    _, _, ints, floats = book.contributions()
    assert (ints.dtype, ints.tolist(), floats.sum()) == (np.int64, [2**60 + 1, 0, 0], 0.5)


def test_shares_of_a_rule_compete_when_they_are_pooled() -> None:
    """As their sources did."""
    ledger = Ledger(10)
    for source in range(2):
        row = ledger.totals.open(source, 1, source, 0.0)
        ledger.totals.record(np.array([row]), np.array([5 + source]), unique=True)
    ledger.retire(np.array([True, True]), {0: Merge.MAX, 1: Merge.MAX})
    ledger.pool(0, 1, Merge.MAX)
    assert value(ledger) == [0, 6]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_base_of_integers_goes_on_in_doubles_before_it_would_wrap(sign: int) -> None:
    """What a double cannot say of it stays an integer; nothing is lost, to either sign."""
    book = Totals()
    row = book.open(0, 0, 0, 0.0)
    gains = [2**62, 1, 2**62 + 1, 3, 2**61 + 1]
    for whole in gains:
        book.gain(row, sign * whole, 0.0)
    assert int(book.base_ints[row]) + sum(map(int, book.base(row))) == sign * sum(gains)
    assert abs(int(book.base_ints[row])) <= 2**62


def test_a_base_of_integers_stays_one_while_it_can() -> None:
    """Up to 2^62 itself; doubles are added beside it."""
    book = Totals()
    row = book.open(0, 0, 0, 0.0)
    book.gain(row, 2**62 - 1, 0.5)
    book.gain(row, 1, 0.25)
    assert (int(book.base_ints[row]), book.base(row)) == (2**62, [0.75, 0.0])


def test_a_life_that_was_closed_is_known_while_its_source_is() -> None:
    """Also what began before it; a start that is not told says nothing; copies keep it."""
    book = Totals()
    for start in (3, 6, 9):
        row = book.open(0, start, 0, float(start))
        book.record(np.array([row]), np.array([1]), unique=True)
    assert book.fold(7.0) == 2
    assert [book.is_closed(0, start) for start in (0, 1, 3, 6, 7, 9)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert (book.closed(0), book.closed(1)) == (6, 0)
    book.returned.add(1)
    copy = book.copied()
    book.close_until(0, 8)
    book.close_until(1, 0)
    book.returned.discard(1)
    assert (book.closed(0), book.closed(1), copy.closed(0), copy.returned) == (8, 0, 6, {1})


def test_only_what_is_old_enough_and_followed_is_folded() -> None:
    """The newest life stays however long it is silent, and an old one that speaks as well."""
    book = Totals()
    for source, start, seen in ((0, 1, 1.0), (0, 2, 2.0), (1, 1, 9.0), (1, 2, 2.0), (2, 1, 0.0)):
        row = book.open(source, start, source, seen)
        book.record(np.array([row]), np.array([10 * source + start]), unique=True)
    assert book.fold(5.0) == 1
    assert book.find(0, 1) is None
    assert [len(book), book.find(1, 1) is None, book.find(1, 2) is None] == [4, False, False]
    _, series, ints, _ = book.contributions()
    assert sorted(zip(series.tolist(), ints.tolist())) == [(0, 3), (1, 11), (1, 12), (2, 21)]


def test_a_life_may_be_in_what_was_pooled() -> None:
    """Nobody knows in which series' share, so it counts from its first reading on everywhere."""
    ledger = Ledger(10)
    book = ledger.totals
    for source, start in ((0, 5), (1, 2)):
        row = book.open(source, start, source, 0.0)
        book.record(np.array([row]), np.array([7]), unique=True)
    ledger.retire(np.array([True, True]), {})
    ledger.pool(0, 1, Merge.SUM)
    again = book.open_all(
        np.array([0, 1, 2]), np.array([5, 6, 4], np.uint64), np.array([0, 0, 1], np.int32), 1.0
    )
    assert book.returned == {again[0], again[2]}
    book.record(again, np.array([10, 100, 1000]), unique=True)
    assert book.returned == set()
    assert value(ledger) == [100, 14]
    book.record(again, np.array([11, 101, 1001]), unique=True)
    assert value(ledger) == [102, 15]
    book.returned.add(int(again[0]))
    book.close([int(again[0])])
    assert book.returned == set()


def test_where_nothing_was_forgotten_no_life_returns() -> None:
    """Neither one that tells no start; and what one series forgot says nothing of another."""
    book = Totals()
    assert book.open(0, 0, 0, 0.0) not in book.returned
    row = book.open(1, 4, 0, 0.0)
    book.record(np.array([row]), np.array([7]), unique=True)
    book.retire(np.array([False, True]), {})
    assert book.open(2, 0, 1, 0.0) not in book.returned
    assert book.open(3, 4, 0, 0.0) in book.returned
    assert book.open(4, 5, 0, 0.0) not in book.returned


known = st.sets(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=12)


@given(known, st.lists(st.integers(0, 5), unique=True), st.integers(1, 5), st.booleans())
def test_next_lives_open_together_as_they_do_one_by_one(
    lives: set[tuple[int, int]],
    again: list[int],
    start: int,
    pooled: bool,
) -> None:
    """Of sources with one row or more: the same rows are found, and the same lives return."""
    together, alone = Totals(), Totals()
    for book in (together, alone):
        for source in (6, 7):  # what they leave makes some of the lives return
            row = book.open(source, 2, source % 2, 0.0)
            book.record(np.array([row]), np.array([1]), unique=True)
        if pooled:
            book.retire(np.arange(8) > 5, {})
        for source, began in sorted(lives):
            book.open(source, began, source % 2, 1.0)
        book.returned.clear()
    nexts = [source for source in again if together.knows(source) and (source, start) not in lives]
    series = np.array([source % 2 for source in nexts], np.int32)
    rows = together.open_next(
        np.array(nexts, np.intp), np.full(len(nexts), start, np.uint64), series, 3.0
    )
    for source in nexts:
        alone.open(source, start, source % 2, 3.0)
    assert [together.find(source, start) for source in nexts] == rows.tolist()
    for source, began in [*lives, *((source, start) for source in nexts)]:
        found = [book.find(source, began) for book in (together, alone)]
        assert None not in found
        (own, other) = found
        for name in ("sources", "starts", "series", "seen"):
            assert getattr(together, name)[own] == getattr(alone, name)[other]
        assert (own in together.returned) == (other in alone.returned)
    together.close([row for row in together.used() if together.sources[row] >= 0])
    assert not any(together.knows(source) for source in range(8))


def test_many_lives_are_asked_whether_they_are_closed() -> None:
    """Each as by itself."""
    book = Totals()
    sources, starts = np.array([0, 0, 1, 2]), np.array([3, 4, 9, 0], np.uint64)
    assert book.are_closed(sources, starts).tolist() == [False] * 4
    book.close_until(0, 3)
    book.close_until(1, 10)
    book.close_until(2, 5)
    closed = book.are_closed(sources, starts)
    assert (closed.dtype, closed.tolist()) == (np.bool_, [True, False, True, False])


def test_intervals_are_told_and_taken_over() -> None:
    """What is remembered of increments outlives the process, in its order, and copies stay."""
    own = Intervals()
    for time in range(1, REMEMBERED + 3):
        assert own.admit(4, (time - 1, time))
    remembered, forgotten = own.told(4)
    assert (len(remembered), remembered[0], forgotten) == (REMEMBERED, (2, 3), 2)
    copy, other = own.copied(), Intervals()
    other.take(9, remembered, forgotten)
    other.take(5, [(1, 2)], 0)
    assert own.admit(4, (500, 501))
    for one, row in ((copy, 4), (other, 9)):
        assert one.told(row) == (remembered, forgotten)
    assert other.admit(9, (2, 3)) is False
    assert other.admit(9, (1, 2)) is None
    assert other.told(5) == ([(1, 2)], 0)
    assert other.admit(5, (1, 2)) is False
    assert other.admit(5, (0, 1)) is True
    assert other.told(77) == ([], 0)
    other.drop([9, 77])
    assert other.told(9) == ([], 0)


def latest(book: Latest, rows: list[int], values: list[float], times: list[int]) -> None:
    """Record readings of gauges."""
    book.record(
        np.array(rows),
        np.array(values),
        np.array(times, np.uint64),
        unique=len(set(rows)) == len(rows),
    )


def shown(book: Scalars) -> dict[int, float]:
    """What each series reads."""
    _, series, ints, floats = book.contributions()
    return {
        number: whole + double
        for number, whole, double in zip(series.tolist(), ints.tolist(), floats.tolist())
    }


points = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 6), st.one_of(st.none(), st.integers(0, 99))),
    max_size=8,
)


@given(told=points, together=st.booleans(), doubles=st.booleans())
def test_the_newest_reading_of_a_gauge_stands(
    told: list[tuple[int, int, int | None]], *, together: bool, doubles: bool
) -> None:
    """Of those with the same time the last; who says there is none is silent until a newer one."""
    book = Latest()
    rows = [book.open(source, 0, source, 0.0) for source in range(3)]
    newest: dict[int, tuple[int, int | None]] = {}
    column: list[tuple[int, int, int]] = []
    for source, time, number in told:
        if time >= newest.get(source, (0, None))[0]:
            newest[source] = time, number
        if number is not None:
            column.append((source, time, number))
        if column and (number is None or not together):
            sources, times, values = zip(*column)
            form = [value / 2 if doubles else value for value in values]
            latest(book, [rows[one] for one in sources], form, list(times))
            column = []
        if number is None:
            book.silence(np.array([rows[source]]), np.array([time], np.uint64))
    if column:
        sources, times, values = zip(*column)
        form = [value / 2 if doubles else value for value in values]
        latest(book, [rows[one] for one in sources], form, list(times))
    assert shown(book) == {
        source: number / 2 if doubles else number
        for source, (_, number) in newest.items()
        if number is not None
    }


def test_of_a_gauge_that_is_told_twice_at_once_the_newer_stands() -> None:
    """Whichever comes first; of one moment the last."""
    book = Latest()
    row = book.open(0, 0, 0, 0.0)
    latest(book, [row, row], [1.0, 2.0], [9, 5])
    assert (shown(book), book.times[row]) == ({0: 1.0}, 9)
    latest(book, [row, row, row], [3.0, 4.0, 5.0], [10, 10, 7])
    assert (shown(book), book.times[row]) == ({0: 4.0}, 10)


def test_a_gauge_is_told_in_one_form_at_a_time() -> None:
    """An integer takes the place of a double and the other way round, one by one and together."""
    book = Latest()
    rows = [book.open(source, 0, source, 0.0) for source in range(2)]
    together = slice(rows[0], rows[-1] + 1)
    times = np.array([2**60 + 255, 5], np.uint64)
    book.record(together, np.array([0.5, 1.5]), times, unique=True)
    book.record(together, np.array([2**60 + 1, 3]), times, unique=True)
    assert (book.ints[together].tolist(), book.floats[together].tolist()) == (
        [2**60 + 1, 3],
        [0, 0],
    )
    book.record(together, np.array([0.5, 2.5]), times - np.uint64(1), unique=False)
    assert book.ints[together].tolist() == [2**60 + 1, 3]
    book.record(together, np.array([0.5, 2.5]), times + np.array([0, 1], np.uint64), unique=False)
    assert (book.ints[together].tolist(), book.floats[together].tolist()) == ([0, 0], [0.5, 2.5])
    assert book.times[together].tolist() == [2**60 + 255, 6]
    book.silence(np.array(rows), np.array([2**60 + 254, 6], np.uint64))
    assert shown(book) == {0: 0.5}
    assert (book.ints[rows[1]], book.floats[rows[1]]) == (0, 0)
    silent = [2**60 + 300, 2**60 + 256]
    book.silence(np.array([rows[0], rows[0]]), np.array(silent, np.uint64))
    assert book.times[rows[0]] == silent[0]


def test_increments_that_are_retired_stay_in_their_series() -> None:
    """With all that they were, and the row of the source forgets which they were."""
    ledger = Ledger(10)
    book = ledger.deltas
    for source in range(2):
        row = book.open(source, 0, 0, 0.0)
        values = np.array([1.5, 2.0]) if source else np.array([3, 4])
        zeros, times = np.zeros(2, np.uint64), np.array([1, 2], np.uint64)
        assert book.record(np.array([row, row]), values, zeros, times) == 0
    ledger.retire(np.array([True, True]), {})
    assert (value(ledger, 1), ledger.rows) == ([10.5], 1)
    row = book.open(0, 0, 0, 0.0)
    assert book.intervals.told(row) == ([], 0)


def test_a_number_that_must_not_count_is_seen_by_nobody() -> None:
    """The bin takes what it is given, of every book."""
    ledger = Ledger(10, timed=True)
    rows = np.array([BIN, BIN])
    times = np.array([5, 6], np.uint64)
    ledger.totals.record(rows, np.array([1, 2]), unique=False)
    ledger.latest.record(rows, np.array([1, 2]), times, unique=False)
    ledger.deltas.record(rows, np.array([1, 2]), times, times)
    for kind in (Kind.COUNTER, Kind.GAUGE):
        book = ledger.book(kind, Temporality.CUMULATIVE, ())
        book.tell(rows, times)
        assert book.spoken().tolist() == []
    assert isinstance(ledger.book(Kind.COUNTER, Temporality.DELTA, ()), Deltas)
    assert [one.tolist() for one in ledger.contributions()] == [[], [], [], []]
    assert ledger.told(1).tolist() == [0]
