"""The application as it should not be: `instrument` comes after the fork, too late for a worker."""

from __future__ import annotations

import os

from celery import Celery, signals

from telemetry import instrument

app = Celery("late", broker=f"sqla+{os.environ['LAB_DATABASE']}")
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_always_eager=bool(os.environ.get("LATE_EAGER")),
)


@signals.worker_process_init.connect
def _too_late(**_: object) -> None:
    instrument(app)
