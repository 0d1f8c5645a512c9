"""Sums of doubles in the ledger are exact until they are read; the oracle adds up Fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.ledger.exact import EXACT, Exact, sum_by, sum_doubles_by, two_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUPS = 4
doubles = st.one_of(
    st.floats(-1e300, 1e300),
    st.sampled_from([0.1, 0.2, 0.3, -0.1, 1e16, -1e16, 1.0, -1.0, 2.0**-60, 2.0**60, 0.0]),
)
ints = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, EXACT, EXACT + 1, -EXACT - 1, 2**62, -(2**62)]),
)


def rounded(exact: Fraction) -> float:
    """The one double that is next to a number."""
    return float(exact)


@given(st.lists(st.tuples(st.integers(0, 2), doubles), max_size=30))
@example([(0, 1e16), (0, 1.0), (0, -1e16)])
@settings(max_examples=150)
def test_a_base_is_the_exact_sum_of_what_was_added(gains: list[tuple[int, float]]) -> None:
    """Piece by piece, of each row by itself and of all together; nothing of it is rounded."""
    book = Exact()
    rows = [book.open(source, 0, 0, 0.0) for source in range(3)]
    exact = dict.fromkeys(rows, Fraction(0))
    for which, gain in gains:
        book.gain_double(rows[which], gain)
        exact[rows[which]] += Fraction(gain)
    for row in rows:
        assert sum(map(Fraction, book.base(row))) == exact[row]
    for chosen in (rows, rows[1:], rows[:0]):
        where, pieces = book.based(np.array(chosen, np.intp))
        assert where.dtype == np.intp
        for row in rows:
            told = sum(map(Fraction, pieces[where == row].tolist()))
            assert told == (exact[row] if row in chosen else 0)


def test_a_base_of_many_magnitudes_lies_beside_the_columns() -> None:
    """It goes with its row, a copy keeps it, and what is bare has none."""
    book = Exact()
    row, other = book.open(0, 0, 0, 0.0), book.open(1, 0, 0, 0.0)
    magnitudes = [2.0**at for at in (200, 100, 0, -100, -200)]
    for one in (row, other):
        for gain in magnitudes:
            book.gain_double(one, gain)
    assert sorted(book.base(row), reverse=True)[:5] == magnitudes
    copy = book.copied()
    book.gain_double(row, -(2.0**-200))
    book.bare(other)
    assert book.base(other) == [0.0, 0.0]
    assert sum(map(Fraction, book.base(row))) == sum(map(Fraction, magnitudes[:4]))
    for one in (row, other):
        assert sum(map(Fraction, copy.base(one))) == sum(map(Fraction, magnitudes))
    book.gain_double(row, 2.0**-300)
    book.close([other, row])
    assert book.base(row) == book.base(other) == [0.0, 0.0]


def test_what_is_too_large_for_doubles_stays_so() -> None:
    """Infinity has no error, and what is added to it changes nothing."""
    assert two_sum(1e308, 1e308) == (math.inf, 0.0)
    assert two_sum(-math.inf, 1.0) == (-math.inf, 0.0)
    book = Exact()
    row = book.open(0, 0, 0, 0.0)
    for _ in range(3):
        book.gain_double(row, 1e308)
    assert sum(book.base(row)) == math.inf


@given(doubles, doubles)
def test_the_error_of_a_sum_is_what_rounding_took(a: float, b: float) -> None:
    """Both together are the exact sum."""
    total, error = two_sum(a, b)
    assert total == a + b
    assert Fraction(total) + Fraction(error) == Fraction(a) + Fraction(b)


terms = st.lists(st.tuples(st.integers(0, GROUPS - 2), ints, doubles), max_size=12)


def columns(
    drawn: Sequence[tuple[int, int, float]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Terms as columns: groups, integers, doubles."""
    return (
        np.array([group for group, _, _ in drawn], np.int64),
        np.array([whole for _, whole, _ in drawn], np.int64),
        np.array([double for _, _, double in drawn], np.float64),
    )


@given(terms)
@example([(0, 1, 0.1), (0, 0, 0.2), (0, 0, 0.3)])
@example([(0, EXACT, 0.0), (0, 1, 0.0), (0, 1, 0.0)])
@example([(0, EXACT, 0.0), (0, -EXACT, 0.0), (0, 1, 0.0)])
@example([(0, EXACT, 0.0), (0, 1, 1.0)])
@example([(0, 1, 0.1), (0, 0, 2.0**-60)])
@example([(0, 0, 0.1), (0, 0, 0.2), (0, 0, 0.3)])
@example([(0, 1, 0.49581240157294726), (0, 0, 0.058271143010829515)])
@example([(0, EXACT - 1, 0.25), (1, 5, 1e16), (0, 0, 0.5)])
@settings(max_examples=200)
def test_a_sum_of_both_forms_is_rounded_once(drawn: list[tuple[int, int, float]]) -> None:
    """Whatever the order, and whatever cancels; a group without terms is 0."""
    sums = sum_by(*columns(drawn), GROUPS)
    assert (sums.dtype, len(sums)) == (np.float64, GROUPS)
    for group in range(GROUPS):
        own = [(whole, double) for at, whole, double in drawn if at == group]
        exact = sum((whole + Fraction(double) for whole, double in own), Fraction(0))
        assert sums[group] == rounded(exact), own


@given(terms)
@example([(0, 0, 0.1), (0, 0, 0.2), (0, 0, 0.3), (1, 0, 0.1), (2, 0, 0.1), (2, 0, 0.2)])
@settings(max_examples=150)
def test_a_sum_of_doubles_is_rounded_once(drawn: list[tuple[int, int, float]]) -> None:
    """The same, without integers."""
    groups, _, some = columns(drawn)
    sums = sum_doubles_by(groups, some, GROUPS)
    assert (sums.dtype, len(sums)) == (np.float64, GROUPS)
    for group in range(GROUPS):
        exact = sum((Fraction(double) for at, _, double in drawn if at == group), Fraction(0))
        assert sums[group] == rounded(exact)


@pytest.mark.parametrize(
    ("some", "expected"),
    [
        ([1e308, 1e308, 1e308], math.inf),
        ([-1e308, -1e308, -1e308], -math.inf),
        ([math.inf, 1.0, 1.0], math.inf),
        ([math.inf, -math.inf, 1.0], math.nan),
        ([math.nan, 1.0, 1.0], math.nan),
    ],
)
def test_a_sum_that_no_double_holds_is_told_all_the_same(
    some: list[float], expected: float
) -> None:
    """Infinite, or no number; a scrape goes on."""
    groups = np.zeros(len(some), np.int64)
    found = [
        sum_doubles_by(groups, np.array(some), 1)[0],
        sum_by(groups, np.zeros(len(some), np.int64), np.array(some), 1)[0],
    ]
    assert found == pytest.approx([expected] * 2, nan_ok=True)
