"""Points that are read alike, as a table of cells: one row for each number, one column a point.

A cell is eight bytes that a shape finds in a request. Here it is said in which order the cells of a
kind of point stand, and what number each is. Bytes and offsets are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.model import Attributes, Kind, Temporality
from collector.reading import Exemplar, Grid, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMES = 3
"""Every point begins with its value (the sum of a distribution), its time and its start."""
EXEMPLAR = 5
"""Exemplars are columns of their own: value, time, span id, and both halves of the trace id."""
COUNTED = TIMES + 1
"""Distributions go on with their count, and then with what they tell besides."""

VARINT_BYTES_MAX = 8
"""A varint of more does not fit a cell; from 2^56 on."""
_CONTINUED = np.uint64(0x8080_8080_8080_8080)
_HALVINGS = tuple(
    (np.uint64(low), np.uint64(low << shift), np.uint64(by))
    for low, shift, by in (
        (0x007F_007F_007F_007F, 8, 1),
        (0x0000_3FFF_0000_3FFF, 16, 2),
        (0x0000_0000_0FFF_FFFF, 32, 4),
    )
)
"""How groups of 7, 14 and 28 bits move together: those that stay, those that move, how far."""


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
    grid: Grid | None = None
    """Of exponential histograms."""


class Layout(NamedTuple):
    """What points have in common that are read alike."""

    kind: Kind
    rows: int
    """How many cells a point has."""
    is_double: bool
    bounds: tuple[float, ...] = ()
    """A histogram's bounds, a summary's quantiles."""
    is_exemplar: bool = False
    """Whether it is of exemplars, where a point is that which an exemplar belongs to."""


class Column:
    """Points of one layout."""

    def __init__(self, points: list[Point], layout: Layout) -> None:
        self.points = points
        self.layout = layout
        self.first = 0
        """Where the column's cells begin among the shape's."""
        self._grids = tuple([point.grid for point in points if point.grid is not None]) or None

    @property
    def cells(self) -> int:
        """How many cells the column has."""
        return self.layout.rows * len(self.points)

    def read(self, cells: NDArray[np.uint64]) -> Reading:
        """Cut the column's numbers out of the shape's cells."""
        rows = cells[self.first : self.first + self.cells].reshape(-1, len(self.points))
        values = rows[0].view(np.float64 if self.layout.is_double else np.int64)
        if self.layout.rows == TIMES:
            return Reading(values, rows[1], rows[2])
        kind, bounds = self.layout.kind, self.layout.bounds
        counts, told = rows[TIMES].view(np.int64), rows[COUNTED:]
        if kind is Kind.SUMMARY:
            quantiles = told.view(np.float64).T
            return Reading(values, rows[1], rows[2], counts, None, quantiles, bounds)
        if kind is Kind.EXPONENTIAL:
            told = np.concatenate([told[:1], unpacked(told[1:])])
        buckets = told.view(np.int64).T
        return Reading(values, rows[1], rows[2], counts, buckets, None, bounds, self._grids)

    def exemplars(self, cells: NDArray[np.uint64]) -> list[Exemplar]:
        """Cut exemplars out of the shape's cells, where the column is of these."""
        rows = cells[self.first : self.first + self.cells].reshape(EXEMPLAR, -1)
        values = rows[0].view(np.float64 if self.layout.is_double else np.int64)
        traces = np.column_stack([rows[3], rows[4]])
        return [
            Exemplar(float(value), time, _hexadecimal(trace), _hexadecimal(span))
            for value, time, trace, span in zip(values, rows[1].tolist(), traces, rows[2])
        ]


def _hexadecimal(id_: NDArray[np.uint64]) -> str:
    """Write an id; one of zeros is none (https://www.w3.org/TR/trace-context/#trace-id)."""
    return id_.tobytes().hex() if id_.any() else ""


def unpacked(cells: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Decode the varint at the beginning of each cell, whatever stands behind it.

    Seven bits a byte, the first byte the lowest; the byte without the high bit is the last. All
    cells at once: what follows that bit is cut off, then neighbouring groups are joined thrice.
    """
    ends = ~cells & _CONTINUED
    end = ends & (~ends + np.uint64(1))
    bits: NDArray[np.uint64] = cells & (end - np.uint64(1)) & ~_CONTINUED
    for stay, move, by in _HALVINGS:
        bits = (bits & stay) | ((bits & move) >> by)
    return bits
