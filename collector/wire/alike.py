"""Points that are written like others before them: only where they stand has to be found out.

What exporters write of a point is numbers and, in one piece, attributes; all else is the same from
point to point. So a *cut* parts a point in three: a beginning and an end whose bytes are known but
for the numbers, and attributes between them, known by their bytes as a whole. Points are held
against a cut all at once. Like a shape this is a cache, never a second truth: a byte is either
compared, or decoded, or a number.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from collector.model import Kind, Temporality
from collector.wire.column import CELL
from collector.wire.scan import LENGTH, fields
from collector.wire.values import DuplicateKey, attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.model import Attributes
    from collector.reading import Grid
    from collector.wire.column import Layout, Point
    from collector.wire.point import Entry
    from collector.wire.values import Pairs

SETS_MAX = 50_000
"""Sets of attributes remembered; beyond, the memory starts anew. As many attributes."""
SET_BYTES_MAX = 2048
"""Longer sets are read anew each time; usual ones have 100."""
CUTS_MAX = 16
"""Ways to cut the points of one kind and temporality: integers and doubles, with a start and
without, some sets of bounds."""
CUT_BYTES_MAX = 4096
"""Points that are longer without their attributes are read one by one; usual ones have 30, with 15
buckets 300."""

ATTRIBUTES = {Kind.HISTOGRAM: 9, Kind.EXPONENTIAL: 1}
"""The number of a point's field of attributes; of other kinds it is 7."""

Meaning: TypeAlias = "tuple[Kind, Temporality]"
"""What a metric says of its points, without which their bytes mean nothing."""
Range: TypeAlias = "tuple[int, int]"


class Way(NamedTuple):
    """How a point is read; offsets count from its first byte, negative ones from its end."""

    layout: Layout
    places: tuple[int | None, ...]
    """Offsets of its cells, in the order of the column's rows; None for zero: an absent field."""
    run: int
    """Where its run begins, if its layout has one."""
    cells: tuple[int, ...]
    """Where eight bytes change: its numbers, and others that nobody reads."""


class Alike(NamedTuple):
    """Points of one metric that are read alike."""

    way: Way
    at: list[int]
    """Where each begins."""
    ends: list[int]
    attributes: list[Attributes]
    starts: list[int]
    stale: list[bool]
    grids: list[Grid]

    def add(self, at: int, end: int, point: Point) -> None:
        """Take in a point."""
        self.at.append(at)
        self.ends.append(end)
        self.attributes.append(point.attributes)
        self.starts.append(point.start)
        self.stale.append(point.stale)
        if point.grid is not None:
            self.grids.append(point.grid)


class Found(dict[Way, Alike]):
    """The points of a metric, by the way they are read."""

    def __missing__(self, way: Way) -> Alike:
        """Begin with none."""
        alike = self[way] = Alike(way, [], [], [], [], [], [])
        return alike


