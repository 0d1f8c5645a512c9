"""A real Prometheus scrapes the demo's system, and every graph of the dashboard has something."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml

from demo.shop import TENANTS
from demo.system import running
from deploy.grafana.panels import ROWS
from tests.support.prometheus import PATIENCE_SECONDS, RULES, needs_prometheus, prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.system import System
    from tests.support.prometheus import Prometheus

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
SCRAPE_INTERVAL = "1s"
WINDOW = "20s"

EXPRESSIONS = [query.expression for row in ROWS for panel in row.panels for query in panel.queries]

pytestmark = [
    needs_prometheus,
    # kombu's tables, seen by SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


def empty_ones(watching: Prometheus, expressions: set[str]) -> set[str]:
    """Those that give no number now, with Grafana's variables filled in."""
    return {each for each in expressions if not watching.has_samples(filled(each))}


def filled(expression: str) -> str:
    """What Grafana would ask."""
    for variable, value in (("$__rate_interval", WINDOW), ("$task", ".*"), ("$queue", ".*")):
        expression = expression.replace(variable, value)
    return expression


def config_for(system: System) -> dict[str, Any]:
    """The file in deploy/, with the ports of this system and less patience."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["rule_files"] = [str(path) for path in sorted(RULES.glob("*.yml"))]
    config["global"]["scrape_interval"] = SCRAPE_INTERVAL
    urls = {"celery": system.metrics_url, "collector": system.self_metrics_url}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [urlsplit(urls[job["job_name"]]).netloc]}]
    return config


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
        empty = empty_ones(scraped, empty)
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
