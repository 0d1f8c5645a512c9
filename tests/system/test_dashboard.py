"""A real Prometheus scrapes the demo's system, and every graph of the dashboard has something."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
import yaml

from demo.shop import TENANTS
from demo.system import System, running
from deploy.grafana.panels import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
SCRAPE_INTERVAL = "1s"
WINDOW = "20s"
PATIENCE_SECONDS = 60.0
"""A guard against waiting for ever, not a promise."""

EXPRESSIONS = [query.expression for row in ROWS for panel in row.panels for query in panel.queries]

pytestmark = [
    pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed"),
    # kombu's tables, seen by SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API."""
        with urlopen(f"{self._url}/{path}?{urlencode(parameters)}") as answer:
            return json.load(answer)["data"]

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            self.get("labels")
        except URLError:
            return False
        return True

    def has_samples(self, expression: str) -> bool:
        """Whether an expression of the dashboard shows anything now."""
        for variable, value in (
            ("$__rate_interval", WINDOW),
            ("$task", ".*"),
            ("$queue", ".*"),
        ):
            expression = expression.replace(variable, value)
        result = self.get("query", query=expression)["result"]
        return any(not math.isnan(float(sample["value"][1])) for sample in result)


def config_for(system: System) -> str:
    """The file in deploy/, with the ports of this system and less patience."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"]["scrape_interval"] = SCRAPE_INTERVAL
    urls = {"celery": system.metrics_url, "collector": system.self_metrics_url}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [urlsplit(urls[job["job_name"]]).netloc]}]
    return str(yaml.safe_dump(config))


@contextmanager
def prometheus(directory: Path, config: str) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration."""
    (directory / "prometheus.yml").write_text(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = directory / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        started = Prometheus(port)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not started.is_up():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield started
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that watches the demo's system, traffic included."""
    # Not below pytest's directory: the path to the database is opened to another OS user.
    directory = Path(tempfile.mkdtemp(prefix="test-"))
    try:
        with running(directory, lambda _: None) as system:
            system.start_publishing()
            config = config_for(system)
            with prometheus(tmp_path_factory.mktemp("prometheus"), config) as watching:
                yield watching
    finally:
        shutil.rmtree(directory)


def test_every_expression_of_the_dashboard_returns_samples(scraped: Prometheus) -> None:
    """No graph is empty, whatever its PromQL looks like."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    empty = set(EXPRESSIONS)
    while empty and time.monotonic() < deadline:
        empty = {expression for expression in empty if not scraped.has_samples(expression)}
        time.sleep(1)
    assert not empty


def test_series_belong_to_the_workers_that_pushed_them(scraped: Prometheus) -> None:
    """`job` and `instance` are the worker's, and there is no exported_ copy of them."""
    labels = scraped.get("labels")
    assert "exported_job" not in labels
    assert "exported_instance" not in labels
    (job,) = {series["job"] for series in scraped.get("series", **{"match[]": "celery_worker_up"})}
    assert job == "celery"


def test_no_tenant_reaches_prometheus(scraped: Prometheus) -> None:
    """Not as a label's name, not as the value of any label."""
    labels = scraped.get("labels")
    assert "tenant_id" not in labels
    values = {value for label in labels for value in scraped.get(f"label/{label}/values")}
    assert not values & set(TENANTS)
    assert not [value for value in values if any(tenant in value for tenant in TENANTS)]
