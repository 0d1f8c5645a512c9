"""A data point's bytes -> its identity, and the places of its numbers; a method for each kind.

What is learnt of the points of one metric collects here: which bytes of it are cells. The messages
are those of opentelemetry/proto/metrics/v1/metrics.proto; no number is read that can change.
"""

from __future__ import annotations

import struct
from math import inf, isfinite
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector.errors import Reason
from collector.model import Kind, Temporality
from collector.reading import Grid
from collector.wire.alike import Way
from collector.wire.column import CELL, EXEMPLAR, VARINT_BYTES_MAX, Layout, Point
from collector.wire.scan import FIXED64, LENGTH, VARINT, Unusual, fields, signed, varint
from collector.wire.values import DuplicateKey, attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.wire.column import Head
    from collector.wire.values import Pairs

NO_RECORDED_VALUE = 1
"""DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK"""

SCALE_MIN, SCALE_MAX = -4, 20
"""Prometheus has no coarser grid (https://prometheus.io/docs/specs/native_histograms/#schema), and
OpenTelemetry no finer one (https://opentelemetry.io/docs/specs/otel/metrics/sdk, maxscale)."""
EXPONENT_MIN, EXPONENT_MAX = -1075, 1024
"""Doubles lie between these powers of two."""

LASTING = frozenset({Kind.COUNTER, Kind.HISTOGRAM, Kind.EXPONENTIAL, Kind.SUMMARY})
"""Kinds of which a life's largest reading counts, whenever it was taken."""

EXEMPLARY = frozenset({Kind.COUNTER, Kind.HISTOGRAM, Kind.EXPONENTIAL})
"""Kinds whose exemplars the exposition has a place for."""

Range = tuple[int, int]
Read: TypeAlias = "tuple[Point, Layout, Sequence[int | None], int]"
"""A point, its layout, where its cells are in the data, and where its run begins in the point."""


class Unlearnable(Exception):  # noqa: N818 - a verdict on one point
    """A point that no reading can save."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Wanted(NamedTuple):
    """What is read of points besides what the sums need."""

    exemplars: bool = False
    times: bool = False
    """Of every point, also where only the largest reading counts."""


NOTHING_MORE = Wanted()


class Entry(NamedTuple):
    """One point as it was found."""

    point: Point
    way: Way
    exemplars: Sequence[Way]
    """How its exemplars are read: of kinds that show them, and only if they are asked for."""
    varints: Sequence[Range]
    """Ranges of packed varints that change in their digits, not in how many each has; offsets
    count from the point's first byte."""
    start: int | None
    """Where its start is, which is no cell; likewise."""


class Points:
    """The points of one metric, as they are learnt."""

    def __init__(self, data: bytes, head: Head, known: Pairs, wanted: Wanted) -> None:
        self._cells: list[int] = []
        self._varints: list[Range] = []
        self._wants_exemplars = wanted.exemplars and head.kind in EXEMPLARY
        self._wants_times = wanted.times
        self._found: list[tuple[list[int | None], bool]] = []
        self._data = data
        self._base = 0
        self._since: int | None = None
        self._head = head
        self._known = known
        self._learn = {
            Kind.HISTOGRAM: self._histogram,
            Kind.EXPONENTIAL: self._exponential,
            Kind.SUMMARY: self._summary,
        }.get(head.kind, self._number)

    def learn(self, at: int, end: int) -> Entry:
        """Read the point in a range; raises Unlearnable, and Unusual like all that reads bytes."""
        self._base = at
        self._cells, self._varints, self._found = [], [], []
        self._since = None
        point, layout, places, run = self._learn(at, end)
        way = Way(layout, self._moved(places), run, tuple(self._cells))
        exemplars = [
            Way(
                Layout(layout.kind, EXEMPLAR, is_double, layout.bounds, is_exemplar=True),
                self._moved(own),
                0,
                (),
            )
            for own, is_double in self._found
        ]
        return Entry(point, way, exemplars, self._varints, self._since)

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

    def _distribution(
        self,
        point: Point,
        cells: dict[int, int],
        told: Sequence[int | None],
        bounds: tuple[float, ...] = (),
    ) -> Read:
        """Make an entry of what all distributions have and what this one tells besides."""
        times = [cells.get(3), self._start(cells.get(2))]
        self._mark([cells.get(5), *times, cells.get(4)])
        is_timed = self._is_timed(point)
        common = [cells.get(5), *(times if is_timed else ()), cells.get(4)]
        run = told if isinstance(told, range) else range(0)
        places = common if run else [*common, *told]
        layout = Layout(
            kind=self._head.kind,
            rows=len(places),
            is_double=True,
            bounds=bounds,
            is_timed=is_timed,
            run=len(run),
        )
        return point, layout, places, run.start - self._base

    def _is_timed(self, point: Point) -> bool:
        """Whether it matters when a number was read: not where a life tells its start."""
        return self._wants_times or not (point.start and self._head.kind in LASTING)

    def _start(self, start: int | None) -> int | None:
        """Return the place of a start where it is a number that moves."""
        if self._head.temporality is Temporality.DELTA:
            return start
        self._since = None if start is None else start - self._base
        return None

    def _mark(self, places: Sequence[int | None]) -> None:
        """Note where cells are that change."""
        self._cells += [at - self._base for at in places if at is not None]

    def _moved(self, places: Sequence[int | None]) -> tuple[int | None, ...]:
        """Count places from the beginning of the point."""
        base = self._base
        return tuple([None if at is None else at - base for at in places])

    def _point(self, ranges: list[Range], start: int | None, flags: int) -> Point:
        try:
            found = attributes(self._data, ranges, self._known)
        except DuplicateKey:
            raise Unlearnable(Reason.DUPLICATE_ATTRIBUTE) from None
        since = 0
        if start is not None and self._head.temporality is Temporality.CUMULATIVE:
            since = int.from_bytes(self._data[start : start + CELL], "little")
        return Point(found, since, stale=bool(flags & NO_RECORDED_VALUE))

    def _exemplar(self, at: int, end: int) -> None:
        """Mark what moves in an Exemplar: time, value, span id (8 bytes), trace id (16 bytes)."""
        cells: dict[int, list[int]] = {}
        value = 3
        for number, wire_type, a, b in fields(self._data, at, end):
            if (wire_type == FIXED64 and number in (2, 3, 6)) or (
                wire_type == LENGTH and number in (4, 5)
            ):
                cells[number] = list(range(a, b - CELL + 1, CELL)) if (b - a) % CELL == 0 else []
                self._mark(cells[number])
                if number in (3, 6):
                    value = number  # of a oneof the last one counts
        if self._wants_exemplars:
            places: list[int | None] = []
            for number, size in ((value, 1), (2, 1), (4, 1), (5, 2)):
                own = cells.get(number, [])
                places += own if len(own) == size else [None] * size
            self._found.append((places, value == 3))


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
