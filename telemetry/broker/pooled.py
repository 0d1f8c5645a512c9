"""Whether a connection has a session of PostgreSQL's of its own, as locks and settings need it.

Comes in: a connection, and how to make another one. Goes out: yes or no; nothing is changed by
asking. A pooler in transaction mode (PgBouncer's, RDS Proxy's, Supavisor's) gives a session to
whoever is next: an advisory lock would stay with a stranger, and so would a setting. A session that
was made read only here would be the application's next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

LOOKS = 10
"""Each is two round trips, where there is a pooler."""
_ASK = text("SELECT pg_backend_pid()")


def has_own_session(connection: Connection, another: Callable[[], Connection]) -> bool:
    """Whether this connection, in autocommit, keeps one session of the server's.

    The server told the driver the session's number as it began; a pooler tells a number of its own.
    Then two connections ask for their session's in turn. Where each has one, the two numbers differ
    and stay. Raises what the driver does.
    """
    if _told(connection) == _session(connection):
        return True
    mine = _session(connection)
    with another() as other:
        for _ in range(LOOKS):
            if _session(other) == mine or _session(connection) != mine:
                return False
    return True


def _session(connection: Connection) -> int:
    with connection.begin():  # in autocommit it costs nothing and keeps SQLAlchemy's books
        return int(connection.execute(_ASK).scalar_one())


def _told(connection: Connection) -> int | None:
    """What psycopg or psycopg2 was told; of other drivers None."""
    driver: Any = connection.connection.dbapi_connection
    if hasattr(driver, "get_backend_pid"):
        return int(driver.get_backend_pid())
    told = getattr(getattr(driver, "info", None), "backend_pid", None)
    return None if told is None else int(told)
