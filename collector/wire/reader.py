"""Request bytes -> parts: for each metric its resource, its scope, its shape and its cells.

What was seen before is recognised; what was not is first judged as a whole by the standard decoder,
so a request is either valid in every byte or refused in every byte. The shapes are a cache and
never a second truth: with an empty cache the parts are the same. It knows no rules and no series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collector.errors import Malformed
from collector.wire.alike import Known
from collector.wire.framing import Context, Framed, context_of, frames
from collector.wire.learn import learn
from collector.wire.point import NOTHING_MORE, Wanted
from collector.wire.scan import Unusual, varint
from collector.wire.shape import Desk, MetricShape, RequestShape

if TYPE_CHECKING:
    from collector.wire.column import Cells

SPARE_CONTEXTS = 1000
"""Contexts without a shape that are not worth looking for."""
SHAPES_MAX = 50_000
"""Shapes remembered; beyond, metrics are learnt for one request only."""
SHAPE_BYTES_MAX = 256 * 1024 * 1024
"""Of all metrics, requests or contexts that are remembered, each; some 3,000 bodies of workers."""


class Part(NamedTuple):
    """One metric of a request."""

    context: Context
    shape: MetricShape
    cells: list[Cells]
    at: int
    """Where in the request it begins."""


class Taken(NamedTuple):
    """A request taken apart."""

    parts: list[Part]
    known: bool
    """Every metric was recognised in these very bytes: they may be remembered as a whole."""


Key = tuple[bytes, bytes, int, bytes]
"""What a shape is found by: the bytes around a metric, its size and its name."""


class Reader:
    """Reads requests; remembers contexts and shapes."""

    def __init__(
        self, wanted: Wanted = NOTHING_MORE, shape_bytes_max: int = SHAPE_BYTES_MAX
    ) -> None:
        self._wanted = wanted
        self._shape_bytes_max = shape_bytes_max
        self._desk = Desk()
        self._contexts: dict[tuple[bytes, bytes], Context] = {}
        self._known = Known()
        self._shapes: dict[Key, MetricShape] = {}
        self._latest: dict[tuple[bytes, bytes, bytes], Key] = {}
        """Of the metrics whose size goes with their numbers, the shape that was learnt last."""
        self._requests: dict[tuple[int, bytes], RequestShape] = {}
        self._context_bytes = self._shape_bytes = self._request_bytes = 0
        self.learnt = 0
        """Metrics that had to be learnt since the start."""
        self.matched = 0
        """Metrics that a shape matched."""

    @property
    def shapes(self) -> int:
        """How many shapes are remembered."""
        return len(self._shapes)

    def again(self, body: bytes) -> tuple[RequestShape, list[Cells]] | None:
        """Recognise a whole request at once; None if it is not one that was remembered."""
        shape = self._requests.get(_beginning(body))
        if shape is None:
            return None
        self._desk.lay(body, 0, len(body))
        cells = self._desk.take(shape)
        if cells is None:
            return None
        self.matched += shape.metrics
        return shape, cells

    def remember(self, body: bytes, parts: list[Part], now: float) -> RequestShape:
        """Make one shape of a request that `read` said was known."""
        self._desk.lay(body, 0, len(body))
        shape = self._desk.join([(part.at, part.shape) for part in parts], len(body), now)
        beginning = _beginning(body)
        self._request_bytes += 0 if beginning in self._requests else len(body)
        if len(self._requests) >= SHAPES_MAX or self._request_bytes > self._shape_bytes_max:
            self._requests.clear()
            self._request_bytes = len(body)
        self._requests[beginning] = shape
        return shape

    def read(self, body: bytes, now: float) -> Taken:
        """Take a request apart; whoever uses a part's shape says so in its `used`.

        Raises Malformed where the body is not an ExportMetricsServiceRequest.
        """
        try:
            framed = list(frames(body, strict=True))
            parts = self._recognise(body, framed)
        except (Unusual, IndexError):
            parts = None
        if parts is not None:
            return Taken(parts, known=True)
        return Taken(self._learn(body, now), known=False)

    def forget(self, before: float) -> None:
        """Drop the shapes that nothing matched since `before`."""
        for key in [key for key, shape in self._shapes.items() if shape.used < before]:
            self._drop(key)
        self._latest = {name: key for name, key in self._latest.items() if key in self._shapes}
        for beginning in [key for key, shape in self._requests.items() if shape.used < before]:
            del self._requests[beginning]
            self._request_bytes -= beginning[0]
        if len(self._contexts) > 2 * len(self._shapes) + SPARE_CONTEXTS:
            living = {key[:2] for key in self._shapes}
            self._contexts = {key: one for key, one in self._contexts.items() if key in living}
            self._context_bytes = sum(len(outer) + len(inner) for outer, inner in self._contexts)

    def _drop(self, key: Key) -> None:
        if self._shapes.pop(key, None) is not None:
            self._shape_bytes -= key[2]

    def _keep(self, key: Key, shape: MetricShape) -> None:
        """Remember a shape, if there is room."""
        if key not in self._shapes:
            if len(self._shapes) >= SHAPES_MAX:
                return
            if self._shape_bytes + key[2] > self._shape_bytes_max:
                return
            self._shape_bytes += key[2]
        self._shapes[key] = shape

    def _recognise(self, body: bytes, framed: list[Framed]) -> list[Part] | None:
        """Return the parts if every one of them is known."""
        parts = []
        for outer, inner, at, end in framed:
            context = self._contexts.get((outer, inner))
            shape = self._shapes.get((outer, inner, end - at, _name(body, at)))
            if context is None or shape is None:
                return None
            self._desk.lay(body, at, end - at)
            cells = self._desk.take(shape)
            if cells is None:
                return None
            parts.append(Part(context, shape, cells, at))
        self.matched += len(parts)
        return parts

    def _learn(self, body: bytes, now: float) -> list[Part]:
        """Return the parts of a request in which something is new."""
        message = ExportMetricsServiceRequest()
        try:
            message.ParseFromString(body)
        except DecodeError:
            raise Malformed("the body is not an OTLP ExportMetricsServiceRequest") from None
        try:
            return [self._part(body, framed, now) for framed in list(frames(body))]
        except (Unusual, IndexError):
            pass
        message.DiscardUnknownFields()
        canonical = message.SerializeToString()
        return [self._part(canonical, framed, now) for framed in list(frames(canonical))]

    def _part(self, body: bytes, framed: Framed, now: float) -> Part:
        outer, inner, at, end = framed
        context = self._contexts.get((outer, inner))
        if context is None:
            context = context_of(outer, inner)
            self._context_bytes += len(outer) + len(inner)
            if len(self._contexts) >= SHAPES_MAX or self._context_bytes > self._shape_bytes_max:
                self._contexts.clear()
                self._context_bytes = len(outer) + len(inner)
            self._contexts[outer, inner] = context
        size = end - at
        key = outer, inner, size, _name(body, at)
        shape, cells = self._shapes.get(key), None
        if shape is not None:
            self._desk.lay(body, at, size)
            cells = self._desk.take(shape)
        if shape is None or cells is None:
            learnt = learn(body, at, end, self._known, self._wanted)
            self._desk.lay(body, at, size)
            shape, cells = self._desk.cast(learnt, at, size, now)
            self.learnt += 1
            if shape.is_growing:
                # the next export may have another size: of all of them the last is kept
                last = self._latest.setdefault((outer, inner, key[-1]), key)
                self._drop(last)
                self._latest[outer, inner, key[-1]] = key
            self._keep(key, shape)
        else:
            self.matched += 1
        return Part(context, shape, cells, at)


def _beginning(body: bytes) -> tuple[int, bytes]:
    """Return what tells requests apart before they are looked at: length, and whose they are.

    That is everything up to the end of the first resource, where it stands first. It only helps to
    find a shape, so what is odd or broken may give anything.
    """
    if body[:1] != b"\x0a":
        return len(body), b""
    try:
        _, at = varint(body, 1)
        size, at = varint(body, at + 1) if body[at] == 0x0A else (0, at)
    except (Unusual, IndexError):
        return len(body), b""
    return len(body), body[: at + size]


def _name(body: bytes, at: int) -> bytes:
    """Return a metric's name where it stands first and is short, as every SDK writes it.

    It only helps to find a shape; where it is missing the size alone has to.
    """
    size = body[at + 1] if body[at : at + 1] == b"\x0a" else 0
    return body[at + 2 : at + 2 + size] if size < 0x80 else b""
