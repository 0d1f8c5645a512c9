"""Reading request bytes: the learnt way and the standard decoder say the same."""

from __future__ import annotations

import math
import struct
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collector.errors import Malformed, Reason
from collector.model import Kind, Scope, Temporality, Typed
from collector.reading import Grid
from collector.wire.otlp_json import to_protobuf
from collector.wire.point import Wanted
from collector.wire.reader import Reader
from collector.wire.shape import joined
from collector.wire.values import any_value
from tests.collector.otlp import CUMULATIVE, DELTA, START, WORKER, Request, labels

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from collector.wire.column import Column, Identities

Reading = tuple[Any, ...]

texts = st.text(max_size=6)
eight_bytes = st.integers(0, 2**64 - 1)
varints = st.sampled_from([0, 1, 127, 128, 2**14, 2**35, 2**53, 2**56 - 1, 2**56, 2**64 - 1])
doubles = st.floats(width=64)


def ids(size: int) -> st.SearchStrategy[bytes]:
    """Ids of a trace or span: right, absent, zero, of a wrong length."""
    return st.one_of(
        st.binary(min_size=size, max_size=size), st.sampled_from([b"", bytes(size), b"short"])
    )


attribute_sets = st.dictionaries(st.sampled_from("abcd"), texts, max_size=3)


def keys_of(attributes: Any) -> Any:
    """Attributes in the model's form; None where a key stands twice."""
    pairs = []
    for attribute in attributes:
        value: Any = attribute.value.string_value
        if attribute.value.WhichOneof("value") != "string_value":
            body = attribute.value.SerializeToString()
            value = any_value(body, 0, len(body))
        pairs.append((attribute.key, value))
    unique = len({key for key, _ in pairs}) == len(pairs)
    return tuple(sorted(pairs, key=lambda pair: pair[0])) if unique else None


def identity(resource: Any, scope: Any, schema_url: str, metric: Metric) -> Reading:
    """What stands around a point, from decoded messages."""
    return (
        keys_of(resource.attributes),
        (scope.name, scope.version, schema_url),
        (metric.name, metric.unit, metric.description),
    )


def decoded(body: bytes) -> Counter[Reading]:
    """Everything in a request by the standard decoder: the other way to the same truth."""
    found: Counter[Reading] = Counter()
    for outer in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for inner in outer.scope_metrics:
            for metric in inner.metrics:
                around = identity(outer.resource, inner.scope, inner.schema_url, metric)
                if around[0] is None or keys_of(inner.scope.attributes) is None:
                    continue
                found.update(around + point for point in points(metric))
    return found


UNTOLD = -1
"""The time of a reading of a life that tells its start: the largest counts, whenever it was."""


def points(metric: Metric) -> list[Reading]:
    """The points of a decoded metric, as far as this collector reads them."""
    kind = metric.WhichOneof("data")
    if kind is None:
        return []
    data = getattr(metric, kind)
    temporality = {"gauge": 0, "summary": CUMULATIVE}.get(kind)
    if temporality is None:
        temporality = data.aggregation_temporality
    if kind != "gauge" and temporality not in {1, 2}:
        return []
    result = []
    for point in data.data_points:
        keys = keys_of(point.attributes)
        if keys is None:
            continue
        what = (kind, temporality, kind == "sum" and data.is_monotonic, keys)
        start = point.start_time_unix_nano if temporality else 0
        lasting = kind in DISTRIBUTIONS or (kind == "sum" and data.is_monotonic)
        known = temporality == CUMULATIVE and start and lasting
        when = (start, UNTOLD if known else point.time_unix_nano)
        stale = bool(point.flags & 1)
        if kind in DISTRIBUTIONS:
            told = DISTRIBUTIONS[kind](point)
            if told is None:
                continue
            numbers: tuple[Any, ...] = (bits(point.sum), point.count, *told)
        elif point.WhichOneof("value") == "as_double":
            numbers = (bits(point.as_double),)
        else:
            numbers = (point.as_int,)
        result.append((*what, *when, stale, *numbers))
    return result


