"""The user's own instruments in this process: read when asked, whoever made their provider.

Comes in: the exporter that knows what the environment prefers, a resource, and a provider if one
was there before the process was forked. Goes out: OTLP data. It knows no task, no pool and no
transport; with `export` and `tracing` it is where the OpenTelemetry SDK is known.

A provider that was made before a fork is worse than none. Its reader's thread starts again in every
child and exports what the parent had recorded, as the child's; its lock, if the parent was just
exporting, stays locked in the child for ever (SDK 1.45). So in a pool process the provider is made
anew inside of itself: instruments that somebody holds stay what they are and start at zero.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
    _Gauge,
)
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.metrics.view import DropAggregation, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource

USER_SERIES_MAX = 20_000
"""Attribute sets of one of the user's instruments. The SDK's own 2000 are few with a tenant among
the attributes, and whatever is beyond loses all of them, the task's name too."""
_BROKEN = View(
    meter_name="opentelemetry.instrumentation.celery",
    instrument_name="flower.task.runtime.seconds",
    aggregation=DropAggregation(),
)
"""Seconds in buckets made for milliseconds, so every task is in the first one or two of them."""
_LOCK = type(threading.Lock())


class UserMetrics(otlp.MetricReader):
    """What the user's own instruments of this process recorded, read when asked.

    No thread and no exporter of its own: the SDK's periodic reader starts again in every forked
    child and exports its parent's numbers a second time.
    """

    def __init__(self, exporter: otlp.MetricExporter, flush: Callable[[float], bool]) -> None:
        # As the SDK's periodic reader does: the exporter knows what the environment prefers.
        super().__init__(
            preferred_temporality=getattr(exporter, "_preferred_temporality", None),
            preferred_aggregation=getattr(exporter, "_preferred_aggregation", None),
            **_cardinality_limits(),
        )
        self._flush = flush
        self._read: otlp.MetricsData | None = None
        self._overflowing: set[str] = set()

    def take(self) -> tuple[list[otlp.ScopeMetrics], list[str]]:
        """The numbers now, and the instruments that reached their limit since the last time."""
        self._read = None
        self.collect()
        data = self._read
        if data is None:
            return [], []
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        overflowing = {
            metric.name
            for scope in scopes
            for metric in scope.metrics
            for point in metric.data.data_points
            if point.attributes and "otel.metric.overflow" in point.attributes
        }
        new = sorted(overflowing - self._overflowing)
        self._overflowing |= overflowing
        return scopes, new

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Export now: what a task gets when it flushes the global provider."""
        return self._flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:  # noqa: ANN401 - the SDK's
        """Nothing to do: the process's last export takes what is there."""

    def _receive_metrics(self, metrics_data: otlp.MetricsData, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the SDK's
        self._read = metrics_data


def adopt(
    exporter: otlp.MetricExporter, resource: Resource, flush: Callable[[float], bool]
) -> UserMetrics:
    """Read every instrument of this process from now on, also those that were made before."""
    reader = UserMetrics(exporter, flush)
    views = [_BROKEN]
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False, views=views)
    metrics.set_meter_provider(provider)
    return reader


def somebody_s() -> object | None:
    """The global provider, if there is one already; of the SDK or of anybody else."""
    provider = metrics.get_meter_provider()
    return None if type(provider).__name__ == "_ProxyMeterProvider" else provider


def readers(provider: object) -> list[otlp.MetricReader]:
    """What a provider of the SDK was made with; nothing of one of another make."""
    if not isinstance(provider, MeterProvider):
        return []
    # There is no other way to them; up to SDK 1.41 they were in the configuration.
    holder = provider if hasattr(provider, "_metric_readers") else provider._sdk_config  # noqa: SLF001
    return list(getattr(holder, "_metric_readers", getattr(holder, "metric_readers", ())))


def still(provider: object) -> None:
    """Keep the threads that the provider's readers start after a fork from doing anything.

    Called in the parent, whose own threads are running already and stay as they are.
    """
    for reader in readers(provider):
        if isinstance(reader, otlp.PeriodicExportingMetricReader):
            reader._ticker = _nothing  # type: ignore[method-assign] # noqa: SLF001 - as above


def remake(
    provider: MeterProvider,
    exporter: otlp.MetricExporter,
    resource: Resource,
    flush: Callable[[float], bool],
) -> UserMetrics:
    """Read the instruments of a provider that was made before this process was forked, from zero.

    Its views stay; its readers, and with them where they exported to, are left behind.
    """
    reader = UserMetrics(exporter, flush)
    config = provider._sdk_config  # noqa: SLF001 - instruments hold on to what is inside of it
    fresh = MeterProvider(
        [reader],
        resource=resource,
        exemplar_filter=config.exemplar_filter,
        shutdown_on_exit=False,
        views=[*config.views, _BROKEN],
    )
    old, new = provider._measurement_consumer, fresh._measurement_consumer  # noqa: SLF001
    new._async_instruments = old._async_instruments  # noqa: SLF001
    _renew(old, new, {"_async_instruments"})
    _renew(provider, fresh, {"_measurement_consumer", "_meters", "_meter_configurator"})
    for meter in provider._meters.values():  # noqa: SLF001
        for name, value in list(vars(meter).items()):
            if isinstance(value, _LOCK):
                setattr(meter, name, threading.Lock())
    return reader


def _renew(old: object, new: object, kept: set[str]) -> None:
    """Give an object everything of another of its class, except for some attributes."""
    vars(old).update({name: value for name, value in vars(new).items() if name not in kept})


def _nothing() -> None:
    """What a reader's thread does in a process that it was not made for."""


def _cardinality_limits() -> dict[str, Any]:
    """The limit as an argument, for SDKs that have one; those before had no limit at all."""
    if "cardinality_limits" not in inspect.signature(otlp.MetricReader.__init__).parameters:
        return {}
    kinds = (Counter, UpDownCounter, Histogram, _Gauge)
    observed = (ObservableCounter, ObservableUpDownCounter, ObservableGauge)
    return {"cardinality_limits": dict.fromkeys((*kinds, *observed), USER_SERIES_MAX)}
