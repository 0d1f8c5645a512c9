"""The shape of a metric's bytes: what stays from request to request, where the numbers stand.

OTLP writes times, counts, sums, integers, doubles and bucket counts as eight bytes each. So a
worker's exports differ only in these cells, and once a metric's bytes are learnt, reading them
again is one masked comparison and one gather. A shape yields exactly what decoding would; it knows
nothing of rules, series or time.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from collector.model import Attributes, Kind, Temporality
from collector.reading import Reading

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from collector.errors import Reason

CELL = 8
"""Bytes of a number."""


class Head(NamedTuple):
    """What a metric says of all its points."""

    name: str
    unit: str
    description: str
    kind: Kind
    temporality: Temporality


class Point(NamedTuple):
    """What identifies a point inside of its metric; its numbers are in the column's cells."""

    attributes: Attributes
    start: int
    """Nanoseconds since 1970, 0 for unknown. Of deltas it is a cell, and 0 here."""
    stale: bool
    """The no-recorded-value flag: the stream says that it has nothing to say."""


class Places(NamedTuple):
    """Offsets of a point's cells in the metric's bytes; None for a field that is absent (zero)."""

    value_at: int | None
    time_at: int | None
    start_at: int | None
    count_at: int | None = None
    buckets_at: Sequence[int | None] | None = None
    """One per bucket; None for points that are no histogram."""


class Column:
    """Points of one metric that are read alike: all integers, all doubles, or all of one bounds."""

    def __init__(
        self, points: list[Point], *, is_double: bool, bounds: tuple[float, ...] | None = None
    ) -> None:
        self.points = points
        self.is_double = is_double
        self.bounds = bounds
        self.first = 0
        """Where the column's cells begin among the shape's."""

    @property
    def cells(self) -> int:
        """How many cells: value, time and start of each point; count and buckets of histograms."""
        per_point = 3 if self.bounds is None else 5 + len(self.bounds)
        return per_point * len(self.points)

    def read(self, cells: NDArray[np.uint64]) -> Reading:
        """Cut the column's numbers out of the shape's cells."""
        size = len(self.points)
        rows = cells[self.first : self.first + self.cells].reshape(-1, size)
        values = rows[0].view(np.float64 if self.is_double else np.int64)
        if self.bounds is None:
            return Reading(values, rows[1], rows[2])
        return Reading(values, rows[1], rows[2], rows[3].view(np.int64), rows[4:].view(np.int64).T)


class Entry(NamedTuple):
    """One point as the learner found it."""

    point: Point
    places: Places
    is_double: bool
    bounds: tuple[float, ...] | None


class Learnt(NamedTuple):
    """All that a metric's bytes say; offsets count from the metric's first byte."""

    head: Head | None
    """None where every point is refused, or there is none."""
    entries: list[Entry]
    refused: Counter[Reason]
    """Points that no reading can save."""
    holes: list[int]
    """Cells that change and that nobody reads: minima, maxima, exemplars."""


@dataclass(eq=False)
class Shape:
    """Bytes that were learnt: what must stand there, and where the cells are."""

    columns: list[Column]
    size: int
    mask: NDArray[np.uint64]
    constant: NDArray[np.uint64]
    offsets: NDArray[np.intp]
    used: float
    """When its numbers were last taken, on the caller's clock."""
    binding: Any = field(default=None, kw_only=True)
    """What the engine remembers for these streams; this room does not look inside."""

    @property
    def points(self) -> int:
        """How many points a reading has."""
        return sum(len(column.points) for column in self.columns)


@dataclass(eq=False)
class MetricShape(Shape):
    """The shape of one metric."""

    head: Head | None
    refused: Counter[Reason]
    """Points that no reading can save, besides those in columns."""


@dataclass(eq=False)
class RequestShape(Shape):
    """The shape of a whole request, put together from those of its metrics."""

    metrics: int


