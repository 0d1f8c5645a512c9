"""The books of counters by themselves: which readings count, and what is remembered of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from collector.ledger.columns import BIN
from collector.ledger.deltas import REMEMBERED, Deltas
from collector.ledger.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.ledger.scalars import Counts


def deltas(book: Deltas, rows: Sequence[int], values: Sequence[Any], times: Sequence[int]) -> int:
    """Record increments whose intervals begin at 0."""
    starts = np.zeros(len(rows), np.uint64)
    return book.record(np.array(rows), np.array(values), starts, np.array(times, np.uint64))


def unknown(book: Totals, rows: Sequence[int], values: Sequence[Any], times: Sequence[int]) -> None:
    """Record readings that do not tell their start."""
    book.record_unknown(np.array(rows), np.array(values), np.array(times, np.uint64))


def total(book: Counts, series: int = 0) -> float:
    """What a series adds up to."""
    _, numbers, ints, floats = book.contributions()
    return int(ints[numbers == series].sum()) + float(floats[numbers == series].sum())


def test_increments_without_a_time_are_counted_each() -> None:
    """They have no name by which a retry could be known."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    assert deltas(book, [row, row], [2, 3], [0, 0]) == 0
    assert deltas(book, [row], [2], [0]) == 0
    assert total(book) == 7


def test_readings_that_must_not_count_do_not_hide_those_behind_them() -> None:
    """The bin may stand anywhere in a column."""
    book, other = Deltas(), Totals()
    row = book.open(0, 0, 0, 0.0)
    deltas(book, [BIN, row], [5, 2], [1, 1])
    assert total(book) == 2
    row = other.open(0, 0, 0, 0.0)
    unknown(other, [BIN, row], [5, 2], [1, 1])
    assert total(other) == 2
    assert not other.present[BIN]


def test_each_increment_that_is_too_late_is_told() -> None:
    """The newest that was forgotten is too late itself; a row that is closed forgets all of it."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    for time in range(10, 10 + REMEMBERED + 2):
        assert deltas(book, [row], [1], [time]) == 0
    assert deltas(book, [row] * 4, [1] * 4, [11, 10, 12, 9]) == 3
    assert total(book) == REMEMBERED + 2
    book.close([row])
    assert book.open(1, 0, 0, 0.0) == row
    assert deltas(book, [row, row], [1, 1], [1, 10 + REMEMBERED]) == 0
    assert total(book) == 2


def test_increments_out_of_order_do_not_lower_what_is_too_late() -> None:
    """What is forgotten is remembered by the latest, in whatever order it came."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    for time in (500, 400, *range(1000, 1000 + REMEMBERED)):
        deltas(book, [row], [1], [time])
    assert deltas(book, [row], [1], [450]) == 1
    assert deltas(book, [row], [1], [501]) == 0


@pytest.mark.parametrize("value", [2**53, 2**53 + 2, 2**62, -(2**62), -(2**63)])
def test_large_increments_neither_wrap_nor_count_twice(value: int) -> None:
    """Whatever 64 bits can say is added up as an integer or as a double, to the same sign."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    for time in (1, 2, 3):
        deltas(book, [row], [value], [time])
    deltas(book, [row], [-1 if value < 0 else 1], [4])
    assert total(book) == pytest.approx(3.0 * value)


def test_many_increments_go_on_in_doubles_before_they_would_wrap() -> None:
    """Integers are exact up to 2^62, and then what they were stands in the double."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    book.ints[row] = 2**62
    deltas(book, [row], [2**53], [1])
    assert book.ints[row] == 0
    assert book.floats[row] == 2**62 + 2**53


@pytest.mark.parametrize("form", [int, float])
def test_without_a_start_only_what_is_newer_can_be_a_restart(form: type) -> None:
    """Late is late; of one moment the larger counts, and a column goes on behind what is late."""
    book = Totals()
    first, second = (book.open(source, 0, source, 0.0) for source in (0, 1))
    unknown(book, [first, second], [form(5), form(1)], [10, 10])
    unknown(book, [first, second], [form(3), form(2)], [9, 11])
    assert (total(book, 0), total(book, 1)) == (5, 2)
    unknown(book, [first], [form(4)], [10])
    assert total(book, 0) == 5
    unknown(book, [first], [form(6)], [10])
    assert total(book, 0) == 6
    unknown(book, [first], [form(2)], [11])
    assert total(book, 0) == 8


def test_a_row_that_stands_twice_keeps_the_larger() -> None:
    """Whichever comes last."""
    book = Totals()
    row = book.open(0, 1, 0, 0.0)
    book.record(np.array([row, row]), np.array([7, 3]), unique=False)
    assert total(book) == 7


