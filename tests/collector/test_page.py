"""The page: its numbers are those of /metrics, in the JSON and in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TENANT = "tenant-4711"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A collector with the repository's configuration, to which two tenants' tasks were told."""
    ports = tmp_path_factory.mktemp("page") / "ports.json"
    command = [sys.executable, "-m", "collector", "run", "--ports-file", str(ports)]
    names = ("OTLP_HTTP", "OTLP_GRPC", "PROMETHEUS", "HEALTH")
    free = {f"{name}_ENDPOINT": "127.0.0.1:0" for name in names} | {"SELF_METRICS_PORT": "0"}
    child = subprocess.Popen([*command, "--page", "127.0.0.1:0"], cwd=ROOT, env=free)
    try:
        end = time.monotonic() + 60
        while not ports.exists() and child.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        told = json.loads(ports.read_text())
        headers = {"Content-Type": "application/json"}
        urlopen(Request(f"http://{told['otlp_http']}/v1/metrics", _body(), headers)).close()
        yield told
    finally:
        child.terminate()
        child.wait(30)


def test_figures_are_those_of_metrics_and_no_tenant_is_in_them(served: dict[str, str]) -> None:
    """What the page shows of a task is the sum that /metrics has, and nothing names a tenant."""
    figures = _get(served["page"], "/figures.json")
    told = json.loads(figures)
    assert told["shown"]["celery_task_started_total"] == {"shop.pay": 12}
    (line,) = [
        line
        for line in _get(served["prometheus"], "/metrics").splitlines()
        if line.startswith("celery_task_started_total{")
    ]
    assert float(line.split()[-1]) == 12
    assert told["redaction"]["totals"] == {"portless_streams": 2, "portless_series": 1}
    assert told["redaction"]["keys"]["tenant_id"] == 2
    assert TENANT not in figures


def test_a_browser_shows_the_same_numbers(served: dict[str, str]) -> None:
    """Chromium runs the page under its policy, and shows the counts."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("chromium is not installed")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    url = f"http://{served['page']}/"
    done = subprocess.run(
        [*command, "--timeout=6000", "--virtual-time-budget=5000", url],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert 'data-value="12"' in done.stdout
    assert '<b id="streams">2</b>' in done.stdout
    assert TENANT not in done.stdout


def _get(address: str, path: str) -> str:
    with urlopen(f"http://{address}{path}") as answer:
        return answer.read().decode()


def _body() -> bytes:
    def point(tenant: str, value: int) -> dict[str, object]:
        attributes = {"task_name": "shop.pay", "queue_name": "pay", "tenant_id": tenant}
        pairs = [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()]
        now = time.time_ns()
        times = {"startTimeUnixNano": str(now - 10**9), "timeUnixNano": str(now)}
        return {"attributes": pairs, "asInt": str(value), **times}

    points = [point(TENANT, 5), point(f"{TENANT}-b", 7)]
    total = {"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": True}
    metric = {"name": "celery.task.started", "unit": "{task}", "sum": total}
    scopes = [{"metrics": [metric]}]
    return json.dumps({"resourceMetrics": [{"scopeMetrics": scopes}]}).encode()
