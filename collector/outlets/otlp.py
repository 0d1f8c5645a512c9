"""What is told of series -> OTLP requests.

Points of one metric stand together, as do the metrics of one scope and resource. Nothing of an
exemplar, of metadata or of a resource's schema is written: only what rules have seen
(https://opentelemetry.io/docs/specs/otlp/).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from collector.histogram import coarser
from collector.model import Kind, Typed
from collector.reading import HistogramReading, SummaryReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric

    from collector.model import Attributes, Scope, Value
    from collector.outlets.pushed import Told

POINTS_MAX = 5_000
"""In one request, which then is far below the 20 MiB that receivers take by default."""
WIDTH_MAX = 4_096
"""Buckets of an exponential histogram from the first to the last; more make its grid coarser."""
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE

Heading: TypeAlias = "tuple[str, str, str, Kind]"


class Batch(NamedTuple):
    """One request."""

    message: ExportMetricsServiceRequest
    points: int


def batches(told: Sequence[Told], now: int, points_max: int = POINTS_MAX) -> Iterator[Batch]:
    """Write requests of so many points at most; `now` is their time, nanoseconds since 1970."""
    for at in range(0, len(told), points_max):
        some = told[at : at + points_max]
        yield Batch(_request(some, now), len(some))


def _request(told: Sequence[Told], now: int) -> ExportMetricsServiceRequest:
    groups: dict[Attributes, dict[Scope, dict[Heading, list[Told]]]] = {}
    for one in told:
        series = one.series
        heading = series.name, series.unit, series.description, series.kind
        scopes = groups.setdefault(series.resource, {})
        scopes.setdefault(series.scope, {}).setdefault(heading, []).append(one)
    request = ExportMetricsServiceRequest()
    for resource, scopes in groups.items():
        outer = request.resource_metrics.add()
        outer.resource.attributes.extend(_pairs(resource))
        for scope, metrics in scopes.items():
            inner = outer.scope_metrics.add(schema_url=scope.schema_url)
            inner.scope.name, inner.scope.version = scope.name, scope.version
            inner.scope.attributes.extend(_pairs(scope.attributes))
            for (name, unit, description, _), points in metrics.items():
                metric = inner.metrics.add(name=name, unit=unit, description=description)
                for point in points:
                    _write(metric, point, now)
    return request


def _write(metric: Metric, told: Told, now: int) -> None:
    series, said = told.series, told.said
    common: Mapping[str, Any] = {
        "attributes": _pairs(series.attributes),
        "start_time_unix_nano": told.start,
        "time_unix_nano": now,
    }
    if isinstance(said, HistogramReading):
        _write_histogram(metric, told, said, common)
    elif isinstance(said, SummaryReading):
        summary = metric.summary.data_points.add(**common, count=said.count, sum=said.sum)
        for quantile, value in said.quantiles:
            summary.quantile_values.add(quantile=quantile, value=value)
    else:
        data = metric.gauge if series.kind is Kind.GAUGE else metric.sum
        if series.kind is not Kind.GAUGE:
            metric.sum.aggregation_temporality = CUMULATIVE
            metric.sum.is_monotonic = series.kind is Kind.COUNTER
        point = data.data_points.add(**common)
        if isinstance(said, int):
            point.as_int = said
        else:
            point.as_double = said


def _write_histogram(
    metric: Metric, told: Told, said: HistogramReading, common: Mapping[str, Any]
) -> None:
    if told.native is not None:
        metric.exponential_histogram.aggregation_temporality = CUMULATIVE
        add = metric.exponential_histogram.data_points.add
        _write_native(add(**common, count=said.count, sum=said.sum), told)
        return
    metric.histogram.aggregation_temporality = CUMULATIVE
    point = metric.histogram.data_points.add(**common, count=said.count, sum=said.sum)
    if said.bounds:
        point.explicit_bounds.extend(said.bounds)
        ends = [*said.cumulated, said.count]
        point.bucket_counts.extend(b - a for a, b in zip([0, *ends], ends))


def _write_native(point: ExponentialHistogramDataPoint, told: Told) -> None:
    native = told.native
    if native is None:
        raise TypeError("no exponential histogram")
    sides = native.positive, native.negative
    while any(side and max(side) - min(side) >= WIDTH_MAX for side in sides):
        native = coarser(native, native.scale - 1)
        sides = native.positive, native.negative
    point.scale, point.zero_count = native.scale, native.zeros
    point.zero_threshold = native.zero_threshold
    for buckets, side in zip((point.positive, point.negative), sides):
        if side:
            buckets.offset = min(side)
            counts = [side.get(index, 0) for index in range(min(side), max(side) + 1)]
            buckets.bucket_counts.extend(counts)


def _pairs(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes]


def _any(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return _typed(value)


def _typed(value: Typed) -> AnyValue:
    """Write a value that is no text; lists and maps out of the text that they were kept as."""
    if value.type == "int":
        return AnyValue(int_value=int(value.text))
    if value.type == "double":
        return AnyValue(double_value=float(value.text))
    if value.type == "bool":
        return AnyValue(bool_value=value.text == "true")
    if value.type == "bytes":
        return AnyValue(bytes_value=base64.b64decode(value.text))
    if value.type == "empty":
        return AnyValue()
    try:
        return _structure(json.loads(value.text))
    except ValueError:  # JSON has no infinities: the text says the same
        return AnyValue(string_value=value.text)


def _structure(thing: Any) -> AnyValue:  # noqa: ANN401 - whatever JSON holds
    if isinstance(thing, bool):
        return AnyValue(bool_value=thing)
    if isinstance(thing, int) and -(2**63) <= thing < 2**63:
        return AnyValue(int_value=thing)
    if isinstance(thing, (int, float)):
        return AnyValue(double_value=float(thing))  # a double that was written without a point
    if isinstance(thing, str):
        return AnyValue(string_value=thing)
    result = AnyValue()
    if isinstance(thing, list):
        result.array_value.SetInParent()
        result.array_value.values.extend(map(_structure, thing))
    elif isinstance(thing, dict):
        result.kvlist_value.SetInParent()
        for key, inner in thing.items():
            result.kvlist_value.values.add(key=key, value=_structure(inner))
    return result
