"""Readings -> OTLP, by the SDK's own exporter; the one file that knows the OpenTelemetry SDK.

Comes in: settings, a resource, readings. Goes out: OTLP data, made by hand from the tallies and by
the SDK from the user's instruments, and whether the collector took it. It knows no task, no pool.
Whatever it makes belongs to the process that made it and is used by one thread.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import threading
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # the SDK's own readers know no other way either
    attach,
    detach,
    set_value,
)
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
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from telemetry.catalog import Kind, Metric
from telemetry.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from telemetry.settings import Settings
    from telemetry.tally import Reading

logger = logging.getLogger(__name__)

USER_SERIES_MAX = 20_000
"""Attribute sets of one of the user's instruments. The SDK's own 2000 are few with a tenant among
the attributes, and whatever is beyond loses all of them, the task's name too."""
_SCOPE = InstrumentationScope("portless")
_EXPORTERS = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.metric_exporter",
}
_SDK_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
)


def detect() -> Resource:
    """What the SDK finds out about this process, once, before there is any thread or fork."""
    return Resource.create()


def identified(detected: Resource, attributes: Mapping[str, str]) -> Resource:
    """The resource of a process: what was detected, under the name that it has here."""
    return detected.merge(Resource(dict(attributes)))


def exporter(settings: Settings) -> otlp.MetricExporter:
    """The SDK's OTLP exporter; it reads endpoint, headers, compression and certificates itself.

    Raises `SettingsError` where the exporter for the protocol is not installed.
    """
    try:
        module = importlib.import_module(_EXPORTERS[settings.protocol])
    except ImportError as error:
        raise SettingsError(
            f"the protocol {settings.protocol} needs a package that is not installed "
            f"({error.name}); install opentelemetry-exporter-otlp"
        ) from error
    made: otlp.MetricExporter = module.OTLPMetricExporter(timeout=settings.timeout_seconds)
    return made


class Sender:
    """Sends, and says so in the log only when the collector goes away and when it is back."""

    def __init__(
        self, settings: Settings, resource: Resource, *, down: bool, log_level: int
    ) -> None:
        self.exporter = exporter(settings)
        self.resource = resource
        self.down = down
        """Whether the last export failed; at first what the parent process knew."""
        self._collector = settings.collector
        self._log_level = log_level
        self._sdk_log = _SdkLog()

    def send(self, scopes: Sequence[otlp.ScopeMetrics]) -> bool:
        """Whether the collector took it; raises nothing."""
        # One resource, once: the SDK's encoder keeps only the last of two that are equal.
        data = otlp.MetricsData([otlp.ResourceMetrics(self.resource, scopes, "")])
        with self._sdk_log.caught(), _not_instrumented():
            try:
                result = self.exporter.export(data)
                taken = result is otlp.MetricExportResult.SUCCESS
            except Exception:  # noqa: BLE001 - whatever is wrong with the network, it is no task's
                taken = False
        if taken == self.down:
            self._log(taken)
        self.down = not taken
        return taken

    def _log(self, taken: bool) -> None:
        if taken:
            logger.log(self._log_level, "the collector at %s takes metrics again", self._collector)
            return
        logger.log(
            self._log_level,
            "the collector at %s does not take metrics (%s); tasks are not affected, and the "
            "numbers catch up when it is back",
            self._collector,
            f"HTTP {self._sdk_log.status}" if self._sdk_log.status else "no answer",
        )


class _SdkLog(logging.Filter):
    """Keeps what the SDK logs about our exports, several lines each, out of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.status: int | None = None
        """The HTTP status in what was kept out, if there was one."""
        self._thread: int | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        self.status, self._thread = None, threading.get_ident()
        for name in _SDK_LOGGERS:
            logging.getLogger(name).addFilter(self)
        try:
            yield
        finally:
            for name in _SDK_LOGGERS:
                logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if threading.get_ident() != self._thread:
            return True
        for value in record.args if isinstance(record.args, tuple) else ():
            if isinstance(value, int) and 300 <= value < 600:
                self.status = value
        return False


@contextmanager
def _not_instrumented() -> Iterator[None]:
    """No spans about our own requests."""
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
    try:
        yield
    finally:
        detach(token)


def scope_metrics(
    readings: Iterable[Reading], start_unix_nano: int, now_unix_nano: int
) -> otlp.ScopeMetrics:
    """Readings as OTLP, cumulative since `start_unix_nano`, all of them at `now_unix_nano`."""
    times = (start_unix_nano, now_unix_nano)
    made = [
        otlp.Metric(metric.name, metric.help, metric.unit, _data(metric, list(series), times))
        for metric, series in groupby(readings, key=attrgetter("metric"))
    ]
    return otlp.ScopeMetrics(_SCOPE, made, "")


def _data(metric: Metric, series: list[Reading], times: tuple[int, int]) -> otlp.DataT:
    cumulative = otlp.AggregationTemporality.CUMULATIVE
    if metric.kind is Kind.HISTOGRAM:
        return otlp.Histogram([_histogram(reading, times) for reading in series], cumulative)
    number = float if metric.unit == "s" else int  # counts stay integers, which add up exactly
    points = [
        otlp.NumberDataPoint(_attributes(reading), *times, number(reading.numbers[0]))
        for reading in series
    ]
    return (
        otlp.Gauge(points)
        if metric.kind is Kind.GAUGE
        else otlp.Sum(points, cumulative, is_monotonic=True)
    )


def _histogram(reading: Reading, times: tuple[int, int]) -> otlp.HistogramDataPoint:
    total, *counts = reading.numbers
    return otlp.HistogramDataPoint(
        _attributes(reading),
        *times,
        count=int(sum(counts)),
        sum=total,
        bucket_counts=[int(count) for count in counts],
        explicit_bounds=reading.metric.buckets,
        min=None,  # type: ignore[arg-type] # optional in OTLP: of a process's life they say little
        max=None,  # type: ignore[arg-type]
    )


def _attributes(reading: Reading) -> dict[str, str]:
    return dict(zip(reading.metric.attributes, reading.attributes))


class UserMetrics(otlp.MetricReader):
    """What the user's own instruments of this process recorded, read when asked.

    No thread and no exporter of its own: the SDK's periodic reader starts again in every forked
    child and exports its parent's numbers a second time.
    """

    def __init__(self, sender: Sender, flush: Callable[[float], bool]) -> None:
        # As the SDK's periodic reader does: the exporter knows what the environment prefers.
        super().__init__(
            preferred_temporality=getattr(sender.exporter, "_preferred_temporality", None),
            preferred_aggregation=getattr(sender.exporter, "_preferred_aggregation", None),
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


def adopt(sender: Sender, flush: Callable[[float], bool]) -> UserMetrics:
    """Read every instrument of this process from now on, also those that were made before."""
    reader = UserMetrics(sender, flush)
    provider = MeterProvider([reader], resource=sender.resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return reader


def user_has_provider() -> bool:
    """Whether the application has configured OpenTelemetry metrics on its own."""
    return type(metrics.get_meter_provider()).__name__ != "_ProxyMeterProvider"


def _cardinality_limits() -> dict[str, Any]:
    """The limit as an argument, for SDKs that have one; those before had no limit at all."""
    if "cardinality_limits" not in inspect.signature(otlp.MetricReader.__init__).parameters:
        return {}
    kinds = (Counter, UpDownCounter, Histogram, _Gauge)
    observed = (ObservableCounter, ObservableUpDownCounter, ObservableGauge)
    return {"cardinality_limits": dict.fromkeys((*kinds, *observed), USER_SERIES_MAX)}
