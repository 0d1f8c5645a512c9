"""The application under test: tasks that end in every way there is, and write down how they did.

It is configured by the environment, as a worker process finds it: LAB_DATABASE, LAB_BROKER and
LAB_BROKER_OPTIONS (JSON), LAB_REVOKED and whatever OTEL_* says. A task writes its row just before
it ends, so the rows are the truth that the counters are held against.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import psycopg2
from celery import Celery, signals
from celery.exceptions import Ignore, Reject
from kombu import Exchange, Queue
from kombu.transport.sqlalchemy import Channel, Transport
from opentelemetry import metrics
from sqlalchemy.engine import make_url

from telemetry import instrument
from telemetry.state import left

DATABASE = os.environ["LAB_DATABASE"]
Transport.polling_interval = 0.1
left.PATIENCE_SECONDS = float(os.environ.get("LAB_PATIENCE_SECONDS", left.PATIENCE_SECONDS))

app = Celery(
    "lab", broker=os.environ.get("LAB_BROKER", f"sqla+{DATABASE}"), backend=f"db+{DATABASE}"
)
instrument(app)
app.conf.update(
    task_default_queue="lab",
    task_queues=[Queue("lab"), Queue("eu", Exchange("shop"), routing_key="orders.eu")],
    worker_lost_wait=1.0,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
    broker_transport_options=json.loads(os.environ.get("LAB_BROKER_OPTIONS", "{}")),
)

meter = metrics.get_meter("lab")  # before there is any provider, as applications do
orders = meter.create_counter("lab.orders", unit="{order}")
amounts = meter.create_histogram("lab.amount", unit="EUR")


@signals.worker_init.connect
def _revoke(**_: object) -> None:
    from celery.worker import state  # noqa: PLC0415 - only in a worker

    for name in os.environ.get("LAB_REVOKED", "").split():
        state.revoked.add(name)


@signals.task_received.connect
def _wedge(request: Any, **_: object) -> None:
    """A handler of the application's that never returns, in the worker's own loop."""
    if request.name.endswith(".wedge"):
        time.sleep(600)


@signals.task_prerun.connect
def _stick(task: Any, **_: object) -> None:
    """A task that never gets to its end."""
    if task.name == os.environ.get("LAB_STUCK"):
        time.sleep(600)


@signals.worker_process_init.connect
def _new_connections(**_: object) -> None:
    """The broker's transport keeps its engines in a class, and a fork would share their sockets."""
    Channel._engines.clear()


def note(task: str, outcome: str, detail: str = "", tenant: str = "", amount: float = 0) -> None:
    """Write down how a task is about to end."""
    url = make_url(DATABASE)
    host = str(url.query["host"])
    connection = psycopg2.connect(host=host, user=url.username, dbname=url.database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions VALUES (%s, %s, %s, %s, %s)",
            (task, outcome, detail, tenant, amount),
        )
    connection.close()


@app.task
def ok(tenant: str = "a", amount: float = 1.5) -> float:
    """Returns, and counts an order of a tenant's."""
    orders.add(1, {"tenant_id": tenant})
    amounts.record(amount, {"tenant_id": tenant})
    note("ok", "success", "", tenant, amount)
    return amount


@app.task
def boom() -> None:
    """Raises."""
    note("boom", "failed", "ValueError")
    raise ValueError("what a task was given must stay out of every log and label")


@app.task(bind=True, max_retries=2)
def again(self: Any) -> None:
    """Asks twice to be run again, then returns."""
    if self.request.retries < 2:
        note("again", "retried")
        raise self.retry(countdown=0)
    note("again", "success")


@app.task
def chain(times: int) -> None:
    """Returns, and publishes itself again."""
    note("chain", "success")
    if times:
        chain.delay(times - 1)


@app.task
def ignore() -> None:
    """Asks to be forgotten."""
    note("ignore", "ignored")
    raise Ignore


@app.task
def reject() -> None:
    """Throws its message away."""
    note("reject", "rejected", "rejected")
    raise Reject("no", requeue=False)


@app.task(acks_late=True)
def requeue_once() -> None:
    """Gives its message back, and returns when it comes again."""
    url = make_url(DATABASE)
    connection = psycopg2.connect(
        host=str(url.query["host"]), user=url.username, dbname=url.database
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM executions WHERE task = 'requeue_once'")
        seen = cursor.fetchone()
    connection.close()
    if seen == (0,):
        note("requeue_once", "rejected", "requeued")
        raise Reject("later", requeue=True)
    note("requeue_once", "success")


@app.task(time_limit=1)
def too_long() -> None:
    """Runs into its hard time limit."""
    note("too_long", "lost", "time_limit")
    time.sleep(60)


@app.task(soft_time_limit=1)
def softly() -> None:
    """Runs into its soft time limit."""
    note("softly", "failed", "SoftTimeLimitExceeded")
    time.sleep(60)


@app.task
def killed() -> None:
    """Is killed from outside."""
    note("killed", "lost", "worker_lost")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def quits() -> None:
    """Ends its process."""
    note("quits", "lost", "worker_lost")
    sys.exit(3)


@app.task(bind=True, acks_late=True)
def numbered(self: Any) -> None:
    """Takes a moment, notes when it begins and ends, and is acknowledged after that."""
    note("numbered", "begun", self.request.id, amount=time.time())
    time.sleep(0.2)
    note("numbered", "success", self.request.id)


@app.task
def sleep(seconds: float) -> None:
    """Takes its time."""
    note("sleep", "begun")
    time.sleep(seconds)


@app.task
def wedge() -> None:
    """Never runs: see `_wedge`."""


@app.task
def listens() -> int:
    """Bind and listen, so that a test of silence can show that it would hear."""
    import socket  # noqa: PLC0415 - the one task that does what no worker should

    listener = socket.create_server(("127.0.0.1", 0))
    note("listens", "begun")
    time.sleep(3)
    listener.close()
    return 0