def explicit(point: Any) -> tuple[Any, ...] | None:
    """Buckets and bounds of a decoded histogram; None where they make no sense."""
    bounds, buckets = tuple(point.explicit_bounds), tuple(point.bucket_counts)
    if not bounds and not buckets:
        buckets = (point.count,)
    rising = all(a < b for a, b in zip(bounds, bounds[1:]))
    if len(buckets) != len(bounds) + 1 or not rising or not all(map(math.isfinite, bounds)):
        return None
    return buckets, bounds


def exponential(point: Any) -> tuple[Any, ...] | None:
    """Buckets of a decoded exponential histogram, and the grid that they are on."""
    sides = point.positive, point.negative
    counts = [count for side in sides for count in side.bucket_counts]
    grid = Grid(
        point.scale,
        point.zero_threshold,
        *(range(side.offset, side.offset + len(side.bucket_counts)) for side in sides),
    )
    steps = Fraction(2) ** max(-5, min(point.scale, 21))
    sound = -4 <= point.scale <= 20 and 0 <= point.zero_threshold < math.inf
    for side in (grid.positive, grid.negative):
        sound &= not side or (-1075 * steps - 1 <= side.start and side.stop <= 1024 * steps)
    if not sound or any(count >= 2**56 for count in counts):
        return None
    return (point.zero_count, *counts), grid


def summary(point: Any) -> tuple[Any, ...] | None:
    """Values at quantiles of a decoded summary."""
    values = {pair.quantile: bits(pair.value) for pair in point.quantile_values}
    if len(values) < len(point.quantile_values) or not all(0 <= at <= 1 for at in values):
        return None
    return tuple(values[at] for at in sorted(values)), tuple(sorted(values))


DISTRIBUTIONS = {
    "histogram": explicit,
    "exponential_histogram": exponential,
    "summary": summary,
}


def bits(value: float) -> bytes:
    """A double by its bytes, so that NaN equals itself."""
    return struct.pack("<d", value)


KINDS = {
    Kind.GAUGE: ("gauge", False),
    Kind.COUNTER: ("sum", True),
    Kind.UPDOWN: ("sum", False),
    Kind.HISTOGRAM: ("histogram", False),
    Kind.EXPONENTIAL: ("exponential_histogram", False),
    Kind.SUMMARY: ("summary", False),
}


def learnt(reader: Reader, body: bytes) -> Counter[Reading]:
    """Everything in a request by the reader under test, in the oracle's form."""
    found: Counter[Reading] = Counter()
    for part in reader.read(body, 0).parts:
        head = part.shape.head
        if head is None or part.context.resource is None or part.context.scope is None:
            continue
        around = (part.context.resource, part.context.scope[:3], head[:3])
        kind, monotonic = KINDS[head.kind]
        for which, column in enumerate(part.shape.columns):
            reading = column.read(part.cells[which])
            whose = part.shape.identities[which]
            for at, attributes in enumerate(whose.attributes):
                timed = column.layout.is_timed
                start = int(reading.starts[at]) if timed else 0
                start = start or int(whose.starts[at])
                what = (kind, head.temporality.value, monotonic, attributes)
                when = (start, int(reading.times[at]) if timed else UNTOLD)
                if reading.counts is not None:
                    count = int(reading.counts[at].view("u8"))
                    told = told_of(reading, at)
                    numbers: tuple[Any, ...] = (bits(reading.values[at]), count, *told)
                elif column.layout.is_double:
                    numbers = (bits(reading.values[at]),)
                else:
                    numbers = (int(reading.values[at]),)
                key = (*around, *what, *when, bool(whose.stale[at]), *numbers)
                found[key] += 1
    return found


