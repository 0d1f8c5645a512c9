"""A real API beside real workers: one exposition has both, and it tells whether it is ready."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.collector import Collector
from tests.support.worker import ROOT
from tests.system.test_readiness import DEFAULT, FOR_TABLE, GRANTS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.system.conftest import Lab

APP = "tests.support.api:app"
CHECKS = ["database", "row_security", "broker"]
TOKEN = "0123456789abcdef0123"
GUNICORN = ("gunicorn", APP, "--workers", "2", "-k", "uvicorn.workers.UvicornWorker")
SERVERS = {
    "uvicorn": [*("uvicorn", APP), "--workers", "2", "--uds"],
    "gunicorn": [*GUNICORN, "--bind"],
    "gunicorn --preload": [*GUNICORN, "--preload", "--bind"],
}
REQUESTS_MIN = 30
REQUESTS_MAX = 500
START_SECONDS = 60.0


class Answer(NamedTuple):
    """An answer to a request."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("api", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


class Api:
    """A running API."""

    def __init__(self, process: subprocess.Popen[bytes], path: str, log: Path) -> None:
        self._process = process
        self._log = log
        self._path = path

    def ask(self, method: str, path: str, token: str = "") -> Answer:
        """Send a request on a connection of its own: whichever process accepts it answers."""
        connection = Connection(self._path)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def wait_for(self, done: Any) -> None:
        """Until `done()` is true; fails with the log if that does not happen."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is(done):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """End it and its processes the polite way."""
        self._process.terminate()
        self._process.wait(START_SECONDS)

    @staticmethod
    def _is(done: Any) -> bool:
        try:
            return bool(done())
        except OSError:
            return False


@contextmanager
def serving(server: str, directory: Path, environ: dict[str, str]) -> Iterator[Api]:
    """An API behind a server, with two processes, on a unix socket."""
    path, log = directory / "api.sock", directory / "api.log"
    command = [sys.executable, "-W", "ignore", "-m", *SERVERS[server]]
    address = f"unix:{path}" if server.startswith("gunicorn") else str(path)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, address],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    api = Api(process, str(path), log)
    try:
        api.wait_for(lambda: api.ask("GET", "/health/live").status == 200)
        yield api
    finally:
        if process.poll() is None:
            api.stop()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """An embedded collector for one test."""
    made = Collector(tmp_path)
    yield made
    made.kill()


@pytest.mark.parametrize("by", SERVERS)
def test_one_exposition_has_the_api_and_its_workers(
    lab: Lab, server: Postgres, tmp_path: Path, collector: Collector, by: str
) -> None:
    """Every request and every task once, whichever process it was in and however it came to be."""
    lab.execute(SCHEMA)
    lab.execute(FOR_TABLE.format(table="orders", condition=DEFAULT))
    lab.execute(GRANTS)
    environ = {
        **lab.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "LAB_ROLE": "shop_api",
        "LAB_TOKEN": TOKEN,
    }
    lab.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
    worker = lab.worker("threads")
    with serving(by, tmp_path, environ) as api:
        _tells_whether_it_is_ready(api, lab)
        checks = {"database", "row_security", "broker"}
        api.wait_for(lambda: set(collector.page().sum_by("check", "celery_api_ready")) == checks)
        _waits_for_no_database(api, server)
        pids = _order(api)
        worker.wait_for(lambda: len(lab.execute("SELECT 1 FROM executions")) >= len(pids))
        assert api.ask("GET", "/metrics").status == 404
        api.stop()
    worker.stop()
    page = collector.page()
    assert page.sum("api_requests_total") == len(pids)
    assert page.sum("celery_task_sent_total") == len(pids)
    assert page.sum("celery_task_success_total") == len(pids)
    assert "tenant-1" not in page.text
    assert page.sum("api_starts_total") == (1 if "--preload" in by else 2)
    instances = set(page.sum_by("instance", "api_requests_total"))
    assert len(instances) >= len(set(pids)) == 2


def _order(api: Api) -> list[int]:
    """Order until both processes had some; who took each."""
    pids: list[int] = []
    while len(pids) < REQUESTS_MIN or (len(set(pids)) < 2 and len(pids) < REQUESTS_MAX):
        answer = api.ask("POST", f"/orders/tenant-{len(pids) % 3}")
        pids.append(answer.json["pid"])
    return pids


def _waits_for_no_database(api: Api, server: Postgres) -> None:
    """While the database takes connections and answers none: live, and not ready within seconds."""
    with server.hung():
        api.wait_for(lambda: api.ask("GET", "/health/ready").json.get("failed") == CHECKS)
        told = api.ask("GET", "/health/ready", TOKEN).json["checks"]
        assert "no answer within" in " ".join(check["why"] for check in told)
        assert api.ask("GET", "/health/live").status == 200
    api.wait_for(lambda: api.ask("GET", "/health/ready").status == 200)


def _tells_whether_it_is_ready(api: Api, lab: Lab) -> None:
    """Ready, then a policy is gone, then it is back."""
    answer = api.ask("GET", "/health/ready", TOKEN)
    assert (answer.status, answer.json["status"]) == (200, "ready"), answer.body
    lab.execute("ALTER POLICY tenant ON orders USING (true)")
    api.wait_for(lambda: api.ask("GET", "/health/ready").status == 503)
    time.sleep(1.1)  # each process keeps what it found for a second
    answer = api.ask("GET", "/health/ready")
    assert answer.json == {"status": "not ready", "failed": ["row_security"]}
    told = api.ask("GET", "/health/ready", TOKEN).json["checks"]
    (why,) = (check["why"] for check in told if not check["ok"])
    assert "visible to another" in why
    lab.execute(f"ALTER POLICY tenant ON orders USING ({DEFAULT})")
    api.wait_for(lambda: api.ask("GET", "/health/ready").status == 200)
    assert lab.execute("SELECT count(*) FROM orders") == [(0,)]
