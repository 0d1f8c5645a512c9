"""One worker that runs a number of empty tasks and prints what its main process spent on each.

    python -m benchmarks.worker_app POOL MODE TASKS

The broker is in memory, so nothing but Celery and what observes it costs anything. Prints CPU
microseconds of the main process per task, after the first tenth as warm-up.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from celery import Celery, signals
from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Callable

app = Celery("bench", broker="memory://")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task
def nothing() -> None:
    """Do nothing."""


def plain() -> None:
    """Observe nothing."""


def portless() -> None:
    """Observe as this project does."""
    from telemetry import instrument  # noqa: PLC0415 - only the observer under measurement loads

    instrument(app)


def sdk() -> None:
    """Count the same in SDK instruments, from Celery's signals: three counters, two histograms."""
    from opentelemetry import metrics  # noqa: PLC0415

    _provider()
    meter = metrics.get_meter("bench")
    received = meter.create_counter("celery.task.received")
    started = meter.create_counter("celery.task.started")
    success = meter.create_counter("celery.task.success")
    runtime = meter.create_histogram("celery.task.runtime", unit="s")
    wait = meter.create_histogram("celery.task.queue_wait", unit="s")
    began: dict[str, float] = {}

    def on_received(request: object, **_: object) -> None:
        received.add(1, {"task_name": request.name, "queue_name": "celery"})

    def on_prerun(task_id: str, task: object, **_: object) -> None:
        began[task_id] = time.monotonic()
        attributes = {"task_name": task.name, "queue_name": "celery"}
        started.add(1, attributes)
        wait.record(0.01, attributes)

    def on_postrun(task_id: str, task: object, **_: object) -> None:
        attributes = {"task_name": task.name, "queue_name": "celery"}
        success.add(1, attributes)
        runtime.record(time.monotonic() - began.pop(task_id), attributes | {"state": "success"})

    signals.task_received.connect(on_received, weak=False)
    signals.task_prerun.connect(on_prerun, weak=False)
    signals.task_postrun.connect(on_postrun, weak=False)


def instrumentation() -> None:
    """Observe as opentelemetry-instrumentation-celery does, metrics only."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415

    _provider()
    CeleryInstrumentor().instrument()


def _provider() -> None:
    from opentelemetry import metrics  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=5000)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))


MODES: dict[str, Callable[[], None]] = {
    "none": plain,
    "portless": portless,
    "sdk": sdk,
    "instrumentation": instrumentation,
}


def stop_after(tasks: int, spent: list[float]) -> None:
    """Watch the worker; note its CPU from the first tenth to the end, then stop it."""
    began = -1.0
    while state.all_total_count[0] < tasks or state.active_requests:
        if began < 0 and state.all_total_count[0] >= tasks // 10:
            began, counted = time.process_time(), state.all_total_count[0]
        time.sleep(0.02)
    spent.append((time.process_time() - began) / (tasks - counted) * 1e6)
    state.should_stop = 0


def main(pool: str, mode: str, tasks: int) -> None:
    """Run one worker and print microseconds a task."""
    MODES[mode]()
    for _ in range(tasks):
        nothing.delay()
    spent: list[float] = []
    worker = app.Worker(
        pool=pool, concurrency=1, loglevel="ERROR", without_gossip=True, without_mingle=True
    )
    signals.worker_ready.connect(
        lambda **_: threading.Thread(target=stop_after, args=(tasks, spent), daemon=True).start(),
        weak=False,
    )
    try:
        worker.start()
    finally:
        sys.__stdout__.write(f"cpu_microseconds={spent[0]:.2f}\n")  # Celery took sys.stdout


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