def told_of(reading: Any, at: int) -> tuple[Any, ...]:
    """How the values of a distribution lie, in the oracle's form."""
    if reading.quantiles is not None:
        return tuple(map(bits, reading.quantiles[at].tolist())), reading.bounds
    counts = tuple(reading.buckets[at].view("u8").tolist())
    if reading.grids is None:
        return counts, reading.bounds
    grid = reading.grids[at]
    used = 1 + len(grid.positive) + len(grid.negative)
    assert not any(counts[used:])
    return counts[:used], grid


@st.composite
def metrics(draw: st.DrawFn) -> Request:
    """A request with up to four metrics of every kind, in up to two resources."""
    request = Request()
    for _ in range(draw(st.integers(0, 4))):
        resource = {"service.name": draw(st.sampled_from(["x", "y"]))}
        metric = request.metric(draw(texts), resource, unit=draw(texts), description=draw(texts))
        kind = draw(st.sampled_from(["gauge", "sum", *DISTRIBUTIONS, "nothing"]))
        if kind == "nothing":
            continue
        data = getattr(metric, kind)
        data.SetInParent()
        if kind == "sum":
            data.is_monotonic = draw(st.booleans())
        if kind not in {"gauge", "summary"}:
            data.aggregation_temporality = draw(st.sampled_from([0, CUMULATIVE, DELTA]))
        for _ in range(draw(st.integers(0, 3))):
            point = data.data_points.add(attributes=labels(draw(attribute_sets)))
            fill(draw, point, kind)
    return request


def fill(draw: st.DrawFn, point: Any, kind: str) -> None:
    """Give a point its numbers."""
    point.start_time_unix_nano = draw(st.sampled_from([0, START, START + 1]))
    point.time_unix_nano = draw(eight_bytes)
    point.flags = draw(st.sampled_from([0, 0, 0, 1, 2]))
    if kind in DISTRIBUTIONS:
        point.count = draw(eight_bytes)
        if kind == "summary" or draw(st.booleans()):
            point.sum = draw(doubles)
    if kind == "histogram":
        bounds = draw(st.lists(doubles, max_size=3))
        point.explicit_bounds.extend(sorted(bounds) if draw(st.booleans()) else bounds)
        point.bucket_counts.extend(draw(eight_bytes) for _ in range(len(bounds) + 1))
    elif kind == "exponential_histogram":
        point.scale = draw(st.integers(-5, 21))
        point.zero_count = draw(eight_bytes)
        point.zero_threshold = draw(st.sampled_from([0.0, 0.0, 1e-9, -1.0, math.inf]))
        for side in (point.positive, point.negative):
            side.offset = draw(st.sampled_from([0, -3, 5, 2**31 - 9, -(2**31)]))
            side.bucket_counts.extend(draw(st.lists(varints, max_size=5)))
    elif kind == "summary":
        for quantile in draw(st.lists(st.sampled_from([0.0, 0.5, 0.99, 1.0, 2.0]), max_size=3)):
            point.quantile_values.add(quantile=quantile, value=draw(doubles))
    if "histogram" in kind and draw(st.booleans()):
        point.min = draw(doubles)
        point.exemplars.add(as_double=draw(doubles), trace_id=b"0123456789abcdef")
    elif kind in {"gauge", "sum"} and draw(st.booleans()):
        point.as_double = draw(doubles)
    elif kind in {"gauge", "sum"}:
        point.as_int = draw(st.integers(-(2**63), 2**63 - 1))


def numbers_of(
    columns: list[Column], whose: list[list[Identities]], cells: Any
) -> Counter[Reading]:
    """Every point's own identity and numbers, whichever metric it is of.

    `whose` are for each column those of the metrics that it is made of.
    """
    found: Counter[Reading] = Counter()
    for column, several, own in zip(columns, whose, cells):
        reading = column.read(own)
        points = [
            point
            for one in several
            for point in zip(one.attributes, one.starts.tolist(), one.stale.tolist())
        ]
        assert len(points) == len(column)
        for at, point in enumerate(points):
            rest = [
                one[at].tobytes() for one in reading if isinstance(one, np.ndarray) and len(one)
            ]
            key = (point, column.layout, *rest)
            found[key] += 1
    return found


