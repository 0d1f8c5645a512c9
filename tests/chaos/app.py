"""The application under violence: each execution is on record, from its first moment on.

It is configured by the environment: CHAOS_BROKER, CHAOS_TRANSPORT (its options, JSON),
CHAOS_DATABASE (libpq), and OTEL_* as for all. A row says that an execution began, of which message,
and how it was about to end; a restart of PostgreSQL holds it up and loses none. A row without an
end is of an execution that was ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2
from celery import Celery, Task
from celery.exceptions import Ignore, Reject, Retry
from kombu import Queue

from telemetry import instrument

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_SECONDS = 60.0

app = Celery("chaos", broker=os.environ["CHAOS_BROKER"])
instrument(app)
app.conf.update(
    task_ignore_result=True,
    task_queues=[Queue(name) for name in os.environ["CHAOS_QUEUES"].split()],
    broker_transport_options=json.loads(os.environ["CHAOS_TRANSPORT"]),
    broker_connection_retry_on_startup=True,
    worker_lost_wait=1.0,
    worker_prefetch_multiplier=2,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)

_ENDS: dict[type, tuple[str, str]] = {
    Retry: ("retried", ""),
    Ignore: ("ignored", ""),
    Reject: ("rejected", "rejected"),
}
_BEGIN = "INSERT INTO execution VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
_END = (
    "INSERT INTO execution VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id)"
    " DO UPDATE SET outcome = EXCLUDED.outcome, detail = EXCLUDED.detail"
)


def write(statement: str, values: Sequence[str]) -> None:
    """Have it in the database, whatever that takes; the statement may come twice."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection = psycopg2.connect(os.environ["CHAOS_DATABASE"])
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return
            finally:
                connection.close()
        except psycopg2.Error:  # of a server that went down there are many kinds
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Recorded(Task):  # type: ignore[type-arg] # generic in the stubs, and not in Celery
    """A task whose every execution is on record."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run between two rows."""
        request = self.request
        message = f"{request.id} {request.retries}"
        who = (uuid.uuid4().hex, str(request.hostname), self.name, message)
        try:
            write(_BEGIN, who)
            value = self.run(*args, **kwargs)
            write(_END, (*who, "success", ""))
        except Exception as error:
            try:
                write(_END, (*who, *_end(error)))
            except Exception as struck:
                # A cold stop raises in the middle of whatever solo runs, also of that row. It is
                # what Celery sees then, and how this ended.
                write(_END, (*who, *_end(struck)))
                raise
            raise
        return value


def _end(error: Exception) -> tuple[str, str]:
    return _ENDS.get(type(error), ("failed", type(error).__name__))


task = partial(app.task, base=Recorded)


@task(name="ok")
def ok() -> None:
    """Return."""


@task(name="slow")
def slow(seconds: float) -> None:
    """Take some time."""
    time.sleep(seconds)


@task(name="late", acks_late=True)
def late(seconds: float) -> None:
    """Take some time, and be delivered again where it did not end."""
    time.sleep(seconds)


@task(name="boom")
def boom() -> None:
    """Raise."""
    raise ValueError


@task(name="again", bind=True, max_retries=2)
def again(self: Any) -> None:
    """Ask twice to be run again."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)


@task(name="ignore")
def ignore() -> None:
    """Ask to be forgotten."""
    raise Ignore


@task(name="reject", acks_late=True)
def reject() -> None:
    """Throw the message away."""
    raise Reject("no", requeue=False)


@task(name="soft", soft_time_limit=1)
def soft() -> None:
    """Run into a soft time limit."""
    time.sleep(60)


@task(name="hard", time_limit=1)
def hard() -> None:
    """Run into a hard time limit."""
    time.sleep(60)


@task(name="killed")
def killed() -> None:
    """Kill the process that it runs in."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(name="quits")
def quits() -> None:
    """End the process, thread or greenlet that it runs in."""
    sys.exit(3)


@task(name="memory")
def memory() -> None:
    """Have no memory; in prefork that is the end of the worker's main process."""
    raise MemoryError
