"""What an API needs: its database, its broker, and row security that is truly on.

Comes in: how to connect. Goes out: checks for `telemetry.health.readiness`. Connections are DB-API
2.0 (psycopg2, psycopg, or SQLAlchemy's `engine.raw_connection`), made for each check and closed
after it, so what is checked is what the next request will get.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.health.asking import channel
from telemetry.health.readiness import CHECK_SECONDS_MAX, Check
from telemetry.health.row_security import FEW_SECONDS, TENANTS, TenantTable, prove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from celery import Celery

Connection: TypeAlias = Any
"""A DB-API 2.0 connection."""


def database(connect: Callable[[], Connection]) -> Check:
    """The database answers a query."""

    def run() -> None:
        with _transaction(connect) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            cursor.fetchone()

    return Check("database", run)


def row_security(
    connect: Callable[[], Connection],
    tables: Sequence[TenantTable],
    *,
    setting: str,
    tenants: tuple[object, object] = TENANTS,
) -> Check:
    """PostgreSQL keeps tenants apart in these tables, for the role that `connect` connects as.

    `setting` is the run-time parameter that policies read the tenant from, such as `app.tenant_id`.
    `tenants` are two values that it can have. For each table a row of the first one is inserted and
    looked for as the second, in a transaction that is always rolled back. Raises ValueError without
    tables, or for a setting without a dot, which PostgreSQL would not take.
    """
    if not tables or "." not in setting or tenants[0] == tenants[1]:
        raise ValueError(
            "row_security needs tables, a setting such as 'app.tenant_id', two different tenants"
        )

    def run() -> None:
        with _transaction(connect) as connection:
            prove(connection.cursor(), tables, setting, tenants)

    return Check("row_security", run)


def broker(app: Celery, queue_name: str | None = None) -> Check:
    """The broker of `app` answers for a queue, by default the one where tasks go by default.

    It is asked in its own protocol, through a connection of its own: a passive declaration on AMQP,
    the length of the list on Redis, a count of what waits on SQL.
    """

    def run() -> None:
        name = queue_name or app.conf.task_default_queue
        with channel(app, CHECK_SECONDS_MAX) as (connection, own):
            try:
                own.queue_declare(name, passive=True)
            except connection.channel_errors:
                return  # it answered: there is no such queue yet, the first task will make it

    return Check("broker", run)


@contextmanager
def _transaction(connect: Callable[[], Connection]) -> Iterator[Connection]:
    """A connection whose transaction is rolled back, whatever happens."""
    connection = connect()
    try:
        try:
            yield connection
        finally:
            connection.rollback()
    finally:
        connection.close()


__all__ = ["FEW_SECONDS", "TENANTS", "TenantTable", "broker", "database", "row_security"]
