"""A metric's bytes, read field by field once: what it says, and where its cells stand.

The bytes have been found valid by the standard decoder before. This file knows the messages of
opentelemetry/proto/metrics/v1/metrics.proto and nothing of what becomes of the points.
"""

from __future__ import annotations

import struct
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING

from collector.errors import Reason
from collector.model import Kind, Temporality
from collector.wire.scan import FIXED64, LENGTH, VARINT, Unusual, fields, varint
from collector.wire.shape import Entry, Head, Learnt, Places, Point
from collector.wire.values import DuplicateKey, attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model import Attributes

KINDS: dict[int, Kind | None] = {
    5: Kind.GAUGE,
    7: Kind.COUNTER,  # or UPDOWN, as the message says
    9: Kind.HISTOGRAM,
    10: None,  # exponential histogram
    11: None,  # summary
}
"""Metric.data's field numbers."""
NO_RECORDED_VALUE = 1
"""DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK"""

AttributesCache = dict[tuple[bytes, ...], "Attributes"]
"""Attributes by the bytes of a point's attribute fields: a key to save work, never an identity."""


def learn(data: bytes, at: int, end: int, known: AttributesCache) -> Learnt:
    """Read the Metric message in `data[at:end]`; offsets in the result count from `at`.

    Raises Unusual for what has to be brought into its canonical encoding first.
    """
    texts = {1: "", 2: "", 3: ""}
    body: tuple[int, int, int] | None = None
    for number, wire_type, start, stop in fields(data, at, end):
        if wire_type != LENGTH:
            continue
        if number in texts:
            texts[number] = data[start:stop].decode()
        elif number in KINDS:
            if body is not None:
                raise Unusual
            body = number, start, stop
    if body is None:
        return Learnt(None, [], Counter(), [])
    kind, points, temporality = _body(data, *body)
    if kind is None:
        return Learnt(None, [], Counter({Reason.UNSUPPORTED_TYPE: len(points)}), [])
    if kind is not Kind.GAUGE and temporality is Temporality.NONE:
        return Learnt(None, [], Counter({Reason.UNSPECIFIED_TEMPORALITY: len(points)}), [])
    head = Head(texts[1], texts[3], texts[2], kind, temporality)
    return _Points(data, at, head, known).learn(points)


def _body(
    data: bytes, field: int, at: int, end: int
) -> tuple[Kind | None, list[tuple[int, int]], Temporality]:
    """Read the message of a kind of metric: which kind, where its points are, temporality."""
    points = []
    temporality = 0
    monotonic = False
    for number, wire_type, start, stop in fields(data, at, end):
        if number == 1 and wire_type == LENGTH:
            points.append((start, stop))
        elif number == 2 and wire_type == VARINT:
            temporality = varint(data, start)[0]
        elif number == 3 and wire_type == VARINT:
            monotonic = varint(data, start)[0] != 0
    kind = KINDS[field]
    if kind is Kind.COUNTER and not monotonic:
        kind = Kind.UPDOWN
    if kind is Kind.GAUGE or temporality not in (1, 2):
        return kind, points, Temporality.NONE
    return kind, points, Temporality(temporality)


class _Refused(Exception):  # noqa: N818 - a verdict on one point
    def __init__(self, reason: Reason) -> None:
        self.reason = reason


class _Points:
    """The points of one metric, as they are learnt."""

    def __init__(self, data: bytes, base: int, head: Head, known: AttributesCache) -> None:
        self._data = data
        self._base = base
        self._head = head
        self._known = known
        self._holes: list[int] = []

    def learn(self, points: list[tuple[int, int]]) -> Learnt:
        entries: list[Entry] = []
        refused: Counter[Reason] = Counter()
        point = self._histogram if self._head.kind is Kind.HISTOGRAM else self._number
        for start, stop in points:
            try:
                entries.append(point(start, stop))
            except _Refused as refusal:
                refused[refusal.reason] += 1
        return Learnt(self._head, entries, refused, self._holes)

    def _number(self, at: int, end: int) -> Entry:
        """Read a NumberDataPoint."""
        ranges: list[tuple[int, int]] = []
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
        places = Places(self._from(value), self._from(time), self._from(start))
        return Entry(self._point(ranges, start, flags), places, is_double=is_double, bounds=None)

    def _histogram(self, at: int, end: int) -> Entry:
        """Read a HistogramDataPoint."""
        ranges: list[tuple[int, int]] = []
        cells: dict[int, int] = {}
        packed: dict[int, tuple[int, int]] = {}
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
        self._holes += [cells[number] - self._base for number in (11, 12) if number in cells]
        value, time, start, count = (self._from(cells.get(number)) for number in (5, 3, 2, 4))
        buckets, bounds = self._buckets(packed, count)
        point = self._point(ranges, cells.get(2), flags)
        places = Places(value, time, start, count, buckets)
        return Entry(point, places, is_double=True, bounds=bounds)

    def _buckets(
        self, packed: dict[int, tuple[int, int]], count: int | None
    ) -> tuple[Sequence[int | None], tuple[float, ...]]:
        """Return where the bucket counts are, and the bounds between them."""
        first, last = packed.get(7, (0, 0))
        bounds = struct.unpack_from(f"<{(last - first) // 8}d", self._data, first)
        first, last = packed.get(6, (0, 0))
        buckets: Sequence[int | None] = range(first - self._base, last - self._base, 8)
        if not bounds and not buckets:
            buckets = [count]  # nothing is known but how many there are
        ascending = all(a < b for a, b in zip(bounds, bounds[1:]))
        if len(buckets) != len(bounds) + 1 or not ascending or not all(map(isfinite, bounds)):
            raise _Refused(Reason.HISTOGRAM_BUCKETS)
        return buckets, bounds

    def _point(self, ranges: list[tuple[int, int]], start: int | None, flags: int) -> Point:
        raw = tuple([self._data[a:b] for a, b in ranges])
        found = self._known.get(raw)
        if found is None:
            try:
                found = attributes(self._data, ranges)
            except DuplicateKey:
                raise _Refused(Reason.DUPLICATE_ATTRIBUTE) from None
            self._known[raw] = found
        since = 0
        if start is not None and self._head.temporality is Temporality.CUMULATIVE:
            since = int.from_bytes(self._data[start : start + 8], "little")
        return Point(found, since, stale=bool(flags & NO_RECORDED_VALUE))

    def _exemplar(self, at: int, end: int) -> None:
        """Mark what moves in an Exemplar: time, value, span id (8 bytes), trace id (16 bytes)."""
        for number, wire_type, a, b in fields(self._data, at, end):
            if wire_type == FIXED64 or (wire_type == LENGTH and number in (4, 5)):
                self._holes.extend(range(a - self._base, b - self._base - 7, 8))

    def _from(self, position: int | None) -> int | None:
        return None if position is None else position - self._base
