"""What lies in deploy/ fits what it is for: the metrics, the ports and the files there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector import plan
from collector.river import River
from demo.shop import DELAY, EXPOSED, TOKENS
from deploy.grafana import build
from deploy.grafana.panels import ROWS
from telemetry import catalog

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
FUNCTIONS = {"max", "sum", "rate", "increase", "histogram_quantile"}
PLAN = plan.load("otel-collector.yaml", (ROOT / "otel-collector.yaml").read_text(), {})
RIVER = River(PLAN)
RIVER.intake(*PLAN.receivers, "http")

PANELS = [panel for row in ROWS for panel in row.panels]
EXPRESSIONS = [query.expression for panel in PANELS for query in panel.queries]


def names_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression asks for."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)", "", expression)
    return set(re.findall(r"\b[a-z_][a-z_0-9]*", bare)) - FUNCTIONS


def known_names() -> set[str]:
    """Every series that workers, the collector itself and the demo can have."""
    names = {sample.name for sample in RIVER.self_metrics()} | {EXPOSED[TOKENS]}
    histograms = {EXPOSED[DELAY].removesuffix("_count")}
    for metric in catalog.METRICS:
        (histograms if metric.kind is catalog.Kind.HISTOGRAM else names).add(metric.exposed)
    return names | {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}


def labels_in(expression: str) -> set[str]:
    """The labels that a PromQL expression selects or groups by."""
    selected = re.findall(r"(\w+)[=!]~?\"", expression)
    grouped = ", ".join(re.findall(r"\bby \(([^)]*)\)", expression)).split(", ")
    return {*selected, *grouped} - {""}


def config(path: str) -> Any:
    """A YAML file of deploy/."""
    return yaml.safe_load((DEPLOY / path).read_text())


def test_the_dashboard_is_what_its_script_writes() -> None:
    """Nobody edits the JSON: `python -m deploy.grafana.build` writes it."""
    assert build.TARGET.read_text() == build.text()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_what_there_is(expression: str) -> None:
    """Each metric is in the catalogue, the collector's own or the demo's; so are its labels."""
    assert names_in(expression)
    assert names_in(expression) <= known_names()
    assert labels_in(expression) <= {*catalog.ATTRIBUTES, "instance", "le"}


def test_the_dashboard_asks_for_every_outcome() -> None:
    """A new outcome would not be missing silently."""
    asked = set().union(*map(names_in, EXPRESSIONS))
    counters = {m.exposed for m in catalog.METRICS if m.name.startswith("celery.task.")}
    histograms = {catalog.RUNTIME.exposed, catalog.QUEUE_WAIT.exposed}
    assert counters - histograms <= asked
    assert {f"{name}_bucket" for name in histograms} <= asked


def test_every_panel_says_what_it_shows() -> None:
    """A title, a description, a unit, and a source that can be chosen; a legend for each query."""
    panels = [panel for panel in build.build()["panels"] if panel["type"] != "row"]
    assert len(panels) == len(PANELS)
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["legendFormat"] for target in panel["targets"])
    assert len({panel["title"] for panel in panels}) == len(panels)


def test_panels_share_the_grid_without_touching() -> None:
    """No panel lies on another one, none reaches over the edge."""
    taken: set[tuple[int, int]] = set()
    for panel in build.build()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < build.COLUMNS
        taken |= cells


def test_prometheus_scrapes_where_the_collector_exposes() -> None:
    """Ports are those of otel-collector.yaml, and the workers' job and instance stay theirs."""
    jobs = {job["job_name"]: job for job in config("prometheus/prometheus.yml")["scrape_configs"]}
    own = PLAN.self_telemetry.metrics
    assert own is not None
    (exporter,) = PLAN.exporters.values()
    assert jobs["celery"]["honor_labels"] is True
    assert targets_of(jobs["celery"]) == [f"127.0.0.1:{exporter.endpoint.port}"]
    assert targets_of(jobs["collector"]) == [f"127.0.0.1:{own.port}"]


def targets_of(job: dict[str, Any]) -> list[str]:
    """Where a scrape job looks."""
    return [target for group in job["static_configs"] for target in group["targets"]]


def test_grafana_is_told_how_often_prometheus_scrapes() -> None:
    """Otherwise $__rate_interval would be shorter than two scrapes, and graphs have holes."""
    (source,) = config("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    scraping = config("prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraping


def test_the_readme_names_files_that_exist() -> None:
    """Every link leads somewhere, and every file for others is linked."""
    links = re.findall(r"\]\(([^)]+)\)", (DEPLOY / "README.md").read_text())
    assert links
    for link in links:
        assert (DEPLOY / link).exists(), link
    assert "prometheus/prometheus.yml" in links
    assert "grafana/dashboards/celery.json" in links


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_accepts_its_configuration() -> None:
    """Promtool finds nothing wrong with it."""
    path = DEPLOY / "prometheus" / "prometheus.yml"
    done = subprocess.run(
        ["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
