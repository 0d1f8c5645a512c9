"""A data point's bytes -> its identity, and the places of its numbers: a method for each kind.

The messages are those of opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

import struct
from math import inf, isfinite
from typing import TYPE_CHECKING

from collector.errors import Reason
from collector.model import Kind
from collector.reading import Grid
from collector.wire.column import CELL, VARINT_BYTES_MAX, Layout
from collector.wire.point import PointReader, Unlearnable
from collector.wire.scan import FIXED64, LENGTH, VARINT, Unusual, fields, signed, varint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.wire.point import Range, Read

SCALE_MIN, SCALE_MAX = -4, 20
"""Prometheus has no coarser grid (https://prometheus.io/docs/specs/native_histograms/#schema), and
OpenTelemetry no finer one (https://opentelemetry.io/docs/specs/otel/metrics/sdk, maxscale)."""
EXPONENT_MIN, EXPONENT_MAX = -1075, 1024
"""Doubles lie between these powers of two."""


class Points(PointReader):
    """The points of one metric, as they are learnt."""

    def _read(self, at: int, end: int) -> Read:
        read = {
            Kind.HISTOGRAM: self._histogram,
            Kind.EXPONENTIAL: self._exponential,
            Kind.SUMMARY: self._summary,
        }.get(self._head.kind, self._number)
        return read(at, end)

    def _number(self, at: int, end: int) -> Read:
        """Read a NumberDataPoint."""
        ranges: list[Range] = []
        start = time = value = None
        is_double = False
        flags = 0
        for number, wire_type, a, b in fields(self._data, at, end):
            if wire_type == FIXED64:
                if number == 2:
                    start = a
                elif number == 3:
                    time = a
                elif number in (4, 6):
                    value, is_double = a, number == 4
            elif wire_type == LENGTH:
                if number == 7:
                    ranges.append((a, b))
                elif number == 5:
                    self._exemplar(a, b)
            elif number == 8 and wire_type == VARINT:
                flags = varint(self._data, a)[0]
        point = self._point(ranges, start, flags)
        self._mark([value, time, self._start(start)])
        is_timed = self._is_timed(point)
        places = [value, time, self._start(start)] if is_timed else [value]
        layout = Layout(self._head.kind, len(places), is_double, is_timed=is_timed)
        return point, layout, places, 0

    def _histogram(self, at: int, end: int) -> Read:
        """Read a HistogramDataPoint."""
        ranges: list[Range] = []
        cells: dict[int, int] = {}
        packed: dict[int, Range] = {}
        flags = 0
        for number, wire_type, a, b in fields(self._data, at, end):
            if number in (6, 7):
                if wire_type != LENGTH or number in packed:
                    raise Unusual  # not packed, or in several pieces
                packed[number] = a, b
            elif wire_type == FIXED64:
                cells[number] = a
            elif wire_type == LENGTH:
                if number == 9:
                    ranges.append((a, b))
                elif number == 8:
                    self._exemplar(a, b)
            elif number == 10 and wire_type == VARINT:
                flags = varint(self._data, a)[0]
        buckets, bounds = self._buckets(packed, cells.get(4))
        point = self._point(ranges, cells.get(2), flags)
        self._mark([*buckets, cells.get(11), cells.get(12)])  # minimum and maximum are not read
        return self._distribution(point, cells, buckets, bounds)

    def _buckets(
        self, packed: dict[int, Range], count: int | None
    ) -> tuple[Sequence[int | None], tuple[float, ...]]:
        """Return where the bucket counts are, and the bounds between them."""
        first, last = packed.get(7, (0, 0))
        bounds = struct.unpack_from(f"<{(last - first) // 8}d", self._data, first)
        buckets: Sequence[int | None] = range(*packed.get(6, (0, 0)), CELL)
        if not bounds and not buckets:
            buckets = [count]  # nothing is known but how many there are
        ascending = all(a < b for a, b in zip(bounds, bounds[1:]))
        if len(buckets) != len(bounds) + 1 or not ascending or not all(map(isfinite, bounds)):
            raise Unlearnable(Reason.HISTOGRAM_BUCKETS)
        return buckets, bounds

    def _exponential(self, at: int, end: int) -> Read:
        """Read an ExponentialHistogramDataPoint."""
        ranges: list[Range] = []
        cells: dict[int, int] = {}
        sides: dict[int, Range] = {}
        scale = flags = 0
        for number, wire_type, a, b in fields(self._data, at, end):
            if wire_type == FIXED64:
                cells[number] = a
            elif wire_type == LENGTH:
                if number == 1:
                    ranges.append((a, b))
                elif number == 11:
                    self._exemplar(a, b)
                elif number in (8, 9):
                    if number in sides:
                        raise Unusual  # messages that stand twice are merged
                    sides[number] = a, b
            elif wire_type == VARINT and number == 6:
                scale = signed(self._data, a)
            elif wire_type == VARINT and number == 10:
                flags = varint(self._data, a)[0]
        positive, above, above_in = self._side(sides.get(8, (0, 0)))
        negative, below, below_in = self._side(sides.get(9, (0, 0)))
        threshold = struct.unpack_from("<d", self._data, cells[14])[0] if 14 in cells else 0.0
        grid = Grid(scale, threshold, positive, negative)
        if not _is_sound(grid):
            raise Unlearnable(Reason.HISTOGRAM_BUCKETS)
        point = self._point(ranges, cells.get(2), flags)._replace(grid=grid)
        self._mark([cells.get(number) for number in (7, 12, 13)])  # 12 and 13 are not read
        self._varints += [(a - self._base, b - self._base) for a, b in (above_in, below_in)]
        told = [cells.get(7), *above, *below]
        # Points with about as many buckets share a column: none is more than half empty.
        told += [None] * ((1 << (len(told) - 1).bit_length()) - len(told))
        return self._distribution(point, cells, told)

    def _side(self, within: Range) -> tuple[range, list[int], Range]:
        """Read Buckets: their indices, where each count begins, and the range of all counts."""
        offset = 0
        counts = 0, 0
        for number, wire_type, a, b in fields(self._data, *within):
            if number == 1 and wire_type == VARINT:
                offset = signed(self._data, a)
            elif number == 2:
                if wire_type != LENGTH or counts != (0, 0):
                    raise Unusual  # not packed, or in several pieces
                counts = a, b
        places = []
        at, end = counts
        while at < end:
            places.append(at)
            count, at = varint(self._data, at)
            if at - places[-1] > VARINT_BYTES_MAX:
                if count >> 7 * VARINT_BYTES_MAX:
                    raise Unlearnable(Reason.COUNT_RANGE)
                raise Unusual  # it could be shorter
        if at != end:
            raise Unusual
        return range(offset, offset + len(places)), places, counts

    def _summary(self, at: int, end: int) -> Read:
        """Read a SummaryDataPoint."""
        ranges: list[Range] = []
        cells: dict[int, int] = {}
        values: dict[float, int | None] = {}
        flags = stood = 0
        for number, wire_type, a, b in fields(self._data, at, end):
            if wire_type == FIXED64:
                cells[number] = a
            elif wire_type == LENGTH and number == 6:
                quantile, value = self._quantile(a, b)
                values[quantile] = value
                stood += 1
            elif wire_type == LENGTH and number == 7:
                ranges.append((a, b))
            elif number == 8 and wire_type == VARINT:
                flags = varint(self._data, a)[0]
        quantiles = tuple(sorted(values))
        if len(values) < stood or not all(0 <= quantile <= 1 for quantile in quantiles):
            raise Unlearnable(Reason.SUMMARY_QUANTILES)
        point = self._point(ranges, cells.get(2), flags)
        places = [values[quantile] for quantile in quantiles]
        self._mark(places)
        return self._distribution(point, cells, places, quantiles)

    def _quantile(self, at: int, end: int) -> tuple[float, int | None]:
        """Read a ValueAtQuantile: the quantile, and where its value is."""
        quantile, value = 0.0, None
        for number, wire_type, a, _ in fields(self._data, at, end):
            if wire_type == FIXED64 and number == 1:
                quantile = struct.unpack_from("<d", self._data, a)[0]
            elif wire_type == FIXED64 and number == 2:
                value = a
        return quantile, value


def _is_sound(grid: Grid) -> bool:
    """Whether a grid is one of doubles, and one that Prometheus has too."""
    if not SCALE_MIN <= grid.scale <= SCALE_MAX or not 0 <= grid.zero_threshold < inf:
        return False
    # an index counts powers of 2**(2**-scale)
    steps = 2.0**grid.scale
    low, high = EXPONENT_MIN * steps - 1, EXPONENT_MAX * steps
    return all(
        low <= side.start and side.stop <= high for side in (grid.positive, grid.negative) if side
    )
