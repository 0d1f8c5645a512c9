"""What one worker pushes, as bytes: its streams stay, times and numbers move from tick to tick."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
INTERVAL = 5 * SECOND
TENANTS = 10
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


def _labels(**texts: str) -> list[KeyValue]:
    return [KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in texts.items()]


def _resource(worker: str) -> tuple[ExportMetricsServiceRequest, object]:
    request = ExportMetricsServiceRequest()
    outer = request.resource_metrics.add()
    outer.resource.attributes.extend(
        _labels(**{"service.name": "celery", "service.instance.id": worker})
    )
    scope = outer.scope_metrics.add()
    scope.scope.name = "shop"
    return request, scope


def _attributes(task: int, tenant: int) -> list[KeyValue]:
    return _labels(
        task_name=f"shop.tasks.reports.build_{task}",
        queue_name="default",
        tenant_id=f"tenant-{tenant:06d}",
    )


def counters(worker: str, tick: int, points: int) -> bytes:
    """Return a request of `points` integer counter points in three metrics, ten tenants each."""
    return _counters(worker, tick, range(points // 3), 0)


def reordered(worker: str, tick: int, points: int) -> bytes:
    """Return the same points in an order that no request had before."""
    order = list(range(points // 3))
    random.Random(tick).shuffle(order)
    return _counters(worker, tick, order, 0)


def restarted(worker: str, tick: int, points: int) -> bytes:
    """Return the same points of a worker that has just begun anew: all have another start time."""
    return _counters(worker, tick, range(points // 3), 0, start=START + tick * INTERVAL)


def new(worker: str, tick: int, points: int) -> bytes:
    """Return as many points of tasks that were never seen before."""
    return _counters(worker, tick, range(points // 3), tick * points)


def one(worker: str) -> bytes:
    """Return a request of one counter point."""
    return _counters(worker, 1, range(1), 0, ["started"])


def _counters(
    worker: str,
    tick: int,
    order: Sequence[int],
    first_task: int,
    names: Sequence[str] = ("started", "success", "failed"),
    start: int = START,
) -> bytes:
    request, scope = _resource(worker)
    for name in names:
        metric = scope.metrics.add(name=f"shop.{name}", unit="{task}")
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = 2
        for at in order:
            metric.sum.data_points.add(
                attributes=_attributes(first_task + at // TENANTS, at % TENANTS),
                as_int=tick * (at + 1),
                start_time_unix_nano=start,
                time_unix_nano=START + tick * INTERVAL,
            )
    return request.SerializeToString()


def histograms(worker: str, tick: int, points: int) -> bytes:
    """Return a request of `points` histogram points of 15 buckets, ten tenants each."""
    request, scope = _resource(worker)
    metric = scope.metrics.add(name="shop.runtime", unit="s")
    metric.histogram.aggregation_temporality = 2
    for at in range(points):
        metric.histogram.data_points.add(
            attributes=_attributes(at // TENANTS, at % TENANTS),
            explicit_bounds=BOUNDS,
            bucket_counts=[tick] * (len(BOUNDS) + 1),
            count=tick * (len(BOUNDS) + 1),
            sum=3.25 * tick,
            min=0.001,
            max=9.0,
            start_time_unix_nano=START,
            time_unix_nano=START + tick * INTERVAL,
        )
    return request.SerializeToString()
