"""The shape of a metric's bytes: what stays from request to request, where the numbers stand.

OTLP writes times, counts, sums, integers, doubles and bucket counts as eight bytes each, and the
counts of exponential buckets as varints. So a worker's exports differ only in these cells, and once
a metric's bytes are learnt, reading them again is to take the cells out, which leaves blanks, and
one comparison of what is left. A shape yields exactly what decoding would; it knows nothing of
rules, series or time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from collector.wire.alike import pieces
from collector.wire.column import CELL, Cells, Column, Identities

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from collector.errors import Reason
    from collector.wire.alike import Alike, Way
    from collector.wire.column import Head, Layout

    Constant: TypeAlias = NDArray[np.uint64] | NDArray[np.uint8]
    Places: TypeAlias = NDArray[np.integer[Any]]
    """Those of a whole request are of the type that finds fastest, those of a metric as small as
    they can be."""

_ZEROS = bytes(2 * CELL)
_DIGITS = np.uint8(0x80)
"""What is left of a byte of a varint: whether another one follows."""


class Learnt(NamedTuple):
    """All that a metric's bytes say; offsets are those in the data that it was read from."""

    head: Head | None
    """None where every point is refused, or there is none."""
    alike: list[Alike]
    refused: Counter[Reason]
    """Points that no reading can save."""
    varints: list[tuple[int, int]]
    """Ranges of packed varints that change in their digits, not in how many each has."""


@dataclass(eq=False)
class Shape:
    """Bytes that were learnt: what must stand there, and where the cells are."""

    columns: list[Column]
    constant: Constant
    """All bytes, blank where they change. Of a request in words, which are compared faster; of a
    metric, which may begin at any byte of it, in bytes."""
    blanks: Mapping[int, Places]
    """Where bytes change, by how many stand one behind the other."""
    varints: Places
    """Bytes that change in their lower bits."""
    size: int
    used: float
    """When its numbers were last taken, on the caller's clock."""
    binding: Any = field(default=None, kw_only=True)
    """What the engine remembers for these streams; this room does not look inside."""
    points: int = field(init=False)
    """How many points a reading has."""

    def __post_init__(self) -> None:
        self.points = sum(len(one) for one in self.columns if not one.layout.is_exemplar)


@dataclass(eq=False)
class MetricShape(Shape):
    """The shape of one metric."""

    head: Head | None
    refused: Counter[Reason]
    """Points that no reading can save, besides those in columns."""
    identities: list[Identities]
    """Whose the points of the columns are; none any more, once nobody will ask again."""

    @property
    def is_growing(self) -> bool:
        """Whether its size goes with the numbers: there are varints among its cells."""
        return len(self.varints) > 0


@dataclass(eq=False)
class RequestShape(Shape):
    """The shape of a whole request, put together from those of its metrics."""

    metrics: int