def test_lives_are_folded_when_they_were_silent_for_longer() -> None:
    """Not at the very moment; what they counted stays, and that they were there is remembered."""
    book = Totals()
    old, new = book.open(0, 1, 0, 5.0), book.open(0, 2, 0, 9.0)
    book.record(np.array([old]), np.array([7]), unique=True)
    assert book.fold(5.0) == 0
    book.record(np.array([new]), np.array([1]), unique=True)
    assert book.fold(5.5) == 1
    assert (len(book), total(book)) == (1, 8)
    assert book.present[new]
    assert book.is_closed(0, 1)
    assert not book.is_closed(0, 2)
    book.close([new])
    assert not book.is_closed(0, 1)


def test_a_newest_life_that_says_nothing_yet_shows_what_it_took_over() -> None:
    """Or the counter would vanish for a moment."""
    book = Totals()
    old = book.open(0, 1, 0, 1.0)
    book.open(0, 2, 0, 9.0)
    book.record(np.array([old]), np.array([7]), unique=True)
    book.fold(5.0)
    assert total(book) == 7


def test_doubles_are_added_up_beside_integers() -> None:
    """Neither is cut to the other's form."""
    book, other = Deltas(), Totals()
    row = book.open(0, 0, 0, 0.0)
    for value, time in ((0.5, 1), (2, 2), (0.25, 3)):
        deltas(book, [row], [value], [time])
    assert (book.ints[row], book.floats[row]) == (2, 0.75)
    row = other.open(0, 0, 0, 0.0)
    unknown(other, [row], [0.5], [1])
    assert total(other) == 0.5
    unknown(other, [row], [2**53 + 1], [2])
    assert other.ints[row] == 2**53 + 1


@pytest.mark.parametrize("value", [2**53 - 1, 1 - 2**53])
def test_integers_stay_exact_beyond_what_doubles_tell_apart(value: int) -> None:
    """As far as each increment is one that a double could say."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    for time in range(1, 6):
        deltas(book, [row], [value], [time])
    assert (book.ints[row], book.floats[row]) == (5 * value, 0.0)


def test_what_goes_on_in_doubles_is_added_to_those_that_are_there() -> None:
    """A row may have both."""
    book = Deltas()
    row = book.open(0, 0, 0, 0.0)
    book.ints[row], book.floats[row] = 2**62, 2.0**70
    deltas(book, [row], [1], [1])
    assert total(book) == 2.0**70 + 2.0**62


def test_a_life_that_is_closed_twice_is_remembered_by_the_newest() -> None:
    """In whatever order they were closed."""
    book = Totals()
    book.close_until(0, 5)
    book.close_until(0, 3)
    assert book.closed(0) == 5


def test_a_life_that_said_nothing_takes_nothing_from_the_next() -> None:
    """What the newest says goes on being shown."""
    book = Totals()
    book.open(0, 1, 0, 1.0)
    new = book.open(0, 2, 0, 9.0)
    book.record(np.array([new]), np.array([3]), unique=True)
    assert book.fold(5.0) == 1
    assert total(book) == 3


@pytest.mark.parametrize(("start", "counted"), [(1, 7), (2, 7), (3, 16)])
def test_a_life_that_may_be_in_the_share_counts_from_its_first_reading_on(
    start: int, counted: int
) -> None:
    """The newest that went into the share began at 2; it may be this one. A later one is new."""
    book = Totals()
    row = book.open(0, 2, 0, 0.0)
    book.record(np.array([row]), np.array([7]), unique=True)
    book.retire(np.array([True]), {})
    row = book.open(1, start, 0, 0.0)
    book.record(np.array([row]), np.array([9]), unique=True)
    assert total(book) == counted
    book.record(np.array([row]), np.array([10]), unique=True)
    assert total(book) == counted + 1


def test_a_source_without_a_start_may_be_in_the_share_as_well() -> None:
    """Nobody can tell, so it counts from its first reading on."""
    book = Totals()
    row = book.open(0, 2, 0, 0.0)
    book.record(np.array([row]), np.array([7]), unique=True)
    book.retire(np.array([True]), {})
    row = book.open(1, 0, 0, 0.0)
    unknown(book, [row], [9], [5])
    assert total(book) == 7
    unknown(book, [row], [10], [6])
    assert total(book) == 8


def test_times_are_told_apart_to_the_nanosecond() -> None:
    """A double would round the times of this century to 256 of them."""
    book = Totals()
    row = book.open(0, 0, 0, 0.0)
    newest = 2**60 + 255
    unknown(book, [row], [5], [newest])
    unknown(book, [row], [2], [newest + 1])
    assert total(book) == 7
