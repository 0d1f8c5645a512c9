"""A broker's database as one process sees it: engine, tables, statements; and what a fork leaves.

Comes in: options and the names of statements. Goes out: rows. Any thread may call what is here. A
forked process begins anew with connections of its own: what it inherited belongs to its
parent and is neither used nor closed there. It knows no message, no queue's meaning and no lease.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import threading
import time
import weakref
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InvalidatePoolError,
    OperationalError,
    ProgrammingError,
)

from telemetry.broker import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, CursorResult
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

    from telemetry.broker.leases.options import Options

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10
"""libpq would wait for as long as the system does, which is minutes."""

_LIMITS: dict[str, dict[str, Any]] = {
    "psycopg2": {"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    # It would keep statements in the session that it repeats; a pooler gives it another session.
    "psycopg": {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "prepare_threshold": None},
}

IDLE_SECONDS = 1.0
"""A connection not used for as long is asked whether it lives; that is one round trip."""
_USED = "portless_used"

Driver: TypeAlias = Any
"""A connection of psycopg2, psycopg or another driver."""


class SchemaError(RuntimeError):
    """A table is missing, and this role may not create it."""


class Database:
    """The broker's tables, by connections of this process."""

    def __init__(self, options: Options) -> None:
        # an error would quote what a task was given
        arguments: dict[str, Any] = {"hide_parameters": True, **dict(options.engine)}
        limits = _LIMITS.get(make_url(options.url).get_driver_name(), {})
        arguments["connect_args"] = {**limits, **arguments.get("connect_args", {})}
        # one statement, one round trip; whatever needs more than one says so
        self.engine = create_engine(
            options.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **arguments
        )
        self.options = options
        self._connections: weakref.WeakSet[Driver] = weakref.WeakSet()
        event.listen(self.engine, "connect", lambda driver, _: self._connections.add(driver))
        event.listen(self.engine, "handle_error", _say_that_it_is_lost)
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", self._check)
        self._names = _names(options)
        quote = self.engine.dialect.identifier_preparer.quote
        self._quoted = {name: quote(value) for name, value in self._names.items()}
        self._statements = {
            name: text(statement)
            for file in ("leases/schema.sql", "leases/transport.sql")
            for name, statement in statements.load(file, self._quoted).items()
        }
        self.locks = 0
        """The first key of our advisory locks, of the table whose messages they are about."""
        self._ready = threading.Lock()
        self._has: set[str] = set()

    @property
    def listeners(self) -> str:
        """The channel by which publishers wake workers."""
        return f"portless_{self.locks}"

    def run(self, statement: str, **parameters: Any) -> list[Any]:  # noqa: ANN401 - a statement's
        """Execute on any connection; returns the rows, or `[(count,)]` of those it changed.

        Where the connection is lost, once more on another one; but not `put`, of which nobody
        knows whether it was done. Whether to publish again is a setting of Celery's.
        """
        try:
            return self._run(statement, parameters)
        except DBAPIError as error:
            if statement == "put" or not error.connection_invalidated:
                raise
        return self._run(statement, parameters)

    def _run(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        with self.engine.connect() as connection:
            return self.run_on(connection, statement, **parameters)

    def run_on(self, connection: Connection, statement: str, **parameters: Any) -> list[Any]:  # noqa: ANN401 - a statement's
        """Execute on this connection; see `run`."""
        with connection.begin():  # in autocommit it costs nothing and keeps SQLAlchemy's books
            result: CursorResult[Any] = connection.execute(self._statements[statement], parameters)
            return list(result.fetchall()) if result.returns_rows else [(result.rowcount,)]

    def prepare(self, *, consumes: bool = False) -> None:
        """Make what is missing, once in a process; raises `SchemaError` where that is forbidden."""
        wanted = {"broker", "consumers"} if consumes else {"broker"}
        with self._ready:
            if wanted <= self._has:
                return
            missing = self._missing()
            if wanted & missing:
                self._create([name for name in ("broker", "consumers") if name in wanted & missing])
            if consumes:
                self._index([name for name in ("waiting", "held") if name in missing])
            (oid,) = self._scalar("SELECT CAST(to_regclass(:messages) AS oid)")
            self.locks = zlib.crc32(f"portless {oid}".encode()) >> 1  # a positive int4
            self._has |= wanted

    def _scalar(self, sql: str) -> Any:  # noqa: ANN401 - a row
        with self.engine.connect() as connection:
            return connection.execute(text(sql), self._quoted).one()

    def _missing(self) -> set[str]:
        columns = ("broker", "consumers", "waiting", "held")
        names = {key: self._quoted[key] for key in ("queues", "messages", *columns[1:])}
        (row,) = self.run("missing", **names)
        return {name for name, is_missing in zip(columns, row) if is_missing}

    def _create(self, names: list[str]) -> None:
        try:
            self._in_one_transaction(names)
        except ProgrammingError as error:
            tables = {"broker": ("queues", "messages"), "consumers": ("consumers",)}
            missing = " or ".join(self._names[table] for name in names for table in tables[name])
            raise SchemaError(
                f"the broker's table {missing} is missing, and this role may not create it; "
                "connect once as a role that may (docs/broker.md)"
            ) from error

    def _index(self, names: list[str]) -> None:
        for name in names:
            try:
                self._in_one_transaction([name])
            except ProgrammingError:  # somebody else's table
                logger.warning(
                    "the index %s is missing and this role may not create it; the broker works and "
                    "is slow where many messages are kept (docs/broker.md)",
                    self._names[name],
                )

    def _in_one_transaction(self, names: list[str]) -> None:
        with self.engine.connect() as connection:
            transacting = connection.execution_options(isolation_level="READ COMMITTED")
            with transacting.begin():
                for name in ("alone", *names):
                    transacting.execute(self._statements[name])

    def _check(self, driver: Driver, record: ConnectionPoolEntry, _: object) -> None:
        """Before a connection is used that was idle: the database may have been restarted."""
        if time.monotonic() - record.info.get(_USED, math.inf) > IDLE_SECONDS:
            try:
                alive = self.engine.dialect.do_ping(driver)
            except self.engine.dialect.loaded_dbapi.Error:
                alive = False
            if not alive:
                raise InvalidatePoolError

    def leave_to_parent(self) -> None:
        """In a forked process: let go of the parent's connections without a word to the server.

        A copy of a socket that stays open would keep the parent's session alive beyond its end.
        """
        for driver in list(self._connections):
            with contextlib.suppress(Exception):  # closed already, or a driver without a socket
                os.close(driver.fileno())


def _say_that_it_is_lost(context: ExceptionContext) -> BaseException | None:
    """Have one class for a lost connection: psycopg2 calls some no more than a DatabaseError."""
    error = context.sqlalchemy_exception
    if not context.is_disconnect or type(error) is not DatabaseError:
        return None
    return OperationalError(
        error.statement,
        error.params,
        context.original_exception,
        hide_parameters=error.hide_parameters,
        connection_invalidated=True,
    )


def _note_use(_: Driver, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


def _names(options: Options) -> dict[str, str]:
    messages = options.message_tablename
    return {
        "queues": options.queue_tablename,
        "messages": messages,
        "consumers": f"{messages}_consumer",
        "waiting": f"ix_{messages}_waiting",
        "held": f"ix_{messages}_held",
        "by_visible": f"ix_{messages}_visible",
        "by_timestamp": f"ix_{messages}_timestamp",
    }


def lost(error: BaseException) -> bool:
    """Whether the error is the connection's end rather than the statement's fault."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


class _Process:
    """What there is once in a process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.databases: dict[tuple[str, ...], Database] = {}
        self.closing: set[Callable[[], None]] = set()


_process = _Process()
_inherited: list[_Process] = []
"""Kept for ever: what is collected would say goodbye on its parent's sockets."""


def database(options: Options) -> Database:
    """The broker's database in this process."""
    with _process.lock:
        # by text, since an argument of the engine may be anything
        key = (options.url, repr(options), repr(options.engine))
        if key not in _process.databases:
            _process.databases[key] = Database(options)
        return _process.databases[key]


def at_end(close: Callable[[], None]) -> None:
    """Call `close` when this process ends, but in none that is forked from it."""
    with _process.lock:
        _process.closing.add(close)


def _end() -> None:
    for close in list(_process.closing):
        close()


def _was_forked() -> None:
    global _process  # noqa: PLW0603 - a process has one
    for inherited in _process.databases.values():
        inherited.leave_to_parent()
    _inherited.append(_process)
    _process = _Process()


atexit.register(_end)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_was_forked)