class Desk:
    """Room to take bytes apart in, shared by all shapes of a reader.

    Behind the bytes that were laid out stands a zero cell: where an absent field is read.
    """

    def __init__(self) -> None:
        self._grow(1 << 16)

    def _grow(self, size: int) -> None:
        self._bytes = np.zeros(size + 2 * CELL, np.uint8)
        self._view = self._bytes.data
        self._words = self._bytes.view(np.uint64)
        self._pieces: dict[int, NDArray[np.void]] = {}
        self._cells = self._runs(CELL).view(np.uint64)

    def _runs(self, size: int) -> NDArray[np.void]:
        """Return all runs of `size` bytes."""
        if size not in self._pieces:
            self._pieces[size] = pieces(self._bytes, size)
        return self._pieces[size]

    def lay(self, data: bytes, at: int, size: int) -> None:
        """Lay out `size` bytes of a metric, zeros behind them."""
        if size + 2 * CELL > len(self._bytes):
            self._grow(2 * (size + CELL) // CELL * CELL)
        self._view[:size] = data if size == len(data) else memoryview(data)[at : at + size]
        self._view[size : size + 2 * CELL] = _ZEROS

    def take(self, shape: Shape) -> list[Cells] | None:
        """Take all cells out of the bytes laid out, column by column; None if the shape is another.

        Either way the bytes have to be laid out again to be looked at once more.
        """
        cells = self.gather(shape)
        self._blank(shape)
        constant = shape.constant
        left = (self._words if constant.itemsize == CELL else self._bytes)[: len(constant)]
        # Counting is the quickest of numpy's ways to ask whether there is any.
        return None if np.count_nonzero(left != constant) else cells

    def gather(self, shape: Shape) -> list[Cells]:
        """Read all cells, where they would be in this shape."""
        return [self._gather(column) for column in shape.columns]

    def _gather(self, column: Column) -> Cells:
        rows = self._cells[column.places]
        run = column.layout.run
        if not run:
            return Cells(rows, None)
        return Cells(rows, self._runs(run * CELL)[column.runs].view(np.uint64).reshape(-1, run))

    def _blank(self, shape: Shape) -> None:
        for size, places in shape.blanks.items():
            if size == CELL:
                self._cells[places] = 0
            else:
                self._runs(size)[places] = np.zeros((), f"V{size}")
        if len(shape.varints):
            self._bytes[shape.varints] &= _DIGITS

    def cast(
        self, learnt: Learnt, base: int, size: int, now: float
    ) -> tuple[MetricShape, list[Cells]]:
        """Make the shape of the metric that is laid out, and take its cells.

        In the data it begins at `base`.
        """
        groups: dict[Layout, list[_Placed]] = defaultdict(list)
        for alike in learnt.alike:
            ends = np.array(alike.ends, np.intp) - base
            groups[alike.way.layout].append(_Placed(alike, np.array(alike.at) - base, ends))
        every = [one for members in groups.values() for one in members]
        shape = MetricShape(
            [_column(layout, members, size) for layout, members in groups.items()],
            self._bytes[:0],
            _together([blank for one in every for blank in one.blanks()], _small(size)),
            _every_byte((start - base, end - base) for start, end in learnt.varints),
            size, now, learnt.head, learnt.refused,
            [_identities(members) for members in groups.values()],
        )  # fmt: skip
        cells = self.gather(shape)
        self._blank(shape)
        shape.constant = self._bytes[:size].copy()
        return shape, cells

    def join(
        self, placed: Sequence[tuple[int, MetricShape]], size: int, now: float
    ) -> RequestShape:
        """Make the shape of the request that is laid out, from where its metrics begin.

        Columns of several metrics that mean alike become one, in the order of `joined`. The metrics
        share its constant bytes from now on.
        """
        columns = []
        for members in joined([shape for _, shape in placed]):
            own = [(placed[which], placed[which][1].columns[at]) for which, at in members]
            places = [
                np.where(column.places == shape.size, size, _moved(column.places, base))
                for (base, shape), column in own
            ]
            columns.append(
                Column(
                    own[0][1].layout,
                    np.concatenate(places, axis=1, dtype=np.intp),
                    np.concatenate([_moved(column.runs, base) for (base, _), column in own]),
                    [grid for _, column in own for grid in column.grids],
                )
            )
        blanks = [(n, _moved(own, at)) for at, shape in placed for n, own in shape.blanks.items()]
        varints = [_every_byte(()), *(shape.varints + at for at, shape in placed)]
        request = RequestShape(
            columns, self._words[:0], _together(blanks, np.intp), np.concatenate(varints),
            size, now, len(placed),
        )  # fmt: skip
        self._blank(request)
        request.constant = self._words[: -(-size // CELL)].copy()
        in_bytes = request.constant.view(np.uint8)
        for at, shape in placed:
            shape.constant = in_bytes[at : at + shape.size]
        return request


def joined(shapes: Sequence[MetricShape]) -> list[list[tuple[int, int]]]:
    """Group the columns of metrics that mean alike; each as (which shape, which column of it)."""
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for which, shape in enumerate(shapes):
        for at, column in enumerate(shape.columns):
            key = shape.head and shape.head.temporality, column.layout
            groups.setdefault(key, []).append((which, at))
    return list(groups.values())


def _moved(places: Places, by: int) -> NDArray[np.intp]:
    return places.astype(np.intp) + by


class _Placed(NamedTuple):
    """Points that are read alike, and where each begins and ends in the metric."""

    alike: Alike
    at: NDArray[np.intp]
    ends: NDArray[np.intp]

    def places(self, offset: int) -> NDArray[np.intp]:
        """Return where something stands in each point."""
        return (self.at if offset >= 0 else self.ends) + offset

    def blanks(self) -> list[tuple[int, NDArray[np.intp]]]:
        """Return how many bytes change, and where, of each point."""
        return [(size, self.places(offset)) for offset, size in _runs(self.alike.way)]


def _runs(way: Way) -> list[list[int]]:
    """Put cells together that stand one behind the other: where they begin, how many bytes."""
    runs: list[list[int]] = []
    for cell in sorted(way.cells):
        if runs and sum(runs[-1]) == cell != 0:  # what ends at 0 ends with the point
            runs[-1][1] += CELL
        else:
            runs.append([cell, CELL])
    return runs


def _together(
    blanks: Iterable[tuple[int, NDArray[np.intp]]], dtype: type[np.intp] | np.dtype[Any]
) -> dict[int, Places]:
    """Put places of blanks together by their size."""
    by_size: dict[int, list[NDArray[np.intp]]] = defaultdict(list)
    for size, places in blanks:
        by_size[size].append(places)
    return {
        size: np.concatenate(own, dtype=dtype, casting="unsafe") for size, own in by_size.items()
    }


def _small(size: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the smallest type for places in so many bytes, the one behind them included."""
    return np.min_scalar_type(size)


def _every_byte(ranges: Iterable[tuple[int, int]]) -> NDArray[np.intp]:
    return np.array([at for start, end in ranges for at in range(start, end)], np.intp)


def _column(layout: Layout, members: Sequence[_Placed], zero: int) -> Column:
    """Make a column of points of one layout; `zero` is where absent fields are read."""
    places, runs = [], [np.zeros(0, np.intp)]
    for one in members:
        way = one.alike.way
        none = np.full(len(one.at), zero)
        places.append([none if at is None else one.places(at) for at in way.places])
        if layout.run:
            runs.append(one.places(way.run))
    grids = [grid for one in members for grid in one.alike.grids]
    return Column(
        layout,
        np.concatenate([np.array(own, _small(zero)) for own in places], axis=1),
        np.concatenate(runs, dtype=_small(zero), casting="unsafe"),
        grids,
    )


def _identities(members: Sequence[_Placed]) -> Identities:
    every = [one.alike for one in members]
    return Identities(
        [attributes for alike in every for attributes in alike.attributes],
        np.array([start for alike in every for start in alike.starts], np.uint64),
        np.array([stale for alike in every for stale in alike.stale], np.bool_),
    )
