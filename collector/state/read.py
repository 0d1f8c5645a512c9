"""OTLP requests of a state -> an engine's memory, through the rules that are in force now.

A stream that a rule drops now, or that nobody could show, is left out and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collector.ledger.distributions import Distributions
from collector.ledger.lives import Lives
from collector.ledger.scalars import Scalars
from collector.model import Kind, Scope, Stream, Temporality
from collector.state import distributions, numbers, reserved
from collector.state.write import FORMS, INTERVAL, NO_RECORDED_VALUE
from collector.wire.values import attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from collector.errors import Reason
    from collector.ledger.book import Book
    from collector.ledger.ledger import Ledger
    from collector.model import Attributes
    from collector.route import Router

KINDS = {form: kind for kind, form in FORMS.items()}


def restore(body: bytes, ledger: Ledger, router: Router) -> int:
    """Take in a request of a state; return how many rows have no place any more.

    Raises ValueError where it is none.
    """
    try:
        message = ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        raise ValueError("not an OTLP request") from None
    lost = 0
    for outer in message.resource_metrics:
        resource = _attributes(outer.resource.attributes)
        for inner in outer.scope_metrics:
            own = _attributes(inner.scope.attributes)
            scope = Scope(inner.scope.name, inner.scope.version, inner.schema_url, own)
            for metric in inner.metrics:
                for stream, point, told in _streams(resource, scope, metric):
                    lost += _restore(ledger, router, stream, point, told)
    return lost


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    raw = [pair.SerializeToString() for pair in pairs]
    ends = [0]
    for one in raw:
        ends.append(ends[-1] + len(one))
    return attributes(b"".join(raw), zip(ends, ends[1:]))


def _streams(
    resource: Attributes, scope: Scope, metric: Metric
) -> Iterator[tuple[Stream, Any, dict[str, Any]]]:
    """Yield each point with its stream, and what its reserved attributes tell."""
    form = metric.WhichOneof("data") or ""
    data = getattr(metric, form)
    kind = KINDS.get(form) or (Kind.COUNTER if data.is_monotonic else Kind.UPDOWN)
    temporality = {Kind.GAUGE: 0, Kind.SUMMARY: 2}.get(kind)
    if temporality is None:
        temporality = data.aggregation_temporality
    for point in data.data_points:
        plain, told = [], {}
        for pair in point.attributes:
            if pair.key.startswith(reserved.PREFIX):
                told[pair.key] = getattr(pair.value, pair.value.WhichOneof("value") or "")
            else:
                plain.append(pair)
        stream = Stream(
            resource=resource,
            scope=scope,
            name=metric.name,
            unit=metric.unit,
            kind=kind,
            temporality=Temporality(temporality),
            attributes=_attributes(plain),
            description=metric.description,
            copy=told.get(reserved.COPY, 0),
        )
        yield stream, point, told


def _restore(
    ledger: Ledger,
    router: Router,
    stream: Stream,
    point: Any,  # noqa: ANN401 - one of five messages
    told: dict[str, Any],
) -> bool:
    """Take in a point; return whether that is a row which has no place."""
    role = told[reserved.ROLE]
    bounds = tuple(point.explicit_bounds) if stream.kind is Kind.HISTOGRAM else ()
    book = ledger.book(stream.kind, stream.temporality, bounds)
    seen = told.get(reserved.SEEN, 0.0)
    if role in (reserved.RETIRED, reserved.RETIRED_DISCOUNTED):
        series = router.inherit(stream)
        if series is None:
            return True
        row = book.retired(series, seen)
        book.starts[row] = max(int(book.starts[row]), point.start_time_unix_nano)
        book.pooled = max(book.pooled, _unsigned(told.get(reserved.POOLED, 0)))
        book.present[row] = True
        role = reserved.CARRIED if role == reserved.RETIRED else reserved.DISCOUNTED
        _take(book, row, role, point)
        return False
    source: int | Reason | None = router.roster.find(stream)
    if reserved.SEEN in told:
        source = router.remember(stream) if told.get(reserved.ASLEEP) else router.route(stream)
    if not isinstance(source, int):
        return bool(role == reserved.READING)
    start = point.start_time_unix_nano
    found = book.find(source, start)
    row = (
        book.open(source, start, router.roster.series_of(source), seen) if found is None else found
    )
    if reserved.SEEN in told:
        _keep(book, row, point, told)
    _take(book, row, role, point)
    return False


def _take(book: Book, row: int, role: str, point: Any) -> None:  # noqa: ANN401 - of five messages
    if isinstance(book, Scalars):
        numbers.take(book, row, role, point)
    elif isinstance(book, Distributions):
        distributions.take(book, row, role, point)


def _keep(book: Book, row: int, point: Any, told: dict[str, Any]) -> None:  # noqa: ANN401
    """Let a row have what is kept of it besides its numbers."""
    book.present[row] = not point.flags & NO_RECORDED_VALUE
    times = getattr(book, "times", None)
    if times is not None:
        times[row] = point.time_unix_nano
    if book.told is not None:
        book.told[row] = _unsigned(told.get(reserved.TOLD, 0))
    if isinstance(book, Lives):
        book.returned.discard(row)
        if told.get(reserved.RETURNED):
            book.returned.add(row)
        book.close_until(int(book.sources[row]), _unsigned(told.get(reserved.CLOSED, 0)))
    if book.intervals is not None:
        packed = told.get(reserved.INTERVALS, b"")
        forgotten = _unsigned(told.get(reserved.FORGOTTEN, 0))
        book.intervals.take(row, INTERVAL.iter_unpack(packed), forgotten)


def _unsigned(value: int) -> int:
    return value & ((1 << 64) - 1)
