"""Points that are read alike, as a table of cells: one row for each number, one column a point.

A cell is eight bytes that a shape finds in a request. Here it is said in which order the cells of a
kind of point stand, and what number each is. Bytes are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from collector.model import Attributes, Kind, Temporality
from collector.reading import Exemplar, Grid, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CELL = 8
"""Bytes of a number."""
VALUE = 1
"""Every point begins with its value, of distributions the sum."""
TIMES = 2
"""Where the time matters it goes on with its time and its start; distributions then with their
count, and with what they tell besides."""
_UNTIMED = np.zeros(0, np.uint64)
_INTEGER, _DOUBLE = np.dtype(np.int64), np.dtype(np.float64)
EXEMPLAR = 5
"""Exemplars are columns of their own: value, time, span id, and both halves of the trace id."""

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
    """How many cells a point has, those of a run not counted."""
    is_double: bool
    bounds: tuple[float, ...] = ()
    """A histogram's bounds, a summary's quantiles."""
    is_exemplar: bool = False
    """Whether it is of exemplars, where a point is that which an exemplar belongs to."""
    is_timed: bool = True
    """Whether times matter: not to a life that tells its start, of which the largest counts."""
    run: int = 0
    """Cells that stand one behind the other at the end of a point's, to be read in one piece."""


class Cells(NamedTuple):
    """The numbers of one column's points, as they were found."""

    rows: NDArray[np.uint64]
    """Shape (rows, n)."""
    runs: NDArray[np.uint64] | None
    """Shape (n, run); None where the layout has no run."""


class Identities(NamedTuple):
    """Whose numbers stand in a column, one after the other; none of it is a number that moves."""

    attributes: list[Attributes]
    starts: NDArray[np.uint64]
    """As a point's."""
    stale: NDArray[np.bool_]


class Column:
    """Cells of points of one layout: where they are."""

    def __init__(
        self,
        layout: Layout,
        places: NDArray[np.integer[Any]],
        runs: NDArray[np.integer[Any]],
        grids: Sequence[Grid] = (),
    ) -> None:
        self.layout = layout
        self.places = places
        """Shape (rows, n)."""
        self.runs = runs
        """Where each point's run begins, shape (n,); empty where the layout has none."""
        self.grids = grids
        """Of exponential histograms."""

    def __len__(self) -> int:
        """How many points there are."""
        return int(self.places.shape[1])

    def read(self, cells: Cells) -> Reading:
        """Say what the column's cells are."""
        rows, runs = cells
        layout = self.layout
        values = rows[0].view(_DOUBLE if layout.is_double else _INTEGER)
        times = starts = _UNTIMED
        at = VALUE
        if layout.is_timed:
            times, starts = rows[VALUE], rows[VALUE + 1]
            at += TIMES
        kind, bounds = layout.kind, layout.bounds
        if layout.rows + layout.run == at:
            return Reading(values, times, starts)
        counts, told = rows[at].view(np.int64), rows[at + 1 :]
        if kind is Kind.SUMMARY:
            return Reading(values, times, starts, counts, None, told.view(np.float64).T, bounds)
        if kind is Kind.EXPONENTIAL:
            told = np.concatenate([told[:1], unpacked(told[1:])])
        buckets = (told.T if runs is None else runs).view(np.int64)
        return Reading(values, times, starts, counts, buckets, None, bounds, self.grids or None)

    def exemplars(self, cells: Cells) -> list[Exemplar]:
        """Say what the cells are, where the column is of exemplars."""
        rows = cells.rows
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
