"""Everything that runs: PostgreSQL, Redis, the collector behind a proxy, a worker of each kind.

It starts and ends things and knows where they are; what is done to them is `violence`, what is read
off them is `watch` and `account`.
"""

from __future__ import annotations

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
from tests.chaos.workers import KINDS, Node
from tests.support import postgres, redis
from tests.support.collector import Collector
from tests.support.proxy import Proxy
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.scrape import Page

QUEUES = tuple(kind.name for kind in KINDS)
_TABLE = (
    "CREATE TABLE execution"
    "(id text PRIMARY KEY, node text NOT NULL, task text NOT NULL, outcome text, detail text)"
)
START_SECONDS_MAX = 120.0
EXPORT_INTERVAL_SECONDS = 0.5


class System:
    """What runs, for the length of a `with running(…)`."""

    def __init__(self, directory: Path, server: postgres.Postgres, broker: str, seed: int) -> None:
        url = make_url(server.create("chaos"))
        self.postgres = server
        self.published: Counter[tuple[str, str]] = Counter()
        """By queue and task."""
        self.state = directory / "state"
        self._database = f"host={url.query['host']} user={url.username} dbname={url.database}"
        self._broker = redis_client.Redis(unix_socket_path=broker.removeprefix("redis+socket://"))
        self._producer = Celery("producer", broker=broker)
        self._directory = directory
        self._journal = _has_journal()
        self.proxy = Proxy(seed)
        self.collector = self._collect()
        self.environ = _clean(os.environ) | {
            "PYTHONPATH": str(ROOT),
            "CHAOS_BROKER": broker,
            "CHAOS_DATABASE": self._database,
            "CHAOS_QUEUES": " ".join(QUEUES),
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
        self.nodes += [Node(kind, self._directory, self.environ) for kind in KINDS]
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

    def publish(self, queue: str, task: str, *args: object) -> None:
        """Send a task to a worker."""
        self._producer.send_task(task, args, queue=queue)
        self.published[queue, task] += 1

    def waiting(self) -> int:
        """Messages that the broker has: for anybody, or handed out and not acknowledged."""
        queued = sum(int(self._broker.llen(queue)) for queue in QUEUES)  # type: ignore[arg-type]
        return queued + int(self._broker.zcard("unacked_index"))  # type: ignore[arg-type]

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

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the books."""
        connection = psycopg2.connect(self._database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def close(self) -> None:
        """End everything that was started here."""
        for node in self.nodes:
            node.resume()
            node.end()
        self.proxy.close()
        self.collector.kill()
        self._producer.close()
        self._broker.close()

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
