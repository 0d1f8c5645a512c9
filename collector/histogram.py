"""Histograms with different buckets, made one.

A count of values is exact for every bound that it was counted at, so what several histograms can
say together without guessing is said at the bounds they share. Exponential ones share all bounds of
the coarsest among them: each step of the scale makes one bucket of two.
"""

from __future__ import annotations

import math
from functools import partial
from math import fsum
from typing import TYPE_CHECKING

from collector.reading import Exponential, HistogramReading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from collector.reading import Grid


def merge(parts: Sequence[HistogramReading]) -> HistogramReading:
    """Add histograms up at the bounds that all of them have. `parts` is not empty."""
    if len(parts) == 1:
        return parts[0]
    common = set(parts[0].bounds).intersection(*(part.bounds for part in parts[1:]))
    shared = tuple(sorted(common))
    cumulated = [0] * len(shared)
    for part in parts:
        chosen = [count for bound, count in zip(part.bounds, part.cumulated) if bound in common]
        cumulated = [count + more for count, more in zip(cumulated, chosen)]
    natives = [part.native for part in parts if part.native is not None]
    return HistogramReading(
        shared,
        cumulated,
        sum(part.count for part in parts),
        fsum(part.sum for part in parts),  # in whatever order they come
        partial(_together, natives) if len(natives) == len(parts) else None,
    )


def _together(natives: Sequence[Callable[[], Exponential]]) -> Exponential:
    return add([native() for native in natives])


def exponential(grid: Grid, vector: NDArray[np.int64]) -> Exponential:
    """Put a vector on its grid: zeros, then the positive, then the negative buckets."""
    zeros, *counts = vector[: 1 + len(grid.positive) + len(grid.negative)].tolist()
    above = {index: count for index, count in zip(grid.positive, counts) if count}
    behind = counts[len(grid.positive) :]
    below = {index: count for index, count in zip(grid.negative, behind) if count}
    return Exponential(grid.scale, grid.zero_threshold, zeros, above, below)


def add(parts: Sequence[Exponential]) -> Exponential:
    """Add exponential histograms up, on the grid of the coarsest. `parts` is not empty.

    The largest zero threshold counts for all. Where it lies inside of a bucket of a part that had a
    smaller one, it is raised to the bucket's end, as the data model has it (`Grid` has the link).
    """
    if len(parts) == 1:
        return parts[0]
    scale = min(part.scale for part in parts)
    common = [coarser(part, scale) for part in parts]
    threshold = max(part.zero_threshold for part in parts)
    narrow = [part for part in common if part.zero_threshold < threshold]
    if narrow:
        last = _index(threshold, scale)
        if any(last in part.positive or last in part.negative for part in narrow):
            threshold = bound(last + 1, scale)
        else:
            last -= 1
        common = [_emptied(part, last) for part in common]
    return Exponential(
        scale,
        threshold,
        sum(part.zeros for part in common),
        _added(part.positive for part in common),
        _added(part.negative for part in common),
    )


def negated(part: Exponential) -> Exponential:
    """Make what takes a histogram away where it is added."""
    positive, negative = (
        {index: -count for index, count in side.items()} for side in (part.positive, part.negative)
    )
    return part._replace(zeros=-part.zeros, positive=positive, negative=negative)


def coarser(part: Exponential, scale: int) -> Exponential:
    """Put a histogram on a grid that is not finer than its own; every step halves the buckets."""
    steps = part.scale - scale
    if not steps:
        return part
    positive, negative = _halved(part.positive, steps), _halved(part.negative, steps)
    return part._replace(scale=scale, positive=positive, negative=negative)


def bound(index: int, scale: int) -> float:
    """Return the lower bound of a bucket; infinity where no double is as large."""
    exponent = math.ldexp(index, -scale)
    whole = math.floor(exponent)
    try:
        return math.ldexp(2.0 ** (exponent - whole), whole)
    except OverflowError:
        return math.inf


def _index(value: float, scale: int) -> int:
    """Return the bucket of a positive value.

    Logarithms are rounded, so they say where to begin, at the bucket above or at the one itself,
    and the bounds where it ends.
    """
    index = math.ceil(math.ldexp(math.log2(value), scale))
    while bound(index, scale) >= value:
        index -= 1
    return index


def _emptied(part: Exponential, last: int) -> Exponential:
    """Count all buckets up to `last` as zeros."""
    sides = part.positive, part.negative
    zeros = sum(count for side in sides for index, count in side.items() if index <= last)
    positive, negative = (
        {index: count for index, count in side.items() if index > last} for side in sides
    )
    return part._replace(zeros=part.zeros + zeros, positive=positive, negative=negative)


def _halved(buckets: Mapping[int, int], steps: int) -> dict[int, int]:
    return _added({index >> steps: count} for index, count in buckets.items())


def _added(many: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for one in many:
        for index, count in one.items():
            total[index] = total.get(index, 0) + count
    return {index: count for index, count in total.items() if count}
