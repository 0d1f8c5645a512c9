"""An SQL broker, PostgreSQL's or SQLite's, read by statements that only read.

Comes in: the address of the database and the names of kombu's tables in it. Goes out: a `Look`, or
`Unseen` with the reason. It has a connection of its own, in autocommit, so that no transaction of
it stays open; it knows no metric and no thread, and whoever calls it does so from one at a time.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import bindparam, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from telemetry.broker import election, statements
from telemetry.broker.blind import Reason, Unreadable, Unseen, reason
from telemetry.broker.heads import Waiting, due
from telemetry.broker.pooled import has_own_session
from telemetry.broker.readings import QUEUES_MAX, Look, Queue, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import URL, Connection, Engine

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 2.0
"""For one statement; the server ends it then, and the look is blind instead of late."""
CONNECT_SECONDS = 3
"""For a connection; libpq takes whole seconds and no fewer than 2."""
PAYLOAD_MAX = 1_000_000
"""Characters of a message that are read for its header."""
BEHIND_MAX = 100
"""Messages that are looked at behind a first one which waits for its ETA."""
QUEUES_READ_MAX = 5000
"""Queues that are read, the longest first; those without a name of their own are added up."""
DIALECTS = ("postgresql", "sqlite")


class SqlBroker:
    """The tables of one broker; `look` connects when it has to."""

    def __init__(
        self,
        url: str,
        *,
        tables: Mapping[str, str],
        connect_args: Mapping[str, Any],
        silence_seconds: float,
    ) -> None:
        """Prepare; `tables` has the names of `queues` and `messages`, as the app has them.

        A session that is silent for `silence_seconds` is ended by the server. Raises `Unreadable`
        for a database that is neither PostgreSQL nor SQLite, and what SQLAlchemy and Python raise
        for an address that is none.
        """
        parsed = make_url(url)
        self._dialect = parsed.get_backend_name()
        if self._dialect not in DIALECTS:
            raise Unreadable(f"queues can be read in {' and '.join(DIALECTS)}, not {self._dialect}")
        self.name = _name(parsed)
        """Of the broker; PostgreSQL tells a better one when it is asked."""
        self._silence_ms = str(int(silence_seconds * 1000))
        if self._dialect == "sqlite":
            self._engine = _sqlite(parsed, lambda: monotonic() > self._deadline)
        else:
            self._engine = _postgresql(parsed, connect_args)
        named = {key: _quoted(name) for key, name in tables.items()}
        self._messages = named["messages"]
        loaded = statements.load("readings.sql", named)
        self._statements = {name: text(statement) for name, statement in loaded.items()}
        heads = self._statements["heads"].bindparams(bindparam("ids", expanding=True))
        self._statements["heads"] = heads
        self._connection: Connection | None = None
        self._deadline = 0.0
        self._key = election.key(tables["messages"])

    def look(self) -> Look | None:
        """Look once; None while another observer of this database does. Raises `Unseen`."""
        try:
            self._deadline = monotonic() + STATEMENT_SECONDS
            connection = self._connection or self._connect()
            if connection is None:
                return None
            return self._read(connection)
        except Unseen:
            self.close()
            raise
        except Exception as error:
            logger.debug("the broker could not be read", exc_info=True)
            spoken_for = self.name if self._dialect == "sqlite" else None
            self.close()
            raise Unseen(reason(error), spoken_for) from error

    def close(self) -> None:
        """End the connection, and with it the time as the elected one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                logger.debug("a connection that was lost could not be closed", exc_info=True)

    def _connect(self) -> Connection | None:
        """A connection that may look; None if another one does."""
        connection = self._engine.connect()
        try:
            if self._dialect == "sqlite" or self._is_elected(connection):
                self._connection = connection
                return connection
        finally:
            if self._connection is None:
                connection.close()
        return None

    def _is_elected(self, connection: Connection) -> bool:
        if not has_own_session(connection, self._engine.connect):
            raise Unseen("unsupported")  # before anything is set that others would find
        limits = {"statement_ms": str(int(STATEMENT_SECONDS * 1000))}
        self._run(connection, "session_postgresql", **limits, silence_ms=self._silence_ms)
        [(elected,)] = self._run(connection, "elect", key=self._key)
        if elected:
            self.name = self._own_name(connection)
        return bool(elected)

    def _own_name(self, connection: Connection) -> str:
        try:
            [(database, system)] = self._run(connection, "database_postgresql")
        except Exception:
            logger.debug("the database does not say which it is", exc_info=True)
            return self.name
        return f"{database}@{int(system):x}"

    def _read(self, connection: Connection) -> Look:
        """One look; what a statement cannot see is missing and has a reason."""
        if self._dialect == "postgresql":
            [(locks,)] = self._run(connection, "elected", key=self._key)
            if not locks:
                # The session is another one: a pooler gave it, and the lock cannot be kept there.
                raise Unseen("unsupported")
        blind: set[Reason] = set()
        table = self._try(connection, blind, lambda: self._table(connection))
        if table is None:
            return Look(self.name, 0.0, blind=frozenset(blind))
        now, total, size = table
        seen = self._try(connection, blind, lambda: self._waiting(connection, now))
        if seen is None:
            return Look(self.name, now, table_bytes=size, blind=frozenset(blind))
        queues, visible, newest = seen
        rows = Rows(visible, max(0, total - visible))
        return Look(self.name, now, queues, newest, rows, size, frozenset(blind))

    def _try(self, connection: Connection, blind: set[Reason], read: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is read
        """What `read` returns; None, and the reason in `blind`, where only that cannot be read."""
        try:
            return read()
        except Exception as error:
            why = reason(error)
            if connection.invalidated or connection.closed or why in {"unreachable", "failed"}:
                raise
            logger.debug("a part of the broker could not be read", exc_info=True)
            blind.add(why)
            return None

    def _table(self, connection: Connection) -> tuple[float, int, int]:
        values = {"messages": self._messages} if self._dialect == "postgresql" else {}
        [(now, total, size)] = self._run(connection, f"table_{self._dialect}", **values)
        return float(now), int(total), int(size)

    def _waiting(
        self, connection: Connection, now_seconds: float
    ) -> tuple[tuple[Queue, ...], int, int]:
        """The queues, and of all rows that wait the number and the newest."""
        rows = self._run(connection, "waiting", queues_max=QUEUES_READ_MAX)
        ids = [first for _, _, _, first, _, _ in rows[:QUEUES_MAX] if first is not None]
        heads = {}
        if ids:
            heads = dict(
                map(tuple, self._run(connection, "heads", ids=ids, payload_max=PAYLOAD_MAX))
            )
        queues = []
        for queue_id, name, length, first, _, _ in rows:
            found = [Waiting(first, heads[first])] if first in heads else []
            if found and due(heads[first], now_seconds, now_seconds).at_seconds > now_seconds:
                limits = {"behind_max": BEHIND_MAX, "payload_max": PAYLOAD_MAX}
                places = {"queue_id": queue_id, "first": first}
                behind = self._run(connection, "behind", **places, **limits)
                found += [Waiting(place, payload) for place, payload in behind]
            queues.append(Queue(str(name), int(length), tuple(found)))
        visible, newest = (int(rows[0][4]), int(rows[0][5])) if rows else (0, 0)
        return tuple(queues), visible, newest

    def _run(self, connection: Connection, name: str, **values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - SQL's
        return [tuple(row) for row in connection.execute(self._statements[name], values)]


def _quoted(name: str) -> str:
    """As both dialects have it; SQLAlchemy's own doubles percent signs, which `text` does again."""
    return '"' + name.replace('"', '""') + '"'


def _postgresql(url: URL, connect_args: Mapping[str, Any]) -> Engine:
    """Connections that give up in time; the rest of their limits is set in the session."""
    limits: dict[str, Any] = _LIMITS.get(url.get_driver_name(), {})
    return create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={**limits, **connect_args},
    )


_LIBPQ = {
    "connect_timeout": CONNECT_SECONDS,
    # The driver waits for an answer for ever; the system tells it when there is nobody to answer.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_LIMITS: dict[str, dict[str, Any]] = {
    "psycopg2": _LIBPQ,
    "psycopg": _LIBPQ,
    "pg8000": {"timeout": CONNECT_SECONDS},
}


def _sqlite(url: URL, is_late: Callable[[], bool]) -> Engine:
    """Connections to a file that is there, opened for reading only.

    Raises `Unreadable` for a database in memory, which no other process can see.
    """
    if not url.database or url.database == ":memory:":
        raise Unreadable("a database in memory is its own process's: nothing can be read there")
    read_only = url.set(database=f"file:{quote(url.database)}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(
        read_only,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": STATEMENT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _limit(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's
        connection.set_progress_handler(is_late, 10_000)  # of SQLite's instructions: about 1 ms

    return engine


def _name(url: URL) -> str:
    """A name for the broker from its address, without whatever is secret in it."""
    if url.get_backend_name() == "sqlite":
        return str(url.database).replace("\\", "/").rpartition("/")[2]
    host = url.host or "localhost"
    return f"{url.database}@{host}{f':{url.port}' if url.port else ''}"
