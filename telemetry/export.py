"""Readings -> OTLP, by the SDK's own exporter.

Comes in: settings, a resource, readings. Goes out: OTLP data, made by hand from the tallies, and
whether the collector took it. It knows no task, no pool, no instrument. Whatever it makes belongs
to the process that made it and is used by one thread.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # the SDK's own readers know no other way either
    attach,
    detach,
    set_value,
)
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from telemetry.catalog import Kind, Metric
from telemetry.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from telemetry.settings import Settings
    from telemetry.state.layout import Head
    from telemetry.tally import Reading

logger = logging.getLogger(__name__)

_SCOPE = InstrumentationScope("portless")
_EXPORTERS = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.metric_exporter",
}
_SESSION_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)
"""Variables that name a plug-in for the exporter's session; one passed to it would win."""
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
            f"({error.name}); pip install 'portless[grpc]'"
        ) from error
    options = {} if settings.protocol == "grpc" else _http_options()
    made: otlp.MetricExporter = module.OTLPMetricExporter(
        timeout=settings.timeout_seconds, **options
    )
    return made


def _http_options() -> dict[str, Any]:
    """A session that takes no redirect for success, unless the environment provides sessions."""
    if any(os.environ.get(name) for name in _SESSION_PROVIDERS):
        return {}
    import requests  # noqa: PLC0415 - with http/protobuf it is there, by the SDK's exporter

    session = requests.Session()
    session.hooks["response"].append(_refuse_redirect)
    return {"session": session}


class RedirectedError(OSError):
    """Somebody who is no collector answered: a login page, or a balancer without a backend.

    The SDK's exporter counts every status below 400 as success.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def _refuse_redirect(response: Any, **_: Any) -> None:  # noqa: ANN401 - of requests
    if 300 <= response.status_code < 400:
        response.close()
        raise RedirectedError(response.status_code)


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
            except RedirectedError as error:  # SDKs of old do not catch it
                taken, self._sdk_log.status = False, error.status
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
            status = getattr(value, "status", value)
            if isinstance(status, int) and 300 <= status < 600:
                self.status = status
        return False


@contextmanager
def _not_instrumented() -> Iterator[None]:
    """No spans about our own requests."""
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
    try:
        yield
    finally:
        detach(token)


def push(settings: Settings, head: Head, readings: list[Reading]) -> bool:
    """Send the last numbers of a life that is over, under its own name; whether they were taken."""
    sender = Sender(settings, Resource(head.resource), down=True, log_level=logging.DEBUG)
    return sender.send([scope_metrics(readings, head.start_unix_nano, time_ns())])


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
