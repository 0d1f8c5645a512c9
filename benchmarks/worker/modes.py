"""The ways of observing a worker that are measured, each put in place in one call.

Each counts what it can of: received, started, succeeded, and a histogram of runtimes, with the
task's name and queue. Pushing ones push every 5 s, as OTEL_METRIC_EXPORT_INTERVAL says. A mode's
imports are its own, so that no mode pays for another one's.
"""

# ruff: noqa: PLC0415, ANN401 - see above; Celery's own objects

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = "celery"


def nothing(_app: Celery) -> None:
    """Observe nothing."""


def portless(app: Celery) -> None:
    """Observe as this project does."""
    from telemetry import instrument

    instrument(app)


def sdk(_app: Celery) -> None:
    """Count in the main process, as ours, in SDK instruments: three counters and a histogram.

    Less than ours counts, which also has two gauges, the queue's reserve and the wait.
    """
    from opentelemetry import metrics

    _meters()
    meter = metrics.get_meter("bench")
    received, started, success = (
        meter.create_counter(f"celery.task.{name}") for name in ("received", "started", "success")
    )
    runtime = meter.create_histogram("celery.task.runtime", unit="s")
    classes: dict[type, type] = {}

    class Counted:
        def on_accepted(self: Any, pid: int, at_seconds: float) -> None:
            started.add(1, {"task_name": self.name, "queue_name": QUEUE})
            super().on_accepted(pid, at_seconds)  # type: ignore[misc] # a mixin

        def on_success(self: Any, result: Any, **kwargs: object) -> None:
            success.add(1, {"task_name": self.name, "queue_name": QUEUE})
            attributes = {"task_name": self.name, "queue_name": QUEUE, "state": "success"}
            runtime.record(result[2], attributes)
            super().on_success(result, **kwargs)  # type: ignore[misc] # a mixin

    def on_received(request: Any, **_: object) -> None:
        received.add(1, {"task_name": request.name, "queue_name": QUEUE})
        base = type(request)
        if base not in classes:
            classes[base] = type(base.__name__, (Counted, base), {})
        request.__class__ = classes[base]

    signals.task_received.connect(on_received, weak=False)


def instrumentation(_app: Celery) -> None:
    """Observe as opentelemetry-instrumentation-celery does: runtimes, in the child."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    _meters()
    CeleryInstrumentor().instrument()


def traces(app: Celery) -> None:
    """Observe as opentelemetry-instrumentation-celery does, with a span for every task."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    instrumentation(app)


def prometheus(_app: Celery) -> None:
    """Count with prometheus_client in files that the processes of PROMETHEUS_MULTIPROC_DIR share.

    Whoever exposes the files is not measured.
    """
    from prometheus_client import Counter, Histogram

    labels = ("task_name", "queue_name")
    received, started, success = (
        Counter(f"celery_task_{name}", name, labels) for name in ("received", "started", "success")
    )
    runtime = Histogram("celery_task_runtime", "runtime", labels)
    began: dict[str, float] = {}

    def on_prerun(task_id: str, task: Any, **_: object) -> None:
        started.labels(task.name, QUEUE).inc()
        began[task_id] = time.monotonic()

    def on_postrun(task_id: str, task: Any, **_: object) -> None:
        success.labels(task.name, QUEUE).inc()
        runtime.labels(task.name, QUEUE).observe(time.monotonic() - began.pop(task_id))

    signals.task_received.connect(
        lambda request, **_: received.labels(request.name, QUEUE).inc(), weak=False
    )
    signals.task_prerun.connect(on_prerun, weak=False)
    signals.task_postrun.connect(on_postrun, weak=False)


def events(app: Celery) -> None:
    """Send events through the broker, as celery-exporter needs them (`worker -E`)."""
    app.conf.worker_send_task_events = True
    app.conf.task_send_sent_event = True


def _meters() -> None:
    from opentelemetry import metrics
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))


MODES: dict[str, Callable[[Celery], None]] = {
    "nothing": nothing,
    "nothing, again": nothing,
    "portless": portless,
    "portless, durable": portless,
    "SDK instruments": sdk,
    "instrumentation-celery, metrics": instrumentation,
    "instrumentation-celery, metrics and traces": traces,
    "prometheus_client, multiprocess": prometheus,
    "events": events,
}
