"""An application whose tasks fail and retry with a secret in their exceptions.

TRACED_INSTRUMENT=no: nothing in it says that it is watched.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task, shared_task, signals
from opentelemetry import metrics, trace

SECRET = "s3cr3t-of-a-task"
tracer = trace.get_tracer("traced")
orders = metrics.get_meter("traced").create_counter("traced.orders")

app = Celery("traced", broker="memory://", backend="cache+memory://")
if os.environ.get("TRACED_INSTRUMENT") != "no":
    from telemetry import instrument

    instrument(app)
app.conf.task_default_queue = "lab"


class Base(Task):  # type: ignore[type-arg] # its stub alone is generic
    """A base class of the application's own."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do as a task does."""
        return super().__call__(*args, **kwargs)


@app.task
def boom() -> None:
    """Raises, through a span of its own."""
    orders.add(1)
    with tracer.start_as_current_span("inside"):
        raise ValueError(SECRET)


@app.task(bind=True, max_retries=1, base=Base)
def again(self: Any) -> None:
    """Asks once to be run again."""
    if not self.request.retries:
        raise self.retry(countdown=0, exc=KeyError(SECRET))


@shared_task
def shared() -> int:
    """Returns, and belongs to no app in particular."""
    return 1


@signals.worker_ready.connect
def _publish(**_: object) -> None:
    for task in (boom, again, shared):
        task.delay()
