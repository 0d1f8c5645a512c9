"""Rows of single numbers -> points, and back: the two forms of a reading, and what was carried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from collector.ledger.scalars import Counts
from collector.state.reserved import CARRIED, READING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.ledger.scalars import Scalars


def tell(book: Scalars, row: int) -> Iterator[tuple[str, NumberDataPoint]]:
    """Yield points that add up to a row, each with its role; the first is a reading."""
    whole, double = int(book.ints[row]), float(book.floats[row])
    if whole or not double:
        yield READING, NumberDataPoint(as_int=whole)
    if double:
        yield READING, NumberDataPoint(as_double=double)
    if isinstance(book, Counts):
        if book.base_ints[row]:
            yield CARRIED, NumberDataPoint(as_int=int(book.base_ints[row]))
        for piece in book.base(row):
            if piece:
                yield CARRIED, NumberDataPoint(as_double=piece)


def take(book: Scalars, row: int, role: str, point: NumberDataPoint) -> None:
    """Let a row have what a point tells of it."""
    double = point.WhichOneof("value") == "as_double"
    if role == READING:
        column = book.floats if double else book.ints
        column[row] = point.as_double if double else point.as_int
    elif isinstance(book, Counts):
        book.gain(row, 0 if double else point.as_int, point.as_double if double else 0.0)