EXEMPLARY = Reader(Wanted(exemplars=True))
READER = Reader()
"""One reader for all examples: a shape learnt from one must never spoil another."""


@given(metrics())
@settings(max_examples=300)
def test_reading_equals_decoding(request: Request) -> None:
    """Every point that the standard decoder sees is read, with the same identity and numbers."""
    body = request.bytes()
    assert learnt(READER, body) == decoded(body)
    assert learnt(READER, body) == decoded(body), "the second time through the learnt shapes"


@given(metrics(), st.data())
@settings(max_examples=300)
def test_a_whole_request_reads_as_its_metrics_do(request: Request, data: st.DataObject) -> None:
    """A request remembered as a whole yields what its parts yield, also with other numbers."""
    body = request.bytes()
    READER.read(body, 0)
    taken = READER.read(body, 0)
    if not taken.known:
        return
    shape = READER.remember(body, taken.parts, 0)
    for part in request.message.resource_metrics:
        for metric in part.scope_metrics[0].metrics:
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points if kind else ():
                if kind == "sum":
                    point.as_int = data.draw(st.integers(-(2**63), 2**63 - 1))
                point.time_unix_nano = data.draw(st.integers(1, 2**64 - 1))
    changed = request.bytes()
    parts = READER.read(changed, 0).parts
    shapes = [part.shape for part in parts]
    alone = (
        numbers_of(one.columns, [[own] for own in one.identities], part.cells)
        for one, part in zip(shapes, parts)
    )
    expected = sum(alone, Counter())
    again = READER.again(changed)
    if again is not None:
        whose = [[shapes[at].identities[of] for at, of in group] for group in joined(shapes)]
        assert numbers_of(again[0].columns, whose, again[1]) == expected
        assert again[0].points == expected.total()
    same = READER.again(body)
    assert same is not None
    assert same[0] is shape


@given(metrics(), st.data())
@settings(max_examples=500)
def test_mutated_bytes_are_read_as_decoded_or_refused(
    request: Request, data: st.DataObject
) -> None:
    """After bytes are changed both ways agree: on every point, or that the body is malformed."""
    body = bytearray(request.bytes())
    READER.read(bytes(body), 0)
    for _ in range(data.draw(st.integers(1, 3))):
        if body:
            at = data.draw(st.integers(0, len(body) - 1))
            body[at] = data.draw(st.integers(0, 255))
    mutated = bytes(body)
    try:
        expected = decoded(mutated)
    except DecodeError:
        with pytest.raises(Malformed):
            READER.read(mutated, 0)
    else:
        assert learnt(READER, mutated) == expected


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_garbage_is_malformed_or_empty(body: bytes) -> None:
    """Arbitrary bytes raise Malformed exactly where the standard decoder refuses them."""
    try:
        ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        with pytest.raises(Malformed):
            Reader().read(body, 0)
    else:
        Reader().read(body, 0)


def test_a_second_export_is_matched_and_not_learnt() -> None:
    """Times and numbers may change freely; a new stream relearns its own metric alone."""
    reader = Reader()

    def export(value: int, tenants: int) -> bytes:
        request = Request()
        for name in ("a", "b"):
            metric = request.metric(name)
            metric.sum.aggregation_temporality = CUMULATIVE
            for tenant in range(tenants if name == "a" else 1):
                metric.sum.data_points.add(
                    as_int=value, time_unix_nano=value, attributes=labels({"t": str(tenant)})
                )
        return request.bytes()

    reader.read(export(1, 1), 0)
    assert (reader.learnt, reader.matched) == (2, 0)
    reader.read(export(2**40, 1), 0)
    assert (reader.learnt, reader.matched) == (2, 2)
    reader.read(export(7, 2), 0)
    assert (reader.learnt, reader.matched) == (3, 3)


