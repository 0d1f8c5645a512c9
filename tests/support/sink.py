"""A place to push to: an OTLP/HTTP server on loopback that adds up what it got.

Its sums follow the one rule of cumulative data: a series is the sum, over instances and their lives
(start times), of the largest number that each reported.
"""

from __future__ import annotations

import gzip
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


Attributes: TypeAlias = frozenset[tuple[str, str]]


class Point(NamedTuple):
    """One number, or one histogram as its count and sum."""

    instance: str
    start: int
    time: int
    name: str
    attributes: Attributes
    kind: str
    value: float
    """Of a histogram its count."""
    sum: float


class Span(NamedTuple):
    """One span."""

    instance: str
    name: str
    attributes: dict[str, str]
    events: list[dict[str, str]]
    message: Any
    """As OTLP has it."""


class Sink:
    """Takes requests; `status` is what it answers."""

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.requests = 0
        self.headers: Mapping[str, str] = {}
        """Of the last request."""
        self.bodies: list[bytes] | None = None
        """Every request as it came, for who sets this to a list."""
        self.spans: list[Span] = []
        """Every span received, in the order it came."""
        self.trace_bodies: list[bytes] = []
        self.points: list[Point] = []
        """Every point received, in the order it came."""
        self._lives: dict[tuple[str, Attributes, str, int], Point] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if sink.status == 200 and self.path == "/v1/traces":
                    sink.trace_bodies.append(body)
                    sink._take_spans(ExportTraceServiceRequest.FromString(body))
                if sink.status == 200 and self.path == "/v1/metrics":
                    sink.headers = dict(self.headers)
                    if sink.bodies is not None:
                        sink.bodies.append(body)
                    sink._take(ExportMetricsServiceRequest.FromString(body))
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

    def _take(self, request: ExportMetricsServiceRequest) -> None:
        for point in _points(request):
            self.points.append(point)
            life = (point.name, point.attributes, point.instance, point.start)
            known = self._lives.get(life)
            if known is None or point.kind == "gauge" or point.value >= known.value:
                self._lives[life] = point
        self.requests += 1

    def _take_spans(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {item.key: item.value.string_value for item in span.attributes}
                    events = [
                        {item.key: item.value.string_value for item in event.attributes}
                        for event in span.events
                    ]
                    instance = names.get("service.instance.id", "")
                    self.spans.append(Span(instance, span.name, attributes, events, span))

    def sums(self, name: str, *, of: str = "value") -> dict[Attributes, float]:
        """By attributes: the sum of a counter, or of a histogram its count or (`of="sum"`) sum."""
        series: dict[Attributes, float] = defaultdict(float)
        for (metric, attributes, *_), point in list(self._lives.items()):
            if metric == name:
                series[attributes] += getattr(point, of)
        return dict(series)

    def sum(self, name: str, *, of: str = "value", **attributes: str) -> float:
        """Over all series that have these attributes."""
        wanted = frozenset(attributes.items())
        return sum(value for key, value in self.sums(name, of=of).items() if wanted <= key)

    def by_instance(self, name: str) -> dict[str, float]:
        """The sum of a counter over all its series, by who reported it."""
        sums: dict[str, float] = defaultdict(float)
        for (metric, _, instance, _), point in list(self._lives.items()):
            if metric == name:
                sums[instance] += point.value
        return dict(sums)

    def instances(self, name: str) -> set[str]:
        """Who reported a metric."""
        return {point.instance for point in self.points if point.name == name}


def _points(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    for resource in request.resource_metrics:
        names = {item.key: item.value.string_value for item in resource.resource.attributes}
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = str(metric.WhichOneof("data"))
                for point in getattr(metric, kind).data_points:
                    instance = names.get("service.instance.id", "")
                    yield _point(instance, metric.name, kind, point)


def _point(instance: str, name: str, kind: str, point: Any) -> Point:
    attributes = frozenset((item.key, item.value.string_value) for item in point.attributes)
    start = point.start_time_unix_nano
    if kind == "histogram":
        value, total = float(point.count), point.sum
    else:
        value = point.as_double if point.HasField("as_double") else float(point.as_int)
        total = 0.0
    return Point(instance, start, point.time_unix_nano, name, attributes, kind, value, total)
