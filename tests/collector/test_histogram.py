"""Histograms of different buckets meet where all of them are exact; the oracle sorts values."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.histogram import _index, add, bound, coarser, exponential, merge, negated
from collector.reading import Exponential, Grid, HistogramReading

if TYPE_CHECKING:
    from collections.abc import Iterable

values = st.floats(-1e9, 1e9, allow_subnormal=False)
thresholds = st.sampled_from([0.0, 0.0, 1e-3, 1.5, 2.0, 1000.0])
scales = st.integers(-4, 8)


def index_of(value: float, scale: int) -> int:
    """The bucket of a positive value, by search."""
    low, high = -(1100 << max(scale, 0)), 1100 << max(scale, 0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bound(middle, scale) < value else (low, middle)
    return low


def told(some: Iterable[float], scale: int, threshold: float) -> Exponential:
    """What an SDK tells of these values."""
    positive: Counter[int] = Counter()
    negative: Counter[int] = Counter()
    zeros = 0
    for value in some:
        if abs(value) <= threshold or value == 0:
            zeros += 1
        else:
            (positive if value > 0 else negative)[index_of(abs(value), scale)] += 1
    return Exponential(scale, threshold, zeros, dict(positive), dict(negative))


parts = st.lists(
    st.tuples(st.lists(values, max_size=8), scales, thresholds), min_size=1, max_size=4
)


@given(parts)
def test_buckets_of_a_sum_hold_what_lies_in_them(
    drawn: list[tuple[list[float], int, float]],
) -> None:
    """Together they tell what one histogram of all values would, on the coarsest grid."""
    total = add([told(*part) for part in drawn])
    every = [value for some, _, _ in drawn for value in some]
    assert total.scale == min(scale for _, scale, _ in drawn)
    assert total.zero_threshold >= max(threshold for _, _, threshold in drawn)
    assert total == told(every, total.scale, total.zero_threshold)


@given(parts, st.randoms())
def test_the_order_of_parts_means_nothing(
    drawn: list[tuple[list[float], int, float]], random: object
) -> None:
    """Any order of sources is the same histogram."""
    there = [told(*part) for part in drawn]
    shuffled = there[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert add(shuffled) == add(there)


@given(st.lists(values, max_size=8), scales, st.integers(0, 12))
def test_a_coarser_grid_is_what_would_have_been_told_on_it(
    some: list[float], scale: int, steps: int
) -> None:
    """Each step of the scale makes one bucket of two, also below index 0."""
    target = max(scale - steps, -4)
    assert coarser(told(some, scale, 0.0), target) == told(some, target, 0.0)


def test_a_threshold_inside_of_a_bucket_is_raised_to_its_end() -> None:
    """Otherwise a value between both would be counted as none that is known."""
    wide = Exponential(0, 1.5, 2, {3: 1}, {})
    narrow = Exponential(0, 0.0, 0, {-2: 1, 0: 4, 1: 5}, {0: 1})
    assert add([wide, narrow]) == Exponential(0, 2.0, 8, {3: 1, 1: 5}, {})
    assert add([wide, narrow._replace(positive={-2: 1, 1: 5}, negative={})]) == Exponential(
        0, 1.5, 3, {3: 1, 1: 5}, {}
    )


def test_a_vector_lies_on_its_grid() -> None:
    """Zeros, positive, negative; what is behind is padding."""
    grid = Grid(2, 0.5, range(-1, 2), range(7, 8))
    vector = np.array([9, 1, 0, 2, 5, 0, 0, 0], np.int64)
    assert exponential(grid, vector) == Exponential(2, 0.5, 9, {-1: 1, 1: 2}, {7: 5})


explicit = st.tuples(
    st.lists(st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 3.0]), max_size=8),
    st.sets(st.sampled_from([0.5, 1.0, 2.0, 2.5])),
)


@given(st.lists(explicit, min_size=1, max_size=4))
def test_histograms_meet_at_the_bounds_that_all_have(
    drawn: list[tuple[list[float], set[float]]],
) -> None:
    """There they count what one histogram of all values would, a value on a bound below it."""
    made = []
    for some, own in drawn:
        bounds = tuple(sorted(own))
        cumulated = [sum(value <= upper for value in some) for upper in bounds]
        made.append(HistogramReading(bounds, cumulated, len(some), math.fsum(some)))
    every = [value for some, _ in drawn for value in some]
    shared = sorted(set.intersection(*(own for _, own in drawn)))
    total = merge(made)
    assert (total.bounds, total.count, total.native) == (tuple(shared), len(every), None)
    assert list(total.cumulated) == [sum(value <= upper for value in every) for upper in shared]
    assert total.sum == math.fsum(math.fsum(some) for some, _ in drawn)


def test_native_buckets_meet_where_all_have_some() -> None:
    """Only when they are asked for; a part that has none takes them away."""
    native = HistogramReading((), [], 5, 1.0, lambda: Exponential(1, 0.0, 2, {2: 3}, {}))
    plain = HistogramReading((), [], 4, 2.0)
    together = merge([native, native]).native
    assert together is not None
    assert together() == Exponential(1, 0.0, 4, {2: 6}, {})
    assert merge([native, plain]).native is None
    assert merge([native]) is native


def test_a_part_that_is_alone_is_what_it_was() -> None:
    """Its grid, too; so is what is on the coarsest grid already."""
    part = Exponential(3, 0.5, 5, {1: 2}, {-4: 7})
    assert add([part]) is part
    assert coarser(part, 3) is part
    assert coarser(part, 1) == Exponential(1, 0.5, 5, {0: 2}, {-1: 7})
    assert negated(part) == Exponential(3, 0.5, -5, {1: -2}, {-4: -7})


def test_bounds_reach_over_all_doubles() -> None:
    """From the smallest one to infinity, without an error."""
    assert bound(0, 5) == 1.0
    assert bound(-1074, 0) == 5e-324
    assert bound(1024, 0) == math.inf
    assert bound(1 << 20, 10) == math.inf
    assert bound(3, 1) == 2.0**1.5


@pytest.mark.parametrize("scale", [-4, -1, 0, 1, 7, 20])
def test_a_bucket_ends_with_its_upper_bound(scale: int) -> None:
    """Where logarithms are rounded, too: the bounds themselves decide."""
    last = int(math.ldexp(1000, scale))
    for index in {*range(-last, last, max(1, last // 150)), -1, 0, 1}:
        upper = bound(index + 1, scale)
        assert _index(upper, scale) == index
        assert _index(math.nextafter(upper, math.inf), scale) == index + 1


def test_what_is_taken_away_leaves_nothing() -> None:
    """Zeros and both sides."""
    part = Exponential(3, 0.0, 5, {1: 2}, {-4: 7})
    left = add([part, negated(part)])
    assert (left.zeros, left.positive, left.negative) == (0, {}, {})
