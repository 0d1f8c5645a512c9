"""What lies in deploy/ fits what it is for: the metrics, the ports and the files there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import needs_promtool
from tests.support.promql import PLAN

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROMETHEUS = ("prometheus/prometheus.yml", "prometheus/celery-exporter.prometheus.yml")


def config(path: str) -> Any:
    """A YAML file of deploy/."""
    return yaml.safe_load((DEPLOY / path).read_text())


@pytest.mark.parametrize("path", PROMETHEUS)
def test_prometheus_scrapes_where_the_collector_exposes(path: str) -> None:
    """Ports are those of otel-collector.yaml, and the workers' job and instance stay theirs."""
    jobs = {job["job_name"]: job for job in config(path)["scrape_configs"]}
    own = PLAN.self_telemetry.metrics
    assert own is not None
    (exporter,) = PLAN.exporters.values()
    assert jobs["celery"]["honor_labels"] is True
    assert targets_of(jobs["celery"]) == [f"127.0.0.1:{exporter.endpoint.port}"]
    assert targets_of(jobs["collector"]) == [f"127.0.0.1:{own.port}"]


def targets_of(job: dict[str, Any]) -> list[str]:
    """Where a scrape job looks."""
    return [target for group in job["static_configs"] for target in group["targets"]]


def test_who_comes_from_elsewhere_has_all_that_others_have() -> None:
    """Its Prometheus differs in more rules and one more label, and in nothing else."""
    usual, other = map(config, PROMETHEUS)
    assert usual["rule_files"] == other["rule_files"][:1]
    other["rule_files"] = usual["rule_files"]
    (celery,) = (job for job in other["scrape_configs"] if job["job_name"] == "celery")
    del celery["metric_relabel_configs"]
    assert usual == other


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
    assert "grafana/dashboards/celery-overview.json" in links


@needs_promtool
@pytest.mark.parametrize("path", PROMETHEUS)
def test_prometheus_accepts_its_configuration(path: str) -> None:
    """Promtool finds nothing wrong with it."""
    done = subprocess.run(
        ["promtool", "check", "config", str(DEPLOY / path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
