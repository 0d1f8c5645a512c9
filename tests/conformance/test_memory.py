"""Short of memory both engines refuse alike. When memory was first looked at is left to chance."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.collector.otlp import Request as Metrics
from tests.collector.real import OTELCOL, needs_otelcol
from tests.conformance.cases import Request
from tests.conformance.served import PATIENCE_SECONDS, serve

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
receivers:
  otlp:
    protocols:
      http: {endpoint: "${env:OTLP_HTTP_ENDPOINT:-127.0.0.1:4318}"}
      grpc: {endpoint: "${env:OTLP_GRPC_ENDPOINT:-127.0.0.1:4317}"}
processors:
  memory_limiter: {check_interval: 10ms, limit_mib: 2}
exporters:
  prometheus: {endpoint: "${env:PROMETHEUS_ENDPOINT:-127.0.0.1:9464}"}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], processors: [memory_limiter], exporters: [prometheus]}
"""
JSON = b"""{"resourceMetrics": [{"scopeMetrics": [{"metrics": [
    {"name": "depth", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": "1"}]}}]}]}]}"""
ENGINES = [
    pytest.param((sys.executable, "-m", "collector", "run", "--config"), id="collector"),
    pytest.param((OTELCOL, "--config"), id="otelcol", marks=needs_otelcol),
]


@pytest.mark.parametrize("command", ENGINES)
def test_short_of_memory_nothing_is_taken(command: tuple[str, ...], tmp_path: Path) -> None:
    """503 over HTTP, for protobuf and JSON, and UNAVAILABLE over gRPC, which workers try again."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    request = Request(Metrics().counter("jobs", {}, 1).bytes(), "application/x-protobuf")
    with serve(command, file, batches=False) as served:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while served.post(request) != "503":  # it has not looked yet
            assert time.monotonic() < deadline
        assert served.post(Request(JSON, "application/json")) == "503"
        assert served.post(replace(request, protocol="grpc")) == "UNAVAILABLE"
