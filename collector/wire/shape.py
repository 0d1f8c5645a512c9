"""The shape of a metric's bytes: what stays from request to request, where the numbers stand.

OTLP writes times, counts, sums, integers, doubles and bucket counts as eight bytes each, and the
counts of exponential buckets as varints. So a worker's exports differ only in these cells, and once
a metric's bytes are learnt, reading them again is one masked comparison and one gather. A shape
yields exactly what decoding would; it knows nothing of rules, series or time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from collector.wire.column import Column, Head, Layout, Point

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.errors import Reason

CELL = 8
"""Bytes of a number."""


class Entry(NamedTuple):
    """One point as the learner found it."""

    point: Point
    places: Sequence[int | None]
    """Offsets of its cells, in the order of the column's rows; None for zero: an absent field."""
    layout: Layout


class Learnt(NamedTuple):
    """All that a metric's bytes say; offsets count from the metric's first byte."""

    head: Head | None
    """None where every point is refused, or there is none."""
    entries: list[Entry]
    refused: Counter[Reason]
    """Points that no reading can save."""
    cells: list[int]
    """Where eight bytes change: the numbers of the entries, and others that nobody reads."""
    varints: list[tuple[int, int]]
    """Ranges of packed varints that change in their digits, not in how many each has."""


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
        return sum([len(column.points) for column in self.columns if not column.layout.is_exemplar])


@dataclass(eq=False)
class MetricShape(Shape):
    """The shape of one metric."""

    head: Head | None
    refused: Counter[Reason]
    """Points that no reading can save, besides those in columns."""
    is_growing: bool
    """Whether its size goes with the numbers: there are varints among its cells."""


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
        groups: dict[Layout, list[Entry]] = defaultdict(list)
        for entry in learnt.entries:
            groups[entry.layout].append(entry)
        columns = []
        offsets: list[int] = []
        for layout, members in groups.items():
            column = Column([entry.point for entry in members], layout)
            column.first = len(offsets)
            rows = zip(*(entry.places for entry in members))
            offsets += [size if at is None else at for row in rows for at in row]
            columns.append(column)
        mask = np.full(size, 0xFF, np.uint8)
        cells = np.array(learnt.cells, np.intp)
        mask[(cells[:, None] + np.arange(CELL)).ravel()] = 0
        for at, end in learnt.varints:
            mask[at:end] = 0x80
        return MetricShape(
            columns, size, *self._kept(mask), np.array(offsets, np.intp), now,
            learnt.head, learnt.refused, bool(learnt.varints),
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
            column = Column(points, one.layout)
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
            key = shape.head and shape.head.temporality, column.layout
            groups.setdefault(key, []).append((which, at))
    return list(groups.values())


def _moved(base: int, shape: MetricShape, at: int, zero: int) -> NDArray[np.intp]:
    """Return a column's offsets in a request in which the metric begins at `base`, kind by kind."""
    column = shape.columns[at]
    own = shape.offsets[column.first : column.first + column.cells]
    moved = np.where(own == shape.size, zero, own + base)
    return moved.reshape(-1, len(column.points))
