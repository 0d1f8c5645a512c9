"""A process's seat among the consumers of a broker: how others know that it lives.

The seat's number marks the messages that the process holds. Two things keep it: an advisory lock,
which PostgreSQL gives up when the session ends, and a row with the time of the last sign of life.
It knows no message and no thread; whoever uses it takes turns.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from telemetry.broker.pooled import has_own_session

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from telemetry.broker.leases.database import Database

BEAT_SECONDS = 5.0
"""Between two signs of life; a quarter of a visibility timeout that is shorter."""
_SESSION = (
    # So that PostgreSQL sees within half a minute that a machine has vanished with its sockets.
    *("SET tcp_keepalives_idle = 10", "SET tcp_keepalives_interval = 5"),
    "SET tcp_keepalives_count = 4",
)


class PooledError(RuntimeError):
    """The session of this process is also others'; no seat can be kept by it."""


class Seat:
    """The seat of this process, and the session that keeps it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._sits = False
        self._beat_due = 0.0
        self._beat_seconds = min(BEAT_SECONDS, database.options.visibility_timeout / 4)
        self.number: int | None = None
        """1 to 32767; None before the first one is taken, and when it was given up by others."""

    def session(self) -> Connection:
        """The one connection that keeps the seat, opened anew where it was lost."""
        if self._connection is None:
            connection = self._database.engine.connect()
            try:
                self._set_up(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def keep(self, now: float) -> bool:
        """Take a seat, sit down, show life, whatever is due; False if others gave the seat up."""
        if self.number is None:
            ((self.number,),) = self._take()
        if not self._sits:
            # It fails while the server has not seen the end of our last session; tried until then.
            ((self._sits,),) = self._run("sit_down", locks=self._database.locks, seat=self.number)
            self._beat_due = now
        if now >= self._beat_due:
            self._beat_due = now + self._beat_seconds
            ((kept,),) = self._run("beat", seat=self.number)
            if not kept:
                self.number, self._sits = None, False
                self.drop()
                return False
        return True

    def leave(self) -> None:
        """Stand up; what is still held is given to others at the next sweep."""
        if self.number is not None:
            self._run("leave_seats", seats=[self.number])
        self.number = None
        self.drop()

    def drop(self) -> None:
        """Close the session, whatever state it is in."""
        connection, self._connection, self._sits = self._connection, None, False
        if connection is not None:
            connection.invalidate()  # not back to the pool, where it would keep the lock
            connection.close()

    def _set_up(self, connection: Connection) -> None:
        if not has_own_session(connection, self._database.engine.connect):
            raise PooledError(
                "the broker's address leads through a pooler in transaction mode, where a worker's "
                "session would be everybody's: give workers an address that goes around it, or a "
                "pool in session mode; publishers may stay (docs/broker.md)"
            )
        for setting in _SESSION:
            with connection.begin():
                connection.execute(text(setting))

    def _take(self) -> list[Any]:
        process = f"{socket.gethostname()}/{os.getpid()}"
        while not (rows := self._run("take_seat", process=process)):
            pass  # that number is taken, after more than 32767 seats
        return rows

    def _run(self, statement: str, **parameters: Any) -> list[Any]:  # noqa: ANN401 - a statement's
        return self._database.run_on(self.session(), statement, **parameters)
