"""`portless doctor` on a whole system: all hops ok, and faults that are planted named right."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.collector import Collector
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.conftest import Lab


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """The embedded collector, as the project's own configuration has it."""
    made = Collector(tmp_path)
    yield made
    made.kill()


def examine(lab: Lab, collector: Collector, *options: str, **environ: str) -> dict[str, Any]:
    """Run the doctor as a user would; what it says by hop."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "telemetry", "doctor", "-A", "tests.support.app", "--json"),
            *("--metrics-url", f"http://{collector._addresses['prometheus']}/metrics"),
            *options,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **lab.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (0 if said["ok"] else 1)
    return {hop["name"]: hop for hop in said["hops"]}


def broken(hops: dict[str, Any]) -> tuple[str, str]:
    """The one hop that is broken, which is the last that was walked, and what is said of it."""
    last = list(hops.values())[-1]
    assert last["ok"] is False, hops
    return last["name"], f"{last['what']} {last['todo']}"


def test_a_whole_system_has_no_broken_hop(lab: Lab, collector: Collector) -> None:
    """From the app to the page; the task is counted under its own name, by one."""
    lab.worker("solo", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    hops = examine(lab, collector)
    assert all(hop["ok"] is not False for hop in hops.values()), hops
    assert hops["worker"]["ok"]
    assert hops["redactor"]["ok"]


def test_faults_on_the_way_are_named(lab: Lab, collector: Collector) -> None:
    """Each by its hop, on one system in which everything else is right."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    page = f"http://{collector._addresses['prometheus']}"
    grpc = f"http://{collector._addresses['otlp_grpc']}"
    endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
    planted: list[tuple[str, str, dict[str, str]]] = [
        ("export", "OTEL_SDK_DISABLED", {"OTEL_SDK_DISABLED": "true"}),
        ("export", "OTEL_METRICS_EXPORTER", {"OTEL_METRICS_EXPORTER": "none"}),
        ("receiver", "nothing listens", {endpoint: nobody}),
        ("receiver", "malformed", {endpoint: "ftp//nowhere"}),
        ("receiver", "another port", {endpoint: page}),
        ("receiver", "not in the protocol", {endpoint: grpc}),
        ("receiver", "does not speak TLS", {endpoint: collector.endpoint.replace("http", "https")}),
    ]
    for name, says, environ in planted:
        found, said = broken(examine(lab, collector, **environ))
        assert (found, says in said) == (name, True), said


def test_nobody_who_consumes_is_named(lab: Lab, collector: Collector) -> None:
    """The message waits, and the queue is named."""
    found, said = broken(examine(lab, collector, "--wait", "1"))
    assert found == "worker"
    assert "no worker takes messages from the queue 'lab'" in said
