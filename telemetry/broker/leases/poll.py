"""The connection by which a consumer reserves messages, and waits for a notice of new ones.

Its commits do not wait for the disk: a reservation that a crash of the database undoes leaves its
message waiting, as it was. It knows no message; whoever uses it is one thread at a time.
"""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import text

from telemetry.broker.leases import database as databases

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Connection

    from telemetry.broker.leases.database import Database

R = TypeVar("R")


class Poll:
    """One consumer's connection, opened when it is first used."""

    def __init__(self, database: Database, reconcile: Callable[[Connection], None]) -> None:
        self._database = database
        self._reconcile = reconcile
        self._connection: Connection | None = None
        self._was_lost = False

    def __call__(self, work: Callable[[Connection], R]) -> R:
        """Do this on the connection; where that was lost, once more on a new one."""
        try:
            return work(self._open())
        except Exception as error:
            self._was_lost = True
            self.close()
            if not databases.lost(error):
                raise
        return work(self._open())

    def wait(self, queues: Collection[str], seconds: float) -> None:
        """Until a message comes to one of the queues; at most `seconds`."""
        driver = self._driver()
        if driver is None:
            time.sleep(seconds)
            return
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(driver, selectors.EVENT_READ)
            while not _notified(driver, queues):
                rest = deadline - time.monotonic()
                if rest <= 0 or (selector.select(rest) and not _read(driver)):
                    return

    def close(self) -> None:
        """Close the connection; the next use opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # its settings are not those of the pool
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._database.engine.connect()
            with connection.begin():
                connection.execute(text("SET synchronous_commit = off"))
            if self._database.options.notify:
                with connection.begin():
                    connection.execute(text(f"LISTEN {self._database.listeners}"))
            self._connection = connection
        if self._was_lost:
            self._reconcile(self._connection)
            self._was_lost = False
        return self._connection

    def _driver(self) -> Any:  # noqa: ANN401 - psycopg2's or psycopg's connection
        """The driver's connection, if it is one that hears notices."""
        if self._connection is None or not self._database.options.notify:
            return None
        if not self._database.engine.dialect.driver.startswith("psycopg"):
            return None
        return self._connection.connection.dbapi_connection


def _read(driver: Any) -> bool:  # noqa: ANN401 - psycopg2's or psycopg's connection
    """Take in what the server sent; False if it closed the connection."""
    try:
        if hasattr(driver, "poll"):
            driver.poll()
        else:
            driver.pgconn.consume_input()
    except driver_errors(driver):
        return False
    return True


def _notified(driver: Any, queues: Collection[str]) -> bool:  # noqa: ANN401 - see `_read`
    """Whether a notice of one of the queues has come; all that have come are used up."""
    payloads = []
    if hasattr(driver, "poll"):
        payloads = [notice.payload for notice in driver.notifies]
        driver.notifies.clear()
    else:
        while (notice := driver.pgconn.notifies()) is not None:
            payloads.append(notice.extra.decode())
    return any(payload in queues for payload in payloads)


def driver_errors(driver: Any) -> type[Exception]:  # noqa: ANN401 - see `_read`
    """The base of the driver's own errors (PEP 249 has it on the connection too)."""
    return driver.Error if hasattr(driver, "Error") else Exception
