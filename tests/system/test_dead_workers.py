"""What a real Prometheus says of workers that were killed, on both engines at once."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.conformance.engines import Program, all_engines
from tests.conformance.served import serve
from tests.support.prometheus import ROOT, RULES, needs_prometheus, prometheus

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.prometheus import Prometheus
    from tests.system.conftest import Lab

EXPIRING = (
    (ROOT / "otel-collector.yaml")
    .read_text()
    .replace("metric_expiration: 5m", "metric_expiration: 3s")
)
FASTER = {"22m": "20s", "2m": "4s", "15m": "4s"}
"""The rules' times; promtool tests them as they are."""

VANISHED = 'celery_worker_up{reason="vanished"}'
FIRING = 'ALERTS{alertname="CeleryWorkerDown",alertstate="firing",reason="vanished"}'

pytestmark = needs_prometheus


def faster(rules: Path, directory: Path) -> str:
    """A copy of a file of rules in which minutes pass in seconds; its path."""
    text = re.sub(r"\b\d+m\b", lambda found: FASTER.get(found[0], "4s"), rules.read_text())
    (directory / rules.name).write_text(text)
    return str(directory / rules.name)


def ups(watching: Prometheus, node: str) -> list[tuple[str, float]]:
    """What is told of a worker now: who says so, and the number."""
    told = watching.query(f'celery_worker_up{{job="celery",instance="{node}",hostname="{node}"}}')
    return [(labels.get("reason", ""), value) for labels, value in told]


def hosts(watching: Prometheus, expression: str) -> set[str]:
    """The workers that an expression has."""
    return {labels["hostname"] for labels, _ in watching.query(expression)}


def test_a_killed_worker_reads_0_fires_and_is_forgotten(lab: Lab, tmp_path: Path) -> None:
    """Its series ends at the collector; the rule says 0, the stock alert fires, both end.

    One that was asked to stop says 0 itself: the rule says nothing of it.
    """
    config = tmp_path / "otel-collector.yaml"
    config.write_text(EXPIRING)
    engines = [
        engine
        for engine in all_engines(os.environ.get("OTELCOL", ""))
        if isinstance(engine, Program) and engine.runs[0]
    ]
    with ExitStack() as running:
        collectors = {
            each.name: running.enter_context(serve(each.runs, config, batches=False))
            for each in engines
        }
        killed = {
            f"{name}@lab": lab.worker(
                "solo", name=name, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint
            )
            for name, collector in collectors.items()
        }
        endpoint = collectors["collector"].endpoint
        stopped = lab.worker("solo", name="stopped", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        targets = [collector.target for collector in collectors.values()]
        alerts = ROOT / "tests" / "prometheus" / "others" / "alerts.yml"
        scraping = {
            "job_name": "celery",
            "honor_labels": True,
            "static_configs": [{"targets": targets}],
        }
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [faster(path, tmp_path) for path in (RULES / "workers.yml", alerts)],
            "scrape_configs": [scraping],
        }
        watching = running.enter_context(prometheus(tmp_path, settings))
        nodes = [*killed, "stopped@lab"]
        watching.wait_for(
            lambda: all(ups(watching, node) == [("", 1)] for node in nodes), "all are up"
        )
        for worker in killed.values():
            worker.kill()
        stopped.stop()
        past = "[5m]"  # what was true between two looks counts as well
        wait = watching.wait_for
        wait(lambda: hosts(watching, f"min_over_time({VANISHED}{past}) == 0") >= {*killed}, "0")
        wait(
            lambda: hosts(watching, f"max_over_time({FIRING}{past}) == 1") == {*killed}, "it fires"
        )
        wait(lambda: not any(ups(watching, node) for node in nodes), "they are forgotten")
        wait(lambda: not watching.query("ALERTS"), "the alert clears")
        said_it = f'min_over_time(celery_worker_up{{reason=""}}{past}) == 0'
        assert hosts(watching, said_it) == {"stopped@lab"}
        assert hosts(watching, f"min_over_time({VANISHED}{past}) == 0") == {*killed}