class Desk:
    """Room to compare and gather in, shared by all shapes of a reader.

    Behind the bytes that were laid out stands a zero cell: where an absent field is read.
    """

    def __init__(self) -> None:
        self._grow(1 << 16)

    def _grow(self, size: int) -> None:
        self._bytes = np.zeros(size + 2 * CELL, np.uint8)
        self._words = self._bytes.view(np.uint64)
        self._scratch = np.empty_like(self._words)
        self._windows = np.lib.stride_tricks.sliding_window_view(self._bytes, CELL)

    def lay(self, data: bytes, at: int, size: int) -> None:
        """Lay out `size` bytes of a metric, zeros behind them."""
        if size + 2 * CELL > len(self._bytes):
            self._grow(2 * (size + CELL) // CELL * CELL)
        self._bytes[:size] = np.frombuffer(data, np.uint8, size, at)
        self._bytes[size : size + CELL + -size % CELL] = 0

    def fits(self, shape: Shape) -> bool:
        """Whether the bytes laid out have this shape."""
        words = len(shape.mask)
        masked = np.bitwise_and(self._words[:words], shape.mask, out=self._scratch[:words])
        return bool(np.array_equal(masked, shape.constant))

    def gather(self, shape: Shape) -> NDArray[np.uint64]:
        """Read all cells of a shape that fits."""
        return self._windows[shape.offsets].view(np.uint64).ravel()

    def cast(self, learnt: Learnt, size: int, now: float) -> MetricShape:
        """Make the shape of the metric whose bytes are laid out."""
        deltas = learnt.head is not None and learnt.head.temporality is Temporality.DELTA
        columns = []
        offsets: list[int] = []
        for key, group in itertools.groupby(sorted(learnt.entries, key=_alike), key=_alike):
            members = list(group)
            column = Column([m.point for m in members], is_double=key[0], bounds=members[0].bounds)
            column.first = len(offsets)
            offsets += _offsets([m.places for m in members], size, deltas=deltas)
            columns.append(column)
        mask = np.full(size, 0xFF, np.uint8)
        holes = np.array([at for at in offsets if at < size] + learnt.holes, np.intp)
        mask[(holes[:, None] + np.arange(CELL)).ravel()] = 0
        return MetricShape(
            columns, size, *self._kept(mask), np.array(offsets, np.intp), now,
            learnt.head, learnt.refused,
        )  # fmt: skip

    def join(
        self, placed: Sequence[tuple[int, MetricShape]], size: int, now: float
    ) -> RequestShape:
        """Make the shape of the request that is laid out, from where its metrics begin.

        Columns of several metrics that mean alike become one, in the order of `joined`.
        """
        mask = np.full(size, 0xFF, np.uint8)
        for at, shape in placed:
            mask[at : at + shape.size] = shape.mask.view(np.uint8)[: shape.size]
        columns: list[Column] = []
        offsets: list[NDArray[np.intp]] = []
        first = 0
        for members in joined([shape for _, shape in placed]):
            points = [
                point for which, at in members for point in placed[which][1].columns[at].points
            ]
            one = placed[members[0][0]][1].columns[members[0][1]]
            column = Column(points, is_double=one.is_double, bounds=one.bounds)
            column.first = first
            first += column.cells
            columns.append(column)
            offsets.append(
                np.concatenate([_moved(*placed[which], at, size) for which, at in members], axis=1)
            )
        cells = [rows.ravel() for rows in offsets] or [np.zeros(0, np.intp)]
        return RequestShape(
            columns, size, *self._kept(mask), np.concatenate(cells), now, len(placed)
        )

    def _kept(self, mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the mask in words, and what stays of the bytes laid out under it."""
        words = np.zeros(-(-len(mask) // CELL), np.uint64)
        words.view(np.uint8)[: len(mask)] = mask
        return words, self._words[: len(words)] & words


def joined(shapes: Sequence[MetricShape]) -> list[list[tuple[int, int]]]:
    """Group the columns of metrics that mean alike; each as (which shape, which column of it)."""
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for which, shape in enumerate(shapes):
        for at, column in enumerate(shape.columns):
            kind = shape.head and (shape.head.kind, shape.head.temporality)
            key = kind, column.is_double, column.bounds
            groups.setdefault(key, []).append((which, at))
    return list(groups.values())


def _moved(base: int, shape: MetricShape, at: int, zero: int) -> NDArray[np.intp]:
    """Return a column's offsets in a request in which the metric begins at `base`, kind by kind."""
    column = shape.columns[at]
    own = shape.offsets[column.first : column.first + column.cells]
    moved = np.where(own == shape.size, zero, own + base)
    return moved.reshape(-1, len(column.points))


def _alike(entry: Entry) -> tuple[bool, tuple[float, ...]]:
    return entry.is_double, entry.bounds or ()


def _offsets(places: list[Places], zero: int, *, deltas: bool) -> list[int]:
    """List cells kind by kind: values, times, starts; of histograms counts and buckets too."""
    rows: list[Iterable[int | None]] = [
        [p.value_at for p in places],
        [p.time_at for p in places],
        [p.start_at if deltas else None for p in places],
    ]
    if places[0].buckets_at is not None:
        rows.append([p.count_at for p in places])
        rows.extend(zip(*(p.buckets_at or () for p in places)))
    return [zero if at is None else at for row in rows for at in row]
