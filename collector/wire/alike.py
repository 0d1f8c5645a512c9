"""Points that are written like others before them: only where they stand has to be found out.

What holds for a request holds for a point: the bytes around its cells say all but its numbers. So
a point that was read once is known by these bytes, wherever it stands and whichever points stand
beside it. A *cut* says which bytes those are; points of one cut are handled as one. Like a shape
this is a cache, never a second truth: no byte is left out of the key but those of numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector.wire.column import CELL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model import Kind, Temporality
    from collector.wire.column import Layout, Point
    from collector.wire.values import Pairs

POINTS_MAX = 200_000
"""Points remembered; beyond, the memory starts anew. As many attributes."""
POINT_BYTES_MAX = 2048
"""Longer points are read anew each time; usual ones have 100, with 15 buckets 400."""
CUTS_MAX = 4
"""Ways to cut points of one size: as integers and doubles, with one start known or none."""


Meaning: TypeAlias = "tuple[Kind, Temporality]"
"""What a metric says of its points, without which their bytes mean nothing."""


class Way(NamedTuple):
    """How a point is read; offsets count from the point's first byte."""

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
    points: list[Point]


class Cut:
    """Points of one size that are read alike, by the bytes that identify them."""

    def __init__(self, size: int, way: Way) -> None:
        self.way = way
        cells = sorted(way.cells)
        starts = [0, *(cell + CELL for cell in cells)]
        self._kept = [(a, b) for a, b in zip(starts, [*cells, size]) if a < b]
        self.known: dict[bytes, Point] = {}

    def key(self, data: bytes, at: int) -> bytes:
        """Return what identifies the point that begins at `at`."""
        return b"".join([data[at + a : at + b] for a, b in self._kept])


class Known:
    """The points and attributes that were read before."""

    def __init__(self) -> None:
        self.pairs: Pairs = {}
        self._cuts: dict[Meaning, dict[int, list[Cut]]] = {}
        """By what points mean and how long they are."""
        self._size = 0

    def find(
        self, data: bytes, means: Meaning, ranges: Iterable[tuple[int, int]]
    ) -> tuple[dict[Way, Alike], list[tuple[int, int]]]:
        """Return the points that are known, by how they are read, and where the others stand."""
        found: dict[Way, Alike] = {}
        others = []
        cuts = self._cuts.get(means, {})
        for start, stop in ranges:
            for cut in cuts.get(stop - start, ()):
                point = cut.known.get(cut.key(data, start))
                if point is not None:
                    add(found, cut.way, start, point)
                    break
            else:
                others.append((start, stop))
        return found, others

    def keep(
        self, data: bytes, means: Meaning, within: tuple[int, int], way: Way, point: Point
    ) -> None:
        """Remember a point, unless it is longer than is worth it."""
        at, end = within
        if end - at > POINT_BYTES_MAX:
            return
        if self._size >= POINTS_MAX or len(self.pairs) >= POINTS_MAX:
            self.pairs.clear()
            self._cuts.clear()
            self._size = 0
        cuts = self._cuts.setdefault(means, {}).setdefault(end - at, [])
        cut = next((cut for cut in cuts if cut.way == way), None)
        if cut is None:
            if len(cuts) >= CUTS_MAX:
                self._size -= len(cuts.pop(0).known)
            cut = Cut(end - at, way)
            cuts.append(cut)
        cut.known[cut.key(data, at)] = point
        self._size += 1


def add(found: dict[Way, Alike], way: Way, at: int, point: Point) -> None:
    """Put a point that begins at `at` among those that are read alike."""
    alike = found.get(way)
    if alike is None:
        alike = found[way] = Alike(way, [], [])
    alike.at.append(at)
    alike.points.append(point)
