"""Count events as celery-exporter does: `python -m benchmarks.worker.events BROKER READY`.

This is its way, not its program: a receiver of all events that keeps Celery's state of them and
counts each, by task, node name and queue, in prometheus_client. It creates the file READY when it
listens, and runs until it is stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from celery import Celery
from prometheus_client import CollectorRegistry, Counter, Histogram

LABELS = ("name", "hostname", "queue_name")


def main(broker: str, ready: str) -> None:
    """Receive until the process ends."""
    app = Celery("bench", broker=broker)
    state = app.events.State()
    registry = CollectorRegistry()
    counters = {
        f"task-{event}": Counter(f"celery_task_{event}", event, LABELS, registry=registry)
        for event in ("sent", "received", "started", "succeeded")
    }
    runtime = Histogram("celery_task_runtime", "runtime", LABELS, registry=registry)

    def count(event: dict[str, Any]) -> None:
        state.event(event)
        counter = counters.get(event["type"])
        if counter is None:
            return
        task = state.tasks.get(event["uuid"])
        labels = (
            task.name or "unknown",
            event["hostname"],
            getattr(task, "queue", None) or "celery",
        )
        counter.labels(*labels).inc()
        if event["type"] == "task-succeeded":
            runtime.labels(*labels).observe(event["runtime"])

    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": count})
        Path(ready).touch()
        receiver.capture(limit=None, timeout=None, wakeup=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
