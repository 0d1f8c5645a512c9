"""An application that made its MeterProvider before its pool, as `opentelemetry-instrument` does.

One of its readers is almost always in the middle of an export, so that processes are forked then.
"""

from __future__ import annotations

import time
from typing import Any

from celery import Celery, signals
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import View

from telemetry import instrument


class Slow(ConsoleMetricExporter):
    """Takes a second for nothing."""

    def export(self, *_: Any, **__: Any) -> MetricExportResult:
        time.sleep(1)
        return MetricExportResult.SUCCESS


metrics.set_meter_provider(
    MeterProvider(
        [
            PeriodicExportingMetricReader(OTLPMetricExporter(timeout=2), 200),
            PeriodicExportingMetricReader(Slow(), 20),
        ],
        views=[View(instrument_name="lab.renamed", name="lab.other")],
    )
)
meter = metrics.get_meter("lab")
orders = meter.create_counter("lab.orders")
renamed = meter.create_counter("lab.renamed")
meter.create_observable_gauge("lab.observed", [lambda _: [metrics.Observation(7)]])

app = Celery("inherited", broker="memory://")
instrument(app)


@signals.worker_ready.connect
def _publish(**_: object) -> None:
    orders.add(100)
    for _number in range(6):
        ok.delay()


@app.task
def ok() -> None:
    """Counts an order, and hands it over at once."""
    orders.add(1)
    renamed.add(1)
    if not metrics.get_meter_provider().force_flush(10_000):  # type: ignore[attr-defined]
        raise TimeoutError