class Edge:
    """The beginning or the end of points: its bytes without the numbers."""

    def __init__(self, data: bytes, at: int, size: int, cells: Sequence[int]) -> None:
        """`cells` are offsets from `at`."""
        self.size = size
        self._mask = np.full(size, 0xFF, np.uint8)
        for cell in cells:
            self._mask[cell : cell + CELL] = 0
        self._constant = np.frombuffer(data, np.uint8, size, at) & self._mask

    def stands(self, data: bytes, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return at which places of the data it stands."""
        if not self.size or not len(at):
            return np.ones(len(at), np.bool_)
        found = pieces(data, self.size)[at].view(np.uint8).reshape(-1, self.size)
        stands: NDArray[np.bool_] = ((found & self._mask) == self._constant).all(axis=1)
        return stands


class Cut:
    """Points that are written alike but for their attributes and numbers."""

    def __init__(
        self, data: bytes, means: Meaning, point: Range, attributes: Range, entry: Entry
    ) -> None:
        """Learn from a point, and from where its attributes stand."""
        (at, end), (first, last) = point, attributes
        size, head = end - at, first - at
        self.stale = entry.point.stale
        self._has_lives = means[1] is Temporality.CUMULATIVE
        self._is_told = bool(entry.point.start)
        """Whether points tell the start of their life: they are read in another way if not."""

        def moved(offset: int) -> int:
            return offset if offset < head else offset - size

        way = entry.way
        self.way = way._replace(
            places=tuple([None if place is None else moved(place) for place in way.places]),
            run=moved(way.run) if way.layout.run else way.run,
            cells=tuple(map(moved, way.cells)),
        )
        self._start = None if entry.start is None else moved(entry.start)
        cells = [*self.way.cells, *([] if self._start is None else [self._start])]
        self._head = Edge(data, at, head, [cell for cell in cells if cell >= 0])
        tail = end - last
        self._tail = Edge(data, last, tail, [cell + tail for cell in cells if cell < 0])

    def fits(self, data: bytes, at: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which points begin and end like this one."""
        head, tail = self._head.size, self._tail.size
        fits = ends - at >= head + tail
        fits[fits] = self._head.stands(data, at[fits])
        if tail:
            fits[fits] = self._tail.stands(data, ends[fits] - tail)
        if self._has_lives:
            fits[fits] = (self.starts(data, at[fits], ends[fits]) != 0) == self._is_told
        return fits

    def sets(self, at: NDArray[np.intp], ends: NDArray[np.intp]) -> zip[tuple[int, int]]:
        """Return where the attributes of points that fit begin and end."""
        return zip((at + self._head.size).tolist(), (ends - self._tail.size).tolist())

    def starts(
        self, data: bytes, at: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> NDArray[np.uint64]:
        """Return the starts of points that fit, 0 where they are no part of who a point is."""
        if self._start is None or not self._has_lives or not len(at):
            return np.zeros(len(at), np.uint64)
        places = (at if self._start >= 0 else ends) + self._start
        return pieces(data, CELL)[places].view(np.uint64)


class Known:
    """The cuts, and the attributes that were read before."""

    def __init__(self) -> None:
        self.pairs: Pairs = {}
        self._sets: dict[bytes, Attributes] = {}
        """Attributes by all bytes of their fields, which say the number of the fields as well."""
        self._cuts: dict[Meaning, list[Cut]] = {}

    def find(self, data: bytes, means: Meaning, points: list[Range], found: Found) -> list[Range]:
        """Put the points that a cut fits where they belong; return the others."""
        for cut in self._cuts.get(means, ()):
            if points:
                points = self.by(cut, data, means, points, found)
        return points

    def by(
        self, cut: Cut, data: bytes, means: Meaning, points: list[Range], found: Found
    ) -> list[Range]:
        """Do the same with one cut."""
        every = np.fromiter(chain.from_iterable(points), np.intp, 2 * len(points))
        at, ends = every[::2], every[1::2]
        fits = cut.fits(data, at, ends)
        at, ends = at[fits], ends[fits]
        field = ATTRIBUTES.get(means[0], 7)
        sets = [self._set(data, first, last, field) for first, last in cut.sets(at, ends)]
        others = [point for point, fit in zip(points, fits.tolist()) if not fit]
        if None in sets:
            known = np.array([one is not None for one in sets], np.bool_)
            others += zip(at[~known].tolist(), ends[~known].tolist())
            at, ends = at[known], ends[known]
        alike = found[cut.way]
        alike.at.extend(at.tolist())
        alike.ends.extend(ends.tolist())
        alike.attributes.extend([one for one in sets if one is not None])
        alike.starts.extend(cut.starts(data, at, ends).tolist())
        alike.stale.extend([cut.stale] * len(at))
        return others

    def _set(self, data: bytes, first: int, last: int, field: int) -> Attributes | None:
        """Return the attributes in a range; None where there is anything else, or a key twice."""
        raw = data[first:last]
        known = self._sets.get(raw)
        if known is None:
            found = list(fields(data, first, last))
            if any(number != field or wire != LENGTH for number, wire, _, _ in found):
                return None
            try:
                known = attributes(data, [(a, b) for _, _, a, b in found], self.pairs)
            except DuplicateKey:
                return None
            if len(raw) <= SET_BYTES_MAX:
                self._make_room()
                self._sets[raw] = known
        return known

    def _make_room(self) -> None:
        if len(self._sets) >= SETS_MAX or len(self.pairs) >= SETS_MAX:
            self._sets.clear()
            self.pairs.clear()

    def keep(self, data: bytes, means: Meaning, point: Range, entry: Entry) -> Cut | None:
        """Learn to cut from a point that no cut fitted; None if there is nothing to learn."""
        within = _attributes_of(data, point, ATTRIBUTES.get(means[0], 7))
        if within is None or point[1] - point[0] - (within[1] - within[0]) > CUT_BYTES_MAX:
            return None
        cuts = self._cuts.setdefault(means, [])
        if len(cuts) >= CUTS_MAX:
            cuts.pop(0)
        cuts.append(Cut(data, means, point, within, entry))
        return cuts[-1]


def _attributes_of(data: bytes, point: Range, field: int) -> Range | None:
    """Return where all attributes of a point stand; None where other fields stand among them."""
    at, end = point
    first = last = None
    for number, wire, _, stop in fields(data, at, end):
        if number == field and wire == LENGTH:
            if last not in (None, at):
                return None
            first, last = at if first is None else first, stop
        at = stop
    return (end, end) if first is None or last is None else (first, last)


def pieces(data: bytes | NDArray[np.uint8], size: int) -> NDArray[np.void]:
    """Return all runs of `size` bytes, one for each place where it can begin.

    They are not aligned, and overlap.
    """
    places = len(data) - size + 1
    found: NDArray[np.void] = np.ndarray((places,), f"V{size}", data, strides=(1,))
    return found
