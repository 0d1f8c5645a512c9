"""Exporters that push, in the collector as users run it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.collector.serving import eventually, serving
from tests.collector.test_server_process import jobs, running
from tests.collector.upstream import Upstream, status

if TYPE_CHECKING:
    from pathlib import Path

SENT = "otelcol_exporter_sent_metric_points"
CONFIG = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
processors:
  interval: {interval: 100ms}
  redaction: {allowed_keys: [task_name, service.name]}
exporters:
  prometheus: {endpoint: "127.0.0.1:0"}
  file: {path: FOLDER/metrics.json}
  debug: {verbosity: normal}
  otlp_http/up:
    endpoint: http://127.0.0.1:PORT
    retry_on_failure: {initial_interval: 100ms, max_interval: 100ms}
    sending_queue: {storage: file_storage}
extensions:
  file_storage: {directory: FOLDER/queue, create_directory: true}
service:
  extensions: [file_storage]
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]}
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [redaction, interval]
      exporters: [prometheus, otlp_http/up, file, debug]
"""


def config(folder: Path, port: int) -> str:
    """The file, for one test."""
    return CONFIG.replace("FOLDER", str(folder)).replace("PORT", str(port))


def last(upstream: Upstream) -> int:
    """The counter as it was told last; 0 before."""
    points = [
        point.as_int
        for message in upstream.messages
        for outer in message.resource_metrics
        for metric in outer.scope_metrics[0].metrics
        for point in metric.sum.data_points
    ]
    return points[-1] if points else 0


def test_what_the_rules_left_is_pushed_to_all(tmp_path: Path) -> None:
    """One sum of two tenants, over HTTP, into the file and the log, and no tenant anywhere."""
    upstream = Upstream(status(503, retry_after="0"))
    with (
        serving(upstream) as served,
        running(tmp_path, config(tmp_path, served.port)) as collector,
    ):
        assert collector.post(jobs(10, "tenant-a")) == 200
        assert collector.post(jobs(5, "tenant-b")) == 200
        eventually(lambda: last(upstream) == 15)
        eventually(lambda: collector.counted(SENT, exporter="otlp_http/up") > 0)
        eventually(lambda: collector.counted(SENT, exporter="file") > 0)
        eventually(lambda: collector.counted(SENT, exporter="debug") > 0)
        assert collector.counted("otelcol_exporter_queue_capacity", exporter="otlp_http/up") == 1000
        assert collector.post(jobs(20, "tenant-b")) == 200
        assert collector.end(signal.SIGTERM) == 0
        assert last(upstream) == 30
        log = collector.log()
    written = (tmp_path / "metrics.json").read_text()
    assert "jobs{task_name=a} 30" in log
    assert '"asInt":"30"' in written
    sent = b"".join(message.SerializeToString() for message in upstream.messages).decode("latin-1")
    for text in (log, written, sent):
        assert "tenant" not in text
    assert "Traceback" not in log


def test_what_waits_survives_the_process(tmp_path: Path) -> None:
    """Killed while nobody takes anything, it goes on from the disk."""
    with serving(Upstream()) as served:
        nobody = served.port
    with running(tmp_path, config(tmp_path, nobody)) as collector:
        assert collector.post(jobs(10)) == 200
        eventually(lambda: bool(list(tmp_path.rglob("*.request"))))
        collector.end(signal.SIGKILL)
    upstream = Upstream()
    (tmp_path / "ports.json").unlink()
    with (
        serving(upstream) as served,
        running(tmp_path, config(tmp_path, served.port)),
    ):
        eventually(lambda: last(upstream) == 10)


def test_a_file_that_cannot_be_begun_ends_the_start(tmp_path: Path) -> None:
    """With one line that says which exporter and why."""
    text = config(tmp_path, 9).replace("/metrics.json", "/none/metrics.json")
    with (
        pytest.raises(AssertionError, match=r"exporters::file: .*: No such file or directory"),
        running(tmp_path, text),
    ):
        raise NotImplementedError("it started")
