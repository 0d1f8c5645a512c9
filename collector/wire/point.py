"""A data point's bytes -> its identity, and the places of its numbers: what all kinds share.

Which bytes of a point are cells collects here, while the messages of its kind are read in
`points.py`. No number is read that can change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector.errors import Reason
from collector.model import Kind, Temporality
from collector.wire.alike import Way
from collector.wire.column import CELL, EXEMPLAR, Layout, Point
from collector.wire.scan import FIXED64, LENGTH, fields
from collector.wire.values import DuplicateKey, attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.wire.column import Head
    from collector.wire.values import Pairs

NO_RECORDED_VALUE = 1
"""DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK"""

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


class PointReader:
    """Reads the points of one metric, one after the other; a subclass knows the kinds."""

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

    def learn(self, at: int, end: int) -> Entry:
        """Read the point in a range; raises Unlearnable, and Unusual like all that reads bytes."""
        self._base = at
        self._cells, self._varints, self._found = [], [], []
        self._since = None
        point, layout, places, run = self._read(at, end)
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

    def _read(self, at: int, end: int) -> Read:
        """Read a point of the metric's kind."""
        raise NotImplementedError

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
