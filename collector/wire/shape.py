"""The shape of a metric's bytes: what stays from request to request, where the numbers stand.

OTLP writes times, counts, sums, integers, doubles and bucket counts as eight bytes each, and the
counts of exponential buckets as varints. So a worker's exports differ only in these cells, and once
a metric's bytes are learnt, reading them again is one masked comparison and one gather. A shape
yields exactly what decoding would; it knows nothing of rules, series or time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from collector.wire.column import CELL, Cells, Column

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.errors import Reason
    from collector.wire.alike import Alike
    from collector.wire.column import Head, Layout

_ZEROS = bytes(2 * CELL)


class Learnt(NamedTuple):
    """All that a metric's bytes say; offsets are those in the data that it was read from."""

    head: Head | None
    """None where every point is refused, or there is none."""
    alike: list[Alike]
    refused: Counter[Reason]
    """Points that no reading can save."""
    varints: list[tuple[int, int]]
    """Ranges of packed varints that change in their digits, not in how many each has."""


Pattern: TypeAlias = "NDArray[np.uint64] | NDArray[np.uint8]"
"""Of a request in words, which are compared faster; of a metric, which may begin at any byte of
it, in bytes."""


@dataclass(eq=False)
class Shape:
    """Bytes that were learnt: what must stand there, and where the cells are."""

    columns: list[Column]
    size: int
    mask: Pattern
    constant: Pattern
    used: float
    """When its numbers were last taken, on the caller's clock."""
    binding: Any = field(default=None, kw_only=True)
    """What the engine remembers for these streams; this room does not look inside."""
    points: int = field(init=False)
    """How many points a reading has."""

    def __post_init__(self) -> None:
        told = [column for column in self.columns if not column.layout.is_exemplar]
        self.points = sum(len(column.points) for column in told)


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
        self._view = self._bytes.data
        self._words = self._bytes.view(np.uint64)
        self._scratch = np.empty_like(self._words)
        self._byte_scratch = self._scratch.view(np.uint8)
        # Not aligned, and overlapping: a cell may begin at any byte.
        self._cells = self._pieces(CELL).view(np.uint64)

    def _pieces(self, size: int) -> NDArray[np.void]:
        """Return all runs of `size` bytes, one for each place where it can begin."""
        places = len(self._bytes) - size + 1
        pieces: NDArray[np.void] = np.ndarray((places,), f"V{size}", self._bytes, strides=(1,))
        return pieces

    def lay(self, data: bytes, at: int, size: int) -> None:
        """Lay out `size` bytes of a metric, zeros behind them."""
        if size + 2 * CELL > len(self._bytes):
            self._grow(2 * (size + CELL) // CELL * CELL)
        self._view[:size] = data if size == len(data) else memoryview(data)[at : at + size]
        self._view[size : size + 2 * CELL] = _ZEROS

    def fits(self, shape: Shape) -> bool:
        """Whether the bytes laid out have this shape."""
        size = len(shape.mask)
        if shape.mask.itemsize == CELL:
            masked = np.bitwise_and(self._words[:size], shape.mask, out=self._scratch[:size])
        else:
            masked = np.bitwise_and(self._bytes[:size], shape.mask, out=self._byte_scratch[:size])
        # Counting is the quickest of numpy's ways to ask whether there is any.
        return not np.count_nonzero(masked != shape.constant)

    def gather(self, shape: Shape) -> list[Cells]:
        """Read all cells of a shape that fits, column by column."""
        return [self._gather(column) for column in shape.columns]

    def _gather(self, column: Column) -> Cells:
        rows = self._cells[column.places]
        run = column.layout.run
        if not run:
            return Cells(rows, None)
        pieces = self._pieces(run * CELL)[column.runs]
        return Cells(rows, pieces.view(np.uint64).reshape(-1, run))

    def cast(self, learnt: Learnt, base: int, size: int, now: float) -> MetricShape:
        """Make the shape of the metric that is laid out; in the data it begins at `base`."""
        mask = np.full(size, 0xFF, np.uint8)
        groups: dict[Layout, list[tuple[Alike, NDArray[np.intp]]]] = defaultdict(list)
        for alike in learnt.alike:
            at = np.array(alike.at, np.intp) - base
            groups[alike.way.layout].append((alike, at))
            cells = at[:, None] + np.array(alike.way.cells, np.intp)
            mask[(cells[:, :, None] + np.arange(CELL)).ravel()] = 0
        for start, end in learnt.varints:
            mask[start - base : end - base] = 0x80
        columns = [_column(layout, members, size) for layout, members in groups.items()]
        return MetricShape(
            columns, size, mask, self._bytes[:size] & mask, now,
            learnt.head, learnt.refused, bool(learnt.varints),
        )  # fmt: skip

    def join(
        self, placed: Sequence[tuple[int, MetricShape]], size: int, now: float
    ) -> RequestShape:
        """Make the shape of the request that is laid out, from where its metrics begin.

        Columns of several metrics that mean alike become one, in the order of `joined`. The metrics
        share its mask and its constant bytes from now on.
        """
        mask = np.zeros(-(-size // CELL), np.uint64)
        in_bytes = mask.view(np.uint8)
        in_bytes[:size] = 0xFF
        for at, shape in placed:
            in_bytes[at : at + shape.size] = shape.mask
        constant = self._words[: len(mask)] & mask
        for at, shape in placed:
            shape.mask = in_bytes[at : at + shape.size]
            shape.constant = constant.view(np.uint8)[at : at + shape.size]
        columns = []
        for members in joined([shape for _, shape in placed]):
            own = [(placed[which], placed[which][1].columns[at]) for which, at in members]
            places = [
                np.where(column.places == shape.size, size, column.places + base)
                for (base, shape), column in own
            ]
            columns.append(
                Column(
                    [point for _, column in own for point in column.points],
                    own[0][1].layout,
                    np.concatenate(places, axis=1),
                    np.concatenate([column.runs + base for (base, _), column in own]),
                )
            )
        return RequestShape(columns, size, mask, constant, now, len(placed))


def joined(shapes: Sequence[MetricShape]) -> list[list[tuple[int, int]]]:
    """Group the columns of metrics that mean alike; each as (which shape, which column of it)."""
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for which, shape in enumerate(shapes):
        for at, column in enumerate(shape.columns):
            key = shape.head and shape.head.temporality, column.layout
            groups.setdefault(key, []).append((which, at))
    return list(groups.values())


def _column(layout: Layout, members: Sequence[tuple[Alike, NDArray[np.intp]]], zero: int) -> Column:
    """Make a column of points of one layout, with where they begin.

    `zero` is where absent fields are read.
    """
    places, runs = [], [np.zeros(0, np.intp)]
    for alike, at in members:
        absent = [place is None for place in alike.way.places]
        own = np.array([place or 0 for place in alike.way.places], np.intp)[:, None] + at
        own[absent] = zero
        places.append(own)
        if layout.run:
            runs.append(at + alike.way.run)
    points = [point for alike, _ in members for point in alike.points]
    return Column(points, layout, np.concatenate(places, axis=1), np.concatenate(runs))
