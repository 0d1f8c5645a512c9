"""What happened, as those say to whom it happened: rows that tasks and the publisher write.

In: the beginning and the end of each execution, the amounts that tasks give to metrics, messages
that were sent. Out: rows in PostgreSQL, each in a transaction of its own, so that a killed process
loses none. libpq's PG* variables say where. It knows nothing of telemetry.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg2
from celery import Task
from celery.exceptions import Ignore, Reject, Retry

if TYPE_CHECKING:
    from psycopg2.extensions import connection

TABLES = """
CREATE TABLE execution (number bigserial PRIMARY KEY, task text NOT NULL, outcome text);
CREATE TABLE amount (metric text NOT NULL, tenant text NOT NULL, amount bigint NOT NULL);
CREATE TABLE sent (task text NOT NULL, outcome text);
"""
"""An execution without an outcome is one that was lost. A message has one only if no task ran."""

_OUTCOMES = {Retry: "retried", Ignore: "ignored", Reject: "rejected"}

_local = threading.local()


class Recorded(Task):  # type: ignore[type-arg] # generic in the stubs, and not in Celery
    """A task whose every execution is on record, from its first moment on."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's
        """Run the task between two rows."""
        begun = "INSERT INTO execution (task) VALUES (%s) RETURNING number"
        ended = "UPDATE execution SET outcome = %s WHERE number = %s"
        (number,) = _write(begun, self.name) or ()
        try:
            value = self.run(*args, **kwargs)
        except Exception as error:
            _write(ended, _OUTCOMES.get(type(error), "failed"), number)
            raise
        _write(ended, "success", number)
        return value


def amount(metric: str, tenant_id: str, amount: int) -> None:
    """Write down what is given to a metric for a tenant."""
    _write("INSERT INTO amount VALUES (%s, %s, %s)", metric, tenant_id, amount)


def sent(task: str, outcome: str | None = None) -> None:
    """Write down a message, with its outcome if no task will run for it."""
    _write("INSERT INTO sent VALUES (%s, %s)", task, outcome)


def _write(statement: str, *values: object) -> tuple[Any, ...] | None:
    with _connection().cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone() if cursor.description else None


def _connection() -> connection:
    """The connection of this thread; pool processes are forked before they have any."""
    if not hasattr(_local, "connection"):
        _local.connection = psycopg2.connect("")
        _local.connection.autocommit = True
    connected: connection = _local.connection
    return connected
