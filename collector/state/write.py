"""An engine's memory -> OTLP requests, a few rows at a time.

What is written is how things were at one moment: the numbers are copied first, so that the engine
can go on meanwhile. Every row becomes points of its stream as it was before the rules, which run
again when the state is read. A share becomes points of one of the streams that left it.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from collector.ledger.columns import NOBODY
from collector.ledger.distributions import Distributions
from collector.ledger.lives import Lives
from collector.ledger.scalars import Scalars
from collector.model import Kind, Temporality
from collector.state import distributions, numbers, reserved
from collector.state.values import any_value, key_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from collector.ledger.book import Book
    from collector.ledger.columns import Mask
    from collector.ledger.ledger import Ledger
    from collector.model import Stream
    from collector.register import Register
    from collector.roster import Roster

Told: TypeAlias = "tuple[str, Any, dict[str, Any]]"
"""A point, its role, and the other reserved attributes that it needs."""

FORMS = {
    Kind.GAUGE: "gauge",
    Kind.HISTOGRAM: "histogram",
    Kind.EXPONENTIAL: "exponential_histogram",
    Kind.SUMMARY: "summary",
}
"""What a metric of a kind is called where it is not `sum`."""

ROWS_PER_REQUEST = 200
"""Some milliseconds of work."""
NO_RECORDED_VALUE = 1
INTERVAL = struct.Struct("<QQ")


class Writing(NamedTuple):
    """What is written: copies, as they were at one moment."""

    books: Sequence[Book]
    streams: Register
    """By source."""
    awake: Mask
    """By source."""
    heirs: Mapping[int, Stream]
    """By series with a share, a stream that left something to it."""


def copied(ledger: Ledger, roster: Roster) -> Writing:
    """Copy what has to be written."""
    books = ledger.copied()
    return Writing(books, *roster.copied())


def requests(writing: Writing) -> Iterator[bytes]:
    """Yield requests that say everything; rows of shares stand last."""
    rows = (
        (book, row)
        for shares in (False, True)
        for book in writing.books
        for row in book.used()
        if (book.sources[row] == NOBODY) == shares
    )
    while chosen := list(islice(rows, ROWS_PER_REQUEST)):
        request = _Request()
        for book, row in chosen:
            request.add(*_told(writing, book, row))
        yield request.message.SerializeToString()


def _told(writing: Writing, book: Book, row: int) -> tuple[Stream, list[Told]]:
    """Return a row's stream, and the points that make the row."""
    source, series = int(book.sources[row]), int(book.series[row])
    stream = writing.heirs[series] if source == NOBODY else writing.streams.stream(source)
    points: list[Told] = []
    for number, (role, point) in enumerate(_points(book, row)):
        point.start_time_unix_nano = int(book.starts[row])
        times = getattr(book, "times", None)
        if times is not None:
            point.time_unix_nano = int(times[row])
        if not number and not book.present[row]:
            point.flags |= NO_RECORDED_VALUE
        told: dict[str, Any] = {}
        if source == NOBODY:
            if role == reserved.READING:
                continue  # a share was told nothing
            carried = role == reserved.CARRIED
            role = reserved.RETIRED if carried else reserved.RETIRED_DISCOUNTED  # noqa: PLW2901
            told = {reserved.SEEN: float(book.seen[row]), reserved.POOLED: book.pooled}
        elif not number:
            told = _kept(book, row, asleep=not writing.awake[source])
        points.append((role, point, told))
    return stream, points


def _points(book: Book, row: int) -> Iterator[tuple[str, Any]]:
    if isinstance(book, Scalars):
        yield from numbers.tell(book, row)
    elif isinstance(book, Distributions):
        yield from distributions.tell(book, row)


def _kept(book: Book, row: int, *, asleep: bool) -> dict[str, Any]:
    """Return what is kept of a row besides its numbers; what is nothing is left out."""
    kept: dict[str, Any] = {reserved.ASLEEP: asleep}
    if isinstance(book, Lives):
        kept[reserved.RETURNED] = row in book.returned
        kept[reserved.CLOSED] = book.closed(int(book.sources[row]))
    if book.told is not None:
        kept[reserved.TOLD] = int(book.told[row])
    if book.intervals is not None:
        remembered, forgotten = book.intervals.told(row)
        kept[reserved.INTERVALS] = b"".join(INTERVAL.pack(*one) for one in remembered)
        kept[reserved.FORGOTTEN] = forgotten
    seen = {reserved.SEEN: float(book.seen[row])}
    return seen | {key: value for key, value in kept.items() if value}


class _Request:
    """A request under construction; neighbours that stand in one place share it."""

    def __init__(self) -> None:
        self.message = ExportMetricsServiceRequest()
        self._around: tuple[Any, ...] = ()
        self._metric: tuple[Any, ...] = ()

    def add(self, stream: Stream, points: list[Told]) -> None:
        """Add the points of a row."""
        data = _data(self._place(stream), stream)
        for role, point, told in points:
            point.attributes.extend(key_values(stream.attributes))
            point.attributes.add(key=reserved.ROLE, value=any_value(role))
            if stream.copy:
                point.attributes.add(key=reserved.COPY, value=_reserved(stream.copy))
            for key, value in told.items():
                point.attributes.add(key=key, value=_reserved(value))
            data.data_points.append(point)

    def _place(self, stream: Stream) -> Metric:
        around = stream.resource, stream.scope
        what = stream.name, stream.unit, stream.kind, stream.temporality, stream.description
        outer = self.message.resource_metrics
        if around != self._around or not outer:
            fresh = outer.add()
            fresh.resource.attributes.extend(key_values(stream.resource))
            inner = fresh.scope_metrics.add(schema_url=stream.scope.schema_url)
            inner.scope.name, inner.scope.version = stream.scope.name, stream.scope.version
            inner.scope.attributes.extend(key_values(stream.scope.attributes))
            self._around, self._metric = around, ()
        metrics = outer[-1].scope_metrics[0].metrics
        if what != self._metric:
            metrics.add(name=stream.name, unit=stream.unit, description=stream.description)
            self._metric = what
        return metrics[-1]


def _reserved(value: bool | bytes | float) -> AnyValue:
    """Write the value of a reserved attribute."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    # nanoseconds fill all 64 bits
    return AnyValue(int_value=value - (1 << 64) if value >> 63 else value)


def _data(metric: Metric, stream: Stream) -> Any:  # noqa: ANN401 - one of five messages
    """Return where the points of a metric stand."""
    name = FORMS.get(stream.kind, "sum")
    data = getattr(metric, name)
    data.SetInParent()
    if stream.temporality is not Temporality.NONE and stream.kind is not Kind.SUMMARY:
        data.aggregation_temporality = stream.temporality.value
    if name == "sum":
        data.is_monotonic = stream.kind is Kind.COUNTER
    return data