def exponential_body(*counts: int) -> bytes:
    """A request with one exponential histogram that has these positive buckets."""
    request = Request()
    data = request.metric("e").exponential_histogram
    data.aggregation_temporality = CUMULATIVE
    point = data.data_points.add(count=1, scale=3)
    point.positive.bucket_counts.extend(counts)
    return request.bytes()


def test_the_counts_of_exponential_buckets_are_cells_while_they_keep_their_length() -> None:
    """What fits the same bytes is matched; of shapes of other sizes the last is kept."""
    reader = Reader()
    for counts in ((1, 200, 3), (127, 2**14 - 1, 0), (7, 128, 9)):
        body = exponential_body(*counts)
        assert learnt(reader, body) == decoded(body)
    assert (reader.learnt, reader.matched) == (1, 2)
    for others in ((200, 1, 3), (1, 2, 3), (1, 2, 300), (1, 2, 3, 4)):
        body = exponential_body(*others)
        assert learnt(reader, body) == decoded(body)
        assert reader.shapes == 1
    assert reader.learnt == 5


@given(st.lists(varints, min_size=1, max_size=20), st.data())
@settings(max_examples=200)
def test_mutated_varints_are_read_as_decoded(counts: list[int], data: st.DataObject) -> None:
    """Whatever bytes stand in the place of buckets, after they were learnt and also before."""
    body = bytearray(exponential_body(*counts))
    READER.read(bytes(body), 0)
    at = data.draw(st.integers(len(body) - 12 - len(counts), len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    try:
        expected = decoded(bytes(body))
    except DecodeError:
        with pytest.raises(Malformed):
            READER.read(bytes(body), 0)
    else:
        assert learnt(READER, bytes(body)) == expected
        assert learnt(Reader(), bytes(body)) == expected


@given(st.lists(st.tuples(doubles, st.booleans(), eight_bytes, ids(16), ids(8)), max_size=4))
@settings(max_examples=200)
def test_exemplars_are_read_where_they_are_asked_for(
    drawn: list[tuple[float, bool, int, bytes, bytes]],
) -> None:
    """Value, time and ids, the second time through the shape; nobody else's reading changes."""
    request = Request().counter("c", {"k": "v"}, 1)
    point = request.message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    expected = []
    for value, whole, time, trace, span in drawn:
        exemplar = point.exemplars.add(time_unix_nano=time, trace_id=trace, span_id=span)
        exemplar.filtered_attributes.extend(labels({"tenant_id": "acme"}))
        if whole:
            exemplar.as_int = time >> 1
        else:
            exemplar.as_double = value
        number = float(time >> 1) if whole else value
        trace_id, span_id = (
            id_.hex() if len(id_) == size and any(id_) else ""
            for id_, size in ((trace, 16), (span, 8))
        )
        expected.append((bits(number), time, trace_id, span_id))
    body = request.bytes()
    for _ in range(2):
        (part,) = EXEMPLARY.read(body, 0).parts
        found = [
            (bits(exemplar.value), *exemplar[1:])
            for column, own in zip(part.shape.columns, part.cells)
            if column.layout.is_exemplar
            for exemplar in column.exemplars(own)
        ]
        assert sorted(found) == sorted(expected)
        assert part.shape.points == 1
    (part,) = READER.read(body, 0).parts
    assert not any(column.layout.is_exemplar for column in part.shape.columns)


def fixed(number: int, value: int) -> bytes:
    """One field of eight bytes."""
    return bytes([number << 3 | 1]) + value.to_bytes(8, "little")


@st.composite
def points_in_any_order(draw: st.DrawFn) -> bytes:
    """A request of one sum whose points are written as no SDK does it, some like others."""
    orders = st.permutations(["start", "time", "value", "a", "b", "flags"])
    chosen = draw(st.lists(orders, min_size=1, max_size=2))
    points = b""
    for _ in range(draw(st.integers(1, 8))):
        values = draw(st.tuples(eight_bytes, eight_bytes))
        start = draw(st.sampled_from([0, START, START + 1]))
        parts = {
            "start": fixed(2, start),
            "time": fixed(3, values[0]),
            "value": fixed(draw(st.sampled_from([4, 6])), values[1]),
            "flags": b"" if draw(st.booleans()) else b"\x40\x01",
        }
        for key in "ab":
            pair = labels({draw(st.sampled_from("aabc")): draw(texts)})[0]
            parts[key] = field(7, pair.SerializeToString()) if draw(st.booleans()) else b""
        body = b"".join(parts[name] for name in draw(st.sampled_from(chosen)))
        points += field(1, body)
    temporality = draw(st.sampled_from([DELTA, CUMULATIVE]))
    sum_ = b"\x10" + bytes([temporality]) + b"\x18\x01" + points
    metric = field(1, b"m") + field(7, sum_)
    return field(1, field(2, field(2, metric)))


@given(st.lists(points_in_any_order(), min_size=1, max_size=3))
@settings(max_examples=300)
def test_a_point_may_be_written_in_any_order(bodies: list[bytes]) -> None:
    """Where attributes and numbers stand, and beside which other points, changes no reading."""
    reader = Reader()
    for body in bodies * 2:
        assert learnt(reader, body) == decoded(body)
        assert learnt(READER, body) == decoded(body)


def test_forgotten_shapes_are_learnt_again() -> None:
    """What nothing matched for long is dropped; the next request is read all the same."""
    reader = Reader()
    body = Request().counter("a", {}, 1).bytes()
    (part,) = reader.read(body, 0).parts
    reader.forget(before=1)
    assert reader.shapes == 0
    assert learnt(reader, body) == decoded(body)
    assert part.shape.points == 1


def test_a_start_time_is_part_of_the_shape() -> None:
    """A restarted worker sends another shape: its start is read anew."""
    reader = Reader()
    for start in (START, START + 5):
        (part,) = reader.read(Request().counter("a", {}, 1, start=start).bytes(), 0).parts
        assert part.shape.identities[0].starts == [start]


def test_a_key_that_stands_twice_is_refused() -> None:
    """Which of two values is meant cannot be known: the point counts as refused."""
    request = Request().counter("a", {}, 1)
    point = request.message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    point.attributes.extend(labels({"k": "1"}) + labels({"k": "2"}))
    (part,) = Reader().read(request.bytes(), 0).parts
    assert part.shape.refused == {Reason.DUPLICATE_ATTRIBUTE: 1}
    assert part.shape.points == 0


def test_fields_in_another_order_and_legal_oddities_are_read() -> None:
    """Other SDKs write other orders and packings: a resource behind its scopes, unpacked counts."""
    request = Request().histogram("h", {}, [1.0], [1, 2], 2.5)
    (part,) = Reader().read(request.bytes(), 0).parts
    inner = request.message.resource_metrics[0]
    scopes = inner.scope_metrics[0].SerializeToString()
    resource = inner.resource.SerializeToString()
    swapped = field(2, scopes) + field(1, resource[:0]) + field(1, resource)
    assert learnt(Reader(), field(1, swapped)) == decoded(request.bytes())
    point = inner.scope_metrics[0].metrics[0].histogram.data_points[0]
    packed = field(6, struct.pack("<2Q", *point.bucket_counts))
    loose = b"".join(bytes([6 << 3 | 1]) + struct.pack("<Q", n) for n in point.bucket_counts)
    raw = point.SerializeToString()
    assert packed in raw
    body = raw.replace(packed, loose)
    metric = field(1, b"h") + field(9, field(1, body) + b"\x10\x02")
    unpacked = field(1, field(1, resource) + field(2, field(2, metric)))
    assert learnt(Reader(), unpacked) == decoded(unpacked)
    assert decoded(unpacked).total() == 1
    assert part.context.resource == tuple(sorted(WORKER.items()))


def field(number: int, payload: bytes) -> bytes:
    """One length-delimited field; payloads under 16 KiB."""
    size = len(payload)
    prefix = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + prefix + payload


VALUES = [
    (AnyValue(string_value="5"), "5"),
    (AnyValue(int_value=5), Typed("int", "5")),
    (AnyValue(int_value=-7), Typed("int", "-7")),
    (AnyValue(bool_value=True), Typed("bool", "true")),
    (AnyValue(double_value=1.0), Typed("double", "1")),
    (AnyValue(double_value=0.1), Typed("double", "0.1")),
    (AnyValue(double_value=1e20), Typed("double", "100000000000000000000")),
    (AnyValue(double_value=1e21), Typed("double", "1e+21")),
    (AnyValue(double_value=1e-7), Typed("double", "1e-7")),
    (AnyValue(bytes_value=b"\x00\xff"), Typed("bytes", "AP8=")),
    (AnyValue(), Typed("empty", "")),
    (
        AnyValue(
            array_value=ArrayValue(
                values=[
                    AnyValue(string_value="a<"),
                    AnyValue(int_value=1),
                    AnyValue(double_value=1.5),
                ]
            )
        ),
        Typed("array", '["a<",1,1.5]'),
    ),
    (
        AnyValue(
            kvlist_value=KeyValueList(
                values=[
                    KeyValue(key="b", value=AnyValue(bool_value=False)),
                    KeyValue(key="a", value=AnyValue()),
                ]
            )
        ),
        Typed("map", '{"a":null,"b":false}'),
    ),
]


@pytest.mark.parametrize(("message", "expected"), VALUES)
def test_attribute_values_have_the_collectors_text(message: AnyValue, expected: object) -> None:
    """Values print as the OpenTelemetry Collector prints them, and keep their type apart."""
    body = message.SerializeToString()
    assert any_value(body, 0, len(body)) == expected


def test_an_int_and_its_text_are_two_streams() -> None:
    """`5` and `"5"` are equal labels in the end, but two identities before."""
    assert Typed("int", "5") != "5"  # type: ignore[comparison-overlap]
    assert hash((("k", Typed("int", "1")),)) != hash((("k", "1"),))


def test_scope_and_schema_urls_are_read() -> None:
    """The scope's name, version, attributes and schema belong to the identity."""
    request = Request().counter("a", {}, 1)
    inner = request.message.resource_metrics[0].scope_metrics[0]
    inner.scope.name, inner.scope.version, inner.schema_url = "s", "2", "http://schema"
    inner.scope.attributes.extend(labels({"x": "y"}))
    (part,) = Reader().read(request.bytes(), 0).parts
    assert part.context.scope == Scope("s", "2", "http://schema", (("x", "y"),))
    head = part.shape.head
    assert head is not None
    assert head.temporality is Temporality.CUMULATIVE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"resourceMetrics": 5}', b"\xff\xfe", b"[" * 100_000]
)
def test_json_that_is_not_otlp_is_malformed(body: bytes) -> None:
    """Broken JSON and wrong types raise Malformed, and the text does not repeat the body."""
    with pytest.raises(Malformed):
        to_protobuf(body)


def test_json_reads_what_the_specification_allows() -> None:
    """64-bit integers as text or number, enums by name, unknown fields, hex ids of exemplars."""
    body = b"""{"unknown": 1, "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a",
      "sum": {"isMonotonic": false,
      "aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": [
        {"asInt": "9007199254740993", "timeUnixNano": "5", "startTimeUnixNano": 4,
         "exemplars": [{"traceId": "5b8efff798038103d269b633813fc60c", "asDouble": 1}]}]}}]}]}]}"""
    (point,) = learnt(Reader(), to_protobuf(body))
    assert point[-1] == 9007199254740993
    assert point[-4:-2] == (4, 5)
