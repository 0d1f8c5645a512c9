"""Rows of distributions -> points, and back: the reading, what was carried, what is discounted.

OTLP has no negative counts, so what a row takes away from what it was told is a point of its own.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    SummaryDataPoint,
)

from collector.histogram import negated
from collector.ledger.exponentials import Exponentials
from collector.ledger.histograms import Histograms
from collector.ledger.summaries import Summaries
from collector.reading import Exponential, Grid
from collector.state.reserved import CARRIED, DISCOUNTED, READING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.ledger.distributions import Distributions

Point: TypeAlias = "HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint"

Run = tuple[int, list[int]]
"""Buckets one behind the other: the index of the first, and their counts."""

UNTOLD = 2
"""A flag: the reading does not say how its values lie."""
RUN_GAP = 8
"""Empty buckets that are written rather than begin another point."""


def tell(book: Distributions, row: int) -> Iterator[tuple[str, Point]]:
    """Yield points that add up to a row, each with its role; the first is a reading."""
    reading = _reading(book, row)
    reading.count, reading.sum = int(book.counts[row]), float(book.sums[row])
    yield READING, reading
    base, pieces = int(book.base_counts[row]), [piece for piece in book.base(row) if piece]
    for role, sign in ((CARRIED, 1), (DISCOUNTED, -1)):
        count = max(sign * base, 0)
        sums = pieces if role == CARRIED else []
        parts = list(_based(book, row, sign))
        if count or sums or parts:
            for part in range(max(len(sums), len(parts), 1)):
                point = parts[part] if part < len(parts) else _empty(book)
                point.count = 0 if part else count
                point.sum = sums[part] if part < len(sums) else 0.0
                yield role, point


def _empty(book: Distributions) -> Point:
    if isinstance(book, Histograms):
        zeros = [0] * (len(book.bounds) + 1)
        return HistogramDataPoint(explicit_bounds=book.bounds, bucket_counts=zeros)
    if isinstance(book, Exponentials):
        return ExponentialHistogramDataPoint(flags=UNTOLD)
    return SummaryDataPoint()


def _reading(book: Distributions, row: int) -> Point:
    """Write how the values lie that a row was told of."""
    point = _empty(book)
    if isinstance(book, Histograms) and isinstance(point, HistogramDataPoint):
        point.bucket_counts[:] = book.buckets[row].tolist()
    elif isinstance(book, Exponentials) and row in book.told_by_row:
        grid, vector = book.told_by_row[row]
        zeros, *counts = vector.tolist()
        above = len(grid.positive)
        point = ExponentialHistogramDataPoint(
            scale=grid.scale, zero_threshold=grid.zero_threshold, zero_count=zeros
        )
        point.positive.offset, point.negative.offset = grid.positive.start, grid.negative.start
        point.positive.bucket_counts.extend(counts[:above])
        point.negative.bucket_counts.extend(counts[above : above + len(grid.negative)])
    elif isinstance(book, Summaries) and isinstance(point, SummaryDataPoint):
        for quantile, value in zip(*book.told_by_row.get(row, ((), []))):
            point.quantile_values.add(quantile=quantile, value=value)
        if row not in book.told_by_row:
            point.flags = UNTOLD
    return point


def _based(book: Distributions, row: int, sign: int) -> Iterator[Point]:
    """Write how the values lie that a row took over, of one sign."""
    if isinstance(book, Histograms):
        counts = np.maximum(sign * book.base_buckets[row], 0)
        if counts.any():
            yield HistogramDataPoint(explicit_bounds=book.bounds, bucket_counts=counts.tolist())
    elif isinstance(book, Exponentials) and row in book.added_by_row:
        added = book.added_by_row[row]
        zeros = max(sign * added.zeros, 0)
        above, below = (_runs(side, sign) for side in (added.positive, added.negative))
        runs: list[tuple[Run | None, Run | None]] = [
            *((run, None) for run in above),
            *((None, run) for run in below),
        ]
        if not runs and (zeros or sign > 0):  # what has no values has a grid all the same
            runs = [(None, None)]
        for number, (positive, negative) in enumerate(runs):
            point = ExponentialHistogramDataPoint(
                scale=added.scale,
                zero_threshold=added.zero_threshold,
                zero_count=0 if number else zeros,
            )
            for side, run in ((point.positive, positive), (point.negative, negative)):
                if run:
                    side.offset = run[0]
                    side.bucket_counts.extend(run[1])
            yield point


def _runs(side: Mapping[int, int], sign: int) -> Iterator[Run]:
    """Yield the buckets of a sign."""
    first, counts = 0, list[int]()
    for index in sorted(index for index, count in side.items() if sign * count > 0):
        gap = index - first - len(counts)
        if counts and gap > RUN_GAP:
            yield first, counts
            counts = []
        if counts:
            counts += chain(repeat(0, gap))
        else:
            first = index
        counts.append(sign * side[index])
    if counts:
        yield first, counts


def take(book: Distributions, row: int, role: str, point: Point) -> None:
    """Let a row have what a point tells of it."""
    if role == READING:
        book.counts[row], book.sums[row] = point.count, point.sum
        _take_reading(book, row, point)
        return
    sign = 1 if role == CARRIED else -1
    book.base_counts[row] += sign * point.count
    book.gain_double(row, sign * point.sum)
    if isinstance(book, Histograms) and isinstance(point, HistogramDataPoint):
        book.base_buckets[row] += sign * np.array(point.bucket_counts, np.int64)
    elif isinstance(book, Exponentials) and isinstance(point, ExponentialHistogramDataPoint):
        part = _exponential(point)
        if not point.flags & UNTOLD:
            book.gain(row, [part if sign > 0 else negated(part)])


def _take_reading(book: Distributions, row: int, point: Point) -> None:
    if isinstance(book, Histograms) and isinstance(point, HistogramDataPoint):
        book.buckets[row] = point.bucket_counts
    elif point.flags & UNTOLD:
        return
    elif isinstance(book, Exponentials) and isinstance(point, ExponentialHistogramDataPoint):
        above, below = point.positive, point.negative
        positive, negative = (
            range(side.offset, side.offset + len(side.bucket_counts)) for side in (above, below)
        )
        grid = Grid(point.scale, point.zero_threshold, positive, negative)
        counts = [point.zero_count, *above.bucket_counts, *below.bucket_counts]
        book.told_by_row[row] = grid, np.array(counts, np.int64)
    elif isinstance(book, Summaries) and isinstance(point, SummaryDataPoint):
        pairs = point.quantile_values
        told = tuple(pair.quantile for pair in pairs), [pair.value for pair in pairs]
        book.told_by_row[row] = told


def _exponential(point: ExponentialHistogramDataPoint) -> Exponential:
    positive, negative = (
        {side.offset + at: count for at, count in enumerate(side.bucket_counts) if count}
        for side in (point.positive, point.negative)
    )
    return Exponential(point.scale, point.zero_threshold, point.zero_count, positive, negative)
