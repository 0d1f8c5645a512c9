"""Real Prometheuses scrape the demo's system, and every graph of the dashboards has something.

All watch the same system at once: the installed version; the one that the environment variable
PROMETHEUS names, twice, since it scrapes protobuf where it wants native histograms; and the newest
of them once more, as if the system were two clusters.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml

from demo.shop import TENANTS
from demo.system import running
from deploy.grafana.boards import BOARDS
from tests.support.prometheus import BINARIES, PATIENCE_SECONDS, needs_prometheus, prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.system import System
    from tests.support.prometheus import Prometheus

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "prometheus" / "celery-exporter.prometheus.yml"
SCRAPE_INTERVAL = "1s"
WINDOW = "20s"

EXPRESSIONS = {
    query.expression
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
    for query in panel.queries
}
OTHERS = yaml.safe_load((ROOT / "tests" / "prometheus" / "others" / "panels.yml").read_text())
VARIABLES = {
    "$__rate_interval": WINDOW,
    "$__range": "5m",
    # Grafana's choice "All" of ours; what celery-exporter's boards choose of what there is.
    '"$cluster", namespace="$namespace"': '"", namespace=""',
    "$job": "celery",
    **dict.fromkeys(("$cluster", "$queue_name", "$queue", "$task", "$worker", "$collector"), ".*"),
}
"""In an order in which none hides in another one."""
CHOICES = {choice for board in BOARDS for choice in board.choices}
CLUSTERS = ("north", "south")

pytestmark = [
    needs_prometheus,
    # kombu's tables, seen by SQLAlchemy 2.1.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


def filled(expression: str, cluster: str = ".*") -> str:
    """What Grafana would ask."""
    for variable, value in {**VARIABLES, "$cluster": cluster}.items():
        expression = expression.replace(variable, value)
    return expression


def wait_for_all(watching: Prometheus, expressions: set[str]) -> None:
    """Until each has given a number; fails with those that never did."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while empty := {each for each in expressions if not watching.has_samples(each)}:
        assert time.monotonic() < deadline, empty
        expressions = empty
        time.sleep(1)


def config_for(system: System) -> dict[str, Any]:
    """The file in deploy/, with the ports of this system and less patience."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["global"]["evaluation_interval"] = SCRAPE_INTERVAL
    theirs = ROOT / "tests" / "prometheus" / "others" / "alerts.yml"
    ours = [str(CONFIG.parent / each) for each in config["rule_files"]]
    config["rule_files"] = [*ours, str(theirs)]
    config["global"]["scrape_interval"] = SCRAPE_INTERVAL
    urls = {"celery": system.metrics_url, "collector": system.self_metrics_url}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [urlsplit(urls[job["job_name"]]).netloc]}]
    return config


def in_clusters(config: dict[str, Any]) -> dict[str, Any]:
    """The same system in each cluster, with the label that a scrape would add there."""
    for job in config["scrape_configs"]:
        ((target,),) = (each["targets"] for each in job["static_configs"])
        job["static_configs"] = [
            {"targets": [target], "labels": {"cluster": cluster}} for cluster in CLUSTERS
        ]
    return config


def with_native_histograms(config: dict[str, Any]) -> dict[str, Any]:
    """Scraped as protobuf, which a Prometheus that wants native histograms prefers."""
    config["global"]["scrape_native_histograms"] = True
    return config


@pytest.fixture(scope="module")
def watchers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Prometheus]]:
    """All that watch the demo's system, traffic included."""
    # Not below pytest's directory: the path to the database is opened to another OS user.
    directory = Path(tempfile.mkdtemp(prefix="test-"))
    newest = list(BINARIES)[-1]
    try:
        with running(directory, lambda _: None) as system, ExitStack() as stack:
            system.start_publishing()
            configs = {name: (name, config_for(system)) for name in BINARIES}
            configs["clusters"] = (newest, in_clusters(config_for(system)))
            if "newer" in BINARIES:
                configs["native"] = ("newer", with_native_histograms(config_for(system)))
            yield {
                name: stack.enter_context(
                    prometheus(tmp_path_factory.mktemp(name), config, binary=BINARIES[binary])
                )
                for name, (binary, config) in configs.items()
            }
    finally:
        shutil.rmtree(directory)


@pytest.fixture(params=[*BINARIES, *(["native"] if "newer" in BINARIES else [])])
def scraped(watchers: dict[str, Prometheus], request: pytest.FixtureRequest) -> Prometheus:
    """One that watches the system as a whole."""
    return watchers[request.param]


@pytest.mark.parametrize("cluster", [".*", *CLUSTERS, "|".join(CLUSTERS)])
def test_every_expression_works_with_many_clusters(
    watchers: dict[str, Prometheus], cluster: str
) -> None:
    """With one of them chosen, several or all; series that differ by it alone do not collide."""
    wait_for_all(watchers["clusters"], {filled(each, cluster) for each in EXPRESSIONS})


def test_every_choice_of_the_dashboards_has_something_to_choose(
    watchers: dict[str, Prometheus],
) -> None:
    """What Grafana lists for each variable, clusters among it."""
    for choice in CHOICES:
        series = watchers["clusters"].get("series", **{"match[]": choice.metric})
        values = {each[choice.label] for each in series if each.get(choice.label)}
        assert values >= ({*CLUSTERS} if choice.label == "cluster" else set())
        assert values, choice


def test_nothing_of_a_scrape_fails(scraped: Prometheus) -> None:
    """Not in whatever format this version asks for by itself."""
    targets = scraped.get("targets")["activeTargets"]
    assert [target["lastError"] for target in targets] == ["", ""]
    assert scraped.query("min_over_time(up[10m]) == 0") == []


def test_every_expression_of_the_dashboards_returns_samples(scraped: Prometheus) -> None:
    """No graph is empty, whatever its PromQL looks like."""
    wait_for_all(scraped, {filled(each) for each in EXPRESSIONS})


def test_dashboards_and_alerts_of_others_have_numbers(scraped: Prometheus) -> None:
    """Those of celery-exporter and Flower as they are, with the rules in compat/."""
    wait_for_all(scraped, {filled(each) for asked in OTHERS.values() for each in asked})


def test_no_rule_fails(scraped: Prometheus) -> None:
    """Prometheus could evaluate each of them, those of celery-exporter's alerts among them."""
    groups = scraped.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {"CeleryTaskHighFailRate", "CeleryHighQueueLength"} <= {rule["name"] for rule in rules}
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    # More than 5 % of some of the demo's tasks fail.
    wait_for_all(
        scraped, {'ALERTS{alertname="CeleryTaskHighFailRate",alertstate=~"pending|firing"}'}
    )


def test_messages_balance_at_every_scrape(scraped: Prometheus) -> None:
    """Received is what ended and what is in hand, whenever Prometheus looks."""
    (job,) = scraped.query("max_over_time(celery:task_balance:difference[10m])")
    assert job == ({"job": "celery"}, 0)
    assert scraped.query("min_over_time(celery:task_balance:difference[10m])") == [job]


def test_no_sum_is_doubled_by_a_second_name(scraped: Prometheus) -> None:
    """A task's `name` stands on the same series as its `task_name`."""
    assert not scraped.query('{__name__=~"celery_task_.+",task_name!="",name=""}')
    assert not scraped.query('{__name__=~"celery_task_.+",task_name="",name!=""}')


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
