"""An application whose beat has something to send, and which needs no broker but memory."""

from __future__ import annotations

import os

from celery import Celery

from telemetry import instrument

app = Celery("periodic", broker="memory://")
if os.environ.get("PERIODIC_INSTRUMENT") != "no":
    instrument(app)
app.conf.update(
    task_default_queue="lab",
    beat_schedule={
        "often": {"task": "tests.tick", "schedule": 0.2},
        "seldom": {"task": "tests.tick", "schedule": 3600.0},
    },
    worker_pool_restarts=False,
)
