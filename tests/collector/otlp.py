"""Building OTLP requests in tests: streams and numbers in, protobuf messages or bytes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
CUMULATIVE, DELTA = 2, 1
WORKER = {"service.name": "celery", "service.instance.id": "w1"}


def labels(attributes: Mapping[str, str]) -> list[KeyValue]:
    """String attributes in the order given."""
    return [KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in attributes.items()]


def number(metric: Metric, attributes: Mapping[str, str], value: float, **times: int) -> None:
    """Add a point to a gauge or sum; an int is sent as an integer, a float as a double."""
    data = metric.gauge if metric.HasField("gauge") else metric.sum
    point = data.data_points.add(attributes=labels(attributes), **times)
    if isinstance(value, int):
        point.as_int = value
    else:
        point.as_double = value


class Request:
    """A request under construction."""

    def __init__(self) -> None:
        self.message = ExportMetricsServiceRequest()

    def metric(self, name: str, resource: Mapping[str, str] = WORKER, **fields: str) -> Metric:
        """Add a metric in a resource of its own."""
        outer = self.message.resource_metrics.add()
        outer.resource.attributes.extend(labels(resource))
        return outer.scope_metrics.add().metrics.add(name=name, **fields)

    def counter(  # noqa: PLR0913 - what a point is made of
        self,
        name: str,
        attributes: Mapping[str, str],
        value: float,
        *,
        start: int = START,
        time: int = START + SECOND,
        temporality: int = CUMULATIVE,
        resource: Mapping[str, str] = WORKER,
    ) -> Request:
        """Add a monotonic sum of one point."""
        metric = self.metric(name, resource)
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = temporality
        number(metric, attributes, value, start_time_unix_nano=start, time_unix_nano=time)
        return self

    def gauge(
        self,
        name: str,
        attributes: Mapping[str, str],
        value: float,
        *,
        time: int = START + SECOND,
        resource: Mapping[str, str] = WORKER,
    ) -> Request:
        """Add a gauge of one point."""
        metric = self.metric(name, resource)
        metric.gauge.SetInParent()
        number(metric, attributes, value, time_unix_nano=time)
        return self

    def histogram(  # noqa: PLR0913 - what a point is made of
        self,
        name: str,
        attributes: Mapping[str, str],
        bounds: Sequence[float],
        buckets: Sequence[int],
        total: float | None = 0.0,
        *,
        start: int = START,
        time: int = START + SECOND,
        temporality: int = CUMULATIVE,
        resource: Mapping[str, str] = WORKER,
    ) -> Request:
        """Add a histogram of one point."""
        metric = self.metric(name, resource)
        metric.histogram.aggregation_temporality = temporality
        point = metric.histogram.data_points.add(
            attributes=labels(attributes),
            explicit_bounds=bounds,
            bucket_counts=buckets,
            count=sum(buckets),
            start_time_unix_nano=start,
            time_unix_nano=time,
        )
        if total is not None:
            point.sum = total
        return self

    def bytes(self) -> bytes:
        """The request as it goes over the wire."""
        return self.message.SerializeToString()
