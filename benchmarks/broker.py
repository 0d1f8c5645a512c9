"""Messages a second through a SQL broker: the acknowledging transport and kombu's own, in turn.

Real workers stand ready when the messages appear all at once, more than they can take in the time
given. Of kombu's own transport a message counts when it was taken; of the other one when it was
acknowledged as well, which is what its row's end means. Each has a database of its own, and the two
take turns, so that whatever else the machine does meets both.

That is a deep backlog. In a shallow one a burst of messages is published, one by one as
applications do it, and the next burst when all of that is taken.

In the solo pool kombu's transport is at its best. With a pool of processes it sleeps for its
polling interval, one second, whenever as many messages as may be prefetched are under way.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from kombu import Connection
from sqlalchemy import create_engine, text

from benchmarks.broker_app import QUEUE, nothing
from benchmarks.table import Table
from tests.support import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIXES = {"portless": "portless+", "kombu": "sqla+"}
TEMPLATE = "template"
_OF_QUEUE = "queue_id = (SELECT id FROM kombu_queue WHERE name = :queue)"
_LEFT = {
    "portless": f"SELECT count(*) FROM kombu_message WHERE {_OF_QUEUE}",
    "kombu": f"SELECT count(*) FROM kombu_message WHERE {_OF_QUEUE} AND visible",
}
_REMOVE = f"DELETE FROM kombu_message WHERE {_OF_QUEUE} AND visible"
_COPIES = (
    "INSERT INTO kombu_message (id, visible, payload, version, queue_id)"
    " SELECT nextval('message_id_sequence'), true, payload, 1,"
    " (SELECT id FROM kombu_queue WHERE name = :queue)"
    " FROM kombu_message JOIN kombu_queue AS template ON template.id = queue_id,"
    " generate_series(1, :messages) WHERE template.name = 'template'"
)
MESSAGES = 4_000
BURST = 8
"""Messages of a shallow backlog: two for each of four workers."""
LOOK_SECONDS = 0.005


class Row(NamedTuple):
    """What a number of workers take from the broker, in messages a second."""

    pool: str
    backlog: str
    workers: int
    portless: float
    kombu: float

    @property
    def ratio(self) -> float:
        """How many times as many ours does."""
        return self.portless / self.kombu


def table(short: bool) -> Table:
    """Measure; see `measure`."""
    return Table(
        "Messages a second through PostgreSQL, acknowledged, and through kombu's transport",
        ("pool and backlog", "workers", "portless", "kombu", "portless / kombu"),
        (
            (
                f"{took.pool}, {took.backlog}",
                str(took.workers),
                f"{took.portless:,.0f}",
                f"{took.kombu:,.0f}",
                f"{took.ratio:.1f}",
            )
            for took in measure(short=short)
        ),
    )


def measure(*, short: bool) -> list[Row]:
    """Run 1, 2 and 4 workers on both transports in turn; the median of each."""
    rounds, seconds = (1, 1.0) if short else (3, 2.0)
    rows = []
    with postgres.running() as server:
        for pool in ("solo",) if short else ("solo", "prefork"):
            with ExitStack() as stack:
                brokers = [
                    _Broker(name, server.create(f"{pool}-{name}"), pool, stack) for name in PREFIXES
                ]
                for workers in (1, 2, 4):
                    for broker in brokers:
                        broker.employ(workers)
                    for backlog in ("deep", "shallow"):
                        rates = _measure(brokers, backlog, rounds, seconds)
                        rows.append(Row(pool, backlog, workers, *rates))
    return rows


def _measure(
    brokers: list[_Broker], backlog: str, rounds: int, seconds: float
) -> tuple[float, float]:
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for rates, broker in zip(found, brokers):
            run = broker.deep if backlog == "deep" else broker.shallow
            rates.append(run(seconds))
    return statistics.median(found[0]), statistics.median(found[1])


class _Broker:
    """A database with one of the transports on it, and its workers."""

    def __init__(self, name: str, database: str, pool: str, stack: ExitStack) -> None:
        self._name = name
        self._pool = pool
        self._url = PREFIXES[name] + database
        self._stack = stack
        self._workers = 0
        with Connection(self._url) as connection:
            # beforehand: stock workers that declare it at the same time fail
            connection.default_channel.queue_declare(QUEUE)
            nothing.apply_async(connection=connection, queue=TEMPLATE)
        engine = create_engine(database, isolation_level="AUTOCOMMIT")
        stack.callback(engine.dispose)
        self._connection = stack.enter_context(engine.connect())

    def employ(self, workers: int) -> None:
        """Have this many workers ready."""
        new = range(self._workers, workers)
        started = [self._stack.enter_context(_worker(self._url, self._pool)) for _ in new]
        self._workers = workers
        for worker in started:
            if worker.stdout is None or worker.stdout.readline() != "ready\n":
                raise RuntimeError(f"a worker on {self._name} did not start")

    def shallow(self, seconds: float) -> float:
        """Messages a second, of which never more than a burst wait."""
        began, done = time.monotonic(), 0
        with Connection(self._url) as connection:
            while time.monotonic() - began < seconds:
                for _ in range(BURST):
                    nothing.apply_async(connection=connection)
                while self._left():
                    time.sleep(LOOK_SECONDS)
                done += BURST
        return done / (time.monotonic() - began)

    def deep(self, seconds: float) -> float:
        """Messages a second from the moment they are there."""
        self._connection.execute(text(_COPIES), {"messages": MESSAGES, "queue": QUEUE})
        began = time.monotonic()
        time.sleep(seconds)
        left = self._left()
        took = time.monotonic() - began
        self._connection.execute(text(_REMOVE), {"queue": QUEUE})
        return (MESSAGES - left) / took

    def _left(self) -> int:
        asked = self._connection.execute(text(_LEFT[self._name]), {"queue": QUEUE})
        return int(asked.scalar_one())


@contextmanager
def _worker(url: str, pool: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.broker_app", url, pool]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
