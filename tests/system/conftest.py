"""A laboratory per test: a database of its own, a sink, and workers that end with the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from tests.support import brokers, postgres
from tests.support import redis as redis_support
from tests.support.sink import Sink
from tests.support.worker import ROOT, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POOLS = ("prefork", "solo", "threads", "gevent", "eventlet")
OUTCOMES = (
    *("success", "failed", "retried", "ignored", "rejected"),
    *("revoked", "lost", "discarded"),
)
APP = "tests.support.app."
_TABLE = (
    "CREATE TABLE executions"
    "(task text, outcome text, detail text, tenant text, amount double precision)"
)
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"


class Lab:
    """Everything that a system test needs."""

    def __init__(self, database: str, sink: Sink, directory: Path) -> None:
        self.database = database
        self.sink = sink
        self.environ = {
            "LAB_DATABASE": database,
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "300",
            # For the state files, away from all other workers': a probe looks into both.
            "XDG_RUNTIME_DIR": str(directory),
            "TMPDIR": str(directory),
        }
        self._directory = directory
        self._workers: list[Worker] = []
        self.execute(_TABLE)

    def worker(self, pool: str, *options: str, name: str = "one", **environ: str) -> Worker:
        """Start a worker and wait until it consumes."""
        log = self._directory / f"{name}-{len(self._workers)}.log"
        settings = {**self.environ, **environ}
        worker = Worker(pool, log, settings, "-Q", "lab,eu", *options, name=name)
        self._workers.append(worker)
        return worker.ready()

    def probe(self, *arguments: str) -> tuple[int, str]:
        """Run `portless health` as a probe would; its exit code and its line."""
        done = subprocess.run(
            [sys.executable, "-m", "telemetry", "health", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def publish(self, *messages: Any, **environ: str) -> Counter[tuple[str, str]]:
        """Publish from a process of its own; returns how many by task and queue."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.load", json.dumps(messages)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Counter((line.split()[0], line.split()[1]) for line in done.stdout.splitlines())

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement; returns its rows."""
        with self._cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description is not None else []

    def lock_database(self) -> None:
        """Throw everybody out and let nobody in."""
        with self._cursor("postgres") as cursor, self._between_looks() as own:
            cursor.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false')
            cursor.execute(_CUT, (self._name, own))

    def unlock_database(self) -> None:
        """Let everybody in again."""
        with self._cursor("postgres") as cursor:
            cursor.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true')

    def cut_connections(self) -> None:
        """End every session, as a database does that is restarted."""
        with self._cursor("postgres") as cursor, self._between_looks() as own:
            cursor.execute(_CUT, (self._name, own))

    @property
    def _name(self) -> str:
        return str(make_url(self.database).database)

    @contextmanager
    def _cursor(self, database: str = "") -> Iterator[Any]:
        """Without transactions; its connection ends with the block."""
        url = make_url(self.database)
        connection = psycopg2.connect(
            host=str(url.query["host"]), user=url.username, dbname=database or self._name
        )
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def _between_looks(self) -> Iterator[int]:
        """While nobody is in the middle of a look into a queue of kombu's SQL transport.

        Yields the process of the session that sees to it.

        A connection that is lost in its first statement, the only one before which it can wait for
        this lock, is made again; in a later one it ends the worker, since kombu commits in a
        `finally` what can only be rolled back (`Channel._get`).
        """
        with self._cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), to_regclass('kombu_queue') IS NOT NULL")
            ((own, exists),) = cursor.fetchall()
            if exists:
                cursor.execute("BEGIN; SET LOCAL lock_timeout = '30s'; LOCK TABLE kombu_queue")
            yield own

    def executions(self) -> Counter[tuple[str, str, str]]:
        """What the tasks wrote down: how many by task, outcome and detail."""
        rows = self.execute("SELECT task, outcome, detail, count(*) FROM executions GROUP BY 1,2,3")
        return Counter({(task, outcome, detail): count for task, outcome, detail, count in rows})

    def by_tenant(self, what: str) -> dict[str, float]:
        """What the tasks wrote down about business: `what` is an aggregate."""
        rows = self.execute(f"SELECT tenant, {what} FROM executions WHERE tenant <> '' GROUP BY 1")
        return {tenant: float(value) for tenant, value in rows}

    def counted(self) -> Counter[tuple[str, str, str]]:
        """What the workers counted: how many by task, outcome and detail, zeros left out."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for outcome in OUTCOMES:
            for attributes, value in self.sink.sums(f"celery.task.{outcome}").items():
                labels = dict(attributes)
                detail = labels.get("exception", labels.get("reason", ""))
                task = labels["task_name"].removeprefix(APP)
                counted[task, outcome, detail] += int(value)
        return +counted

    def finished(self) -> float:
        """How many messages came to an outcome."""
        return sum(self.sink.sum(f"celery.task.{outcome}") for outcome in OUTCOMES)

    def close(self) -> None:
        """End every worker, and the sink that is there now."""
        for worker in self._workers:
            worker.kill()
        self.sink.close()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Postgres]:
    """One PostgreSQL for the session."""
    with postgres.running() as running:
        yield running


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A collector, for tests that need no database."""
    made = Sink()
    yield made
    made.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[redis_support.Redis]:
    """A Redis for one test; skips where none is installed."""
    if not redis_support.is_installed():
        pytest.skip("redis-server is not installed")
    with redis_support.running(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """One RabbitMQ for the session, which takes its time to start; its port."""
    if not brokers.HAS_RABBITMQ:
        pytest.skip("RabbitMQ is not installed; on Debian: apt install rabbitmq-server")
    with brokers.rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as port:
        yield port


@contextmanager
def laboratory(server: postgres.Postgres, directory: Path) -> Iterator[Lab]:
    """A lab whose workers and sink end with the block."""
    lab = Lab(server.create(f"lab-{uuid.uuid4().hex}"), Sink(), directory)
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def lab(server: postgres.Postgres, tmp_path: Path) -> Iterator[Lab]:
    """A lab for one test."""
    with laboratory(server, tmp_path) as made:
        yield made
