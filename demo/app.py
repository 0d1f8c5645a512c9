"""The application as its authors wrote it, and the one line that instruments it.

Celery reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND by itself; OpenTelemetry reads OTEL_*.
"""

from __future__ import annotations

from celery import Celery
from kombu.transport.sqlalchemy import Transport

from demo.shop import QUEUES
from telemetry import instrument

app = Celery("shop", include=["demo.tasks"])
app.conf.task_routes = {f"{queue}.*": {"queue": queue} for queue in QUEUES}
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True
# Celery waits 10 s for the result of a task whose process died, and kombu a second between two
# looks at an empty queue; a demo has less time.
app.conf.worker_lost_wait = 1.0
Transport.polling_interval = 0.1

instrument(app)
