"""A SQL broker for tests: a database, connections to it in both ways, and processes that vanish.

`python -m tests.support.broker URL OPTIONS NUMBER` takes that many messages, says so on standard
output, and holds them until it is ended.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from kombu import Connection
from kombu.transport.sqlalchemy import Channel as StockChannel
from sqlalchemy import create_engine, text

import telemetry
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.simple import SimpleQueue

assert telemetry.instrument  # its import is what makes the address known
QUEUE = "jobs"


class Broker:
    """The broker of one test."""

    def __init__(self, database: str, stack: ExitStack) -> None:
        self.database = database
        self.url = f"portless+{database}"
        self._stack = stack
        engine = create_engine(database, isolation_level="AUTOCOMMIT")
        stack.callback(engine.dispose)
        self._connection = stack.enter_context(engine.connect())

    def connect(self, prefix: str = "portless+", **options: Any) -> Connection:
        """A connection that ends with the test."""
        connection = Connection(prefix + self.database, transport_options=options)
        return self._stack.enter_context(connection)

    def queue(self, prefix: str = "portless+", **options: Any) -> SimpleQueue:
        """A queue to put into and to get from; it ends with the test."""
        queue = self.connect(prefix, **options).SimpleQueue(QUEUE)
        self._stack.callback(queue.close)
        return queue

    def holder(self, number: int, **options: Any) -> subprocess.Popen[str]:
        """Another process that has taken this many messages."""
        command = [sys.executable, "-m", "tests.support.broker", self.url]
        process = subprocess.Popen(
            [*command, json.dumps(options), str(number)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{number}\n"
        self._stack.callback(process.stdout.close)
        return process

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement; returns its rows."""
        result = self._connection.execute(text(sql))
        return [tuple(row) for row in result] if result.returns_rows else []

    def empty(self) -> None:
        """Begin without a message, a queue or a consumer."""
        tables = "kombu_message, kombu_queue, kombu_message_consumer"
        if all(self.execute(f"SELECT to_regclass('{name}')")[0][0] for name in tables.split(", ")):
            self.execute(f"TRUNCATE {tables}")

    def rows(self) -> list[tuple[Any, ...]]:
        """Every message: its row, whether it is visible, and its version."""
        return self.execute("SELECT id, visible, version FROM kombu_message ORDER BY id")

    def cut_connections(self) -> None:
        """End every session but the test's own, as a restart of the database does."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def wait_for(self, done: Callable[[], object], timeout_seconds: float = 60.0) -> None:
        """Until `done()` is true."""
        deadline = time.monotonic() + timeout_seconds
        while not done():
            assert time.monotonic() < deadline, f"it did not happen in time: {self.rows()}"
            time.sleep(0.05)


@contextmanager
def made(database: str) -> Iterator[Broker]:
    """A broker in this database, until the end of the block."""
    with ExitStack() as stack:
        yield Broker(database, stack)
    # kombu's own transport leaves its sessions to the garbage collector, and its engines to the end
    StockChannel._engines.clear()
    gc.collect()


def _hold(url: str, options: dict[str, Any], number: int) -> None:
    with Connection(url, transport_options=options) as connection:
        channel = connection.channel()
        held = [channel.basic_get(QUEUE) for _ in range(number)]
        sys.stdout.write(f"{sum(message is not None for message in held)}\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    _hold(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
