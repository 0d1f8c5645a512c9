"""Everything that runs: PostgreSQL, Redis, the collector behind a proxy, a worker of each kind.

Both are brokers, each of its workers; PostgreSQL has the books of the tasks, too.

It starts and ends things and knows where they are; what is done to them is `violence`, what is read
off them is `watch` and `account`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import redis as redis_client
from celery import Celery
from sqlalchemy.engine import make_url

from demo.system import _clean
from tests.chaos.workers import KINDS, Broker, Kind, Node
from tests.support import postgres, redis
from tests.support.collector import Collector
from tests.support.proxy import Proxy
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.scrape import Page

QUEUES = {broker: tuple(kind.name for kind in KINDS if kind.broker is broker) for broker in Broker}
REDELIVERY_SECONDS = 4
"""After so long a broker delivers again what nobody has acknowledged, or nobody lives to."""
_OPTIONS = {
    Broker.REDIS: {"visibility_timeout": REDELIVERY_SECONDS},
    Broker.POSTGRES: {"lease_grace": REDELIVERY_SECONDS, "polling_interval": 0.2},
}
_TABLE = (
    "CREATE TABLE execution (id text PRIMARY KEY, node text NOT NULL, task text NOT NULL,"
    " message text NOT NULL, outcome text, detail text)"
)
PATIENCE_SECONDS = 30.0
START_SECONDS_MAX = 120.0
EXPORT_INTERVAL_SECONDS = 0.5


class System:
    """What runs, for the length of a `with running(…)`."""

    def __init__(self, directory: Path, server: postgres.Postgres, broker: str, seed: int) -> None:
        address = server.create("chaos")
        url = make_url(address)
        self.postgres = server
        self.published: Counter[tuple[str, str]] = Counter()
        """By queue and task."""
        self.state = directory / "state"
        self._database = f"host={url.query['host']} user={url.username} dbname={url.database}"
        self._redis = redis_client.Redis(unix_socket_path=broker.removeprefix("redis+socket://"))
        addresses = {Broker.REDIS: broker, Broker.POSTGRES: f"portless+{address}"}
        self._producers = {
            each: Celery("producer", broker=address, set_as_current=False)
            for each, address in addresses.items()
        }
        self._directory = directory
        self._journal = _has_journal()
        self.proxy = Proxy(seed)
        self.collector = self._collect()
        self._brokers = {
            each: {
                "CHAOS_BROKER": address,
                "CHAOS_TRANSPORT": json.dumps(_OPTIONS[each]),
                "CHAOS_QUEUES": " ".join(QUEUES[each]),
            }
            for each, address in addresses.items()
        }
        self.environ = _clean(os.environ) | {
            "PYTHONPATH": str(ROOT),
            "CHAOS_DATABASE": self._database,
            "PORTLESS_STATE_DIR": str(self.state),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.proxy.port}",
            "OTEL_METRIC_EXPORT_INTERVAL": str(int(EXPORT_INTERVAL_SECONDS * 1000)),
        }
        self.nodes: list[Node] = []

    @property
    def forgets(self) -> bool:
        """Whether a collector that is killed has to be told everything again.

        Workers that live, or left a file, do so; one that ended well has said its last word.
        """
        return not self._journal

    def start_workers(self) -> None:
        """One of each kind; returns when all consume."""
        self.nodes += [
            Node(kind, self._directory, self.environ | self._brokers[kind.broker]) for kind in KINDS
        ]
        self.wait(self.unready)

    def wait(self, missing: Callable[[], str], seconds: float = START_SECONDS_MAX) -> None:
        """Until nothing is missing; meanwhile workers are started again. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while what := missing():
            self.tend()
            assert time.monotonic() < deadline, f"after {seconds:.0f} s {what}"
            time.sleep(0.1)

    def unready(self) -> str:
        """Which workers do not consume."""
        names = [node.name for node in self.nodes if not (node.lives and node.ready)]
        return f"{', '.join(names)} are not there" if names else ""

    def tend(self, delay_seconds: float = 0.5) -> None:
        """Start again what has ended."""
        for node in self.nodes:
            node.tend(delay_seconds)

    def publish(self, kind: Kind, task: str, *args: object) -> None:
        """Send a task to a worker, however often the broker has gone away."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._producers[kind.broker].send_task(task, args, queue=kind.name)
                break
            except Exception:  # of a broker that went down there are many kinds
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.published[kind.name, task] += 1

    def waiting(self) -> int:
        """Messages that the brokers have: for anybody, or handed out and not acknowledged."""
        redis = self._redis
        queued = sum(int(redis.llen(queue)) for queue in QUEUES[Broker.REDIS])  # type: ignore[arg-type]
        ((rows,),) = self.rows("SELECT count(*) FROM kombu_message")
        return queued + int(redis.zcard("unacked_index")) + int(rows)  # type: ignore[arg-type]

    def restart_collector(self) -> None:
        """SIGKILL, and another one in its place."""
        self.collector.kill()
        self.collector = self._collect()

    def flush(self) -> subprocess.CompletedProcess[str]:
        """`portless flush`, past the proxy."""
        command = (sys.executable, "-m", "telemetry", "flush")
        environ = self.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint}
        return subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )

    def page(self) -> Page:
        """What Prometheus would read. Raises OSError."""
        return self.collector.page()

    def begun(self, node: str, task: str) -> int:
        """Executions that began and did not end."""
        where = f"node = '{node}' AND task = '{task}' AND outcome IS NULL"
        ((number,),) = self.rows(f"SELECT count(*) FROM execution WHERE {where}")
        return int(number)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the books."""
        connection = psycopg2.connect(self._database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description is not None else []
        finally:
            connection.close()

    def close(self) -> None:
        """End everything that was started here."""
        for node in self.nodes:
            node.resume()
            node.end()
        self.proxy.close()
        self.collector.kill()
        for producer in self._producers.values():
            producer.close()
        self._redis.close()

    def _collect(self) -> Collector:
        arguments = ("--state-dir", str(self._directory / "journal")) if self._journal else ()
        collector = Collector(self._directory, *arguments)
        self.proxy.target = collector.port
        return collector


def _has_journal() -> bool:
    """Whether this collector can keep its numbers over its own death."""
    command = (sys.executable, "-m", "collector", "run", "--help")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return "--state-dir" in done.stdout


@contextmanager
def running(directory: Path, seed: int) -> Iterator[System]:
    """Run everything; logs stay in `directory`, and not a process."""
    with postgres.running() as server, redis.running(directory) as broker:
        system = System(directory, server, broker.address, seed)
        try:
            system.rows(_TABLE)
            system.start_workers()
            yield system
        finally:
            system.close()
