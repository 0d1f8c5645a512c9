"""What this engine pushes, the OpenTelemetry Collector reads as it was meant, and writes alike."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from collector.exposition.negotiate import TEXT_FORMAT
from collector.fields.component_id import parse
from collector.outlets.otlp import batches
from collector.outlets.pushed import SECOND
from collector.plan import load
from collector.push_settings import File
from collector.river import River
from collector.server.push.file import FileSink
from tests.collector.otlp import START
from tests.collector.real import OTELCOL, needs_otelcol
from tests.collector.test_push import everything
from tests.conformance.cases import Form, Request
from tests.conformance.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
receivers:
  otlp: {protocols: {http: {endpoint: "${env:OTLP_HTTP_ENDPOINT:-127.0.0.1:4318}"}}}
processors:
  redaction:
    allowed_keys: [task_name, service.name, service.instance.id, numbers, mixed]
    summary: silent
exporters:
  prometheus: {endpoint: "${env:PROMETHEUS_ENDPOINT:-127.0.0.1:9464}"}
  file: {path: FILE}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], processors: [redaction], exporters: [prometheus, file]}
"""


@contextmanager
def real(folder: Path) -> Iterator[Served]:
    """The OpenTelemetry Collector, whose file is `real.json`."""
    file = folder / "config.yaml"
    file.write_text(CONFIG.replace("FILE", str(folder / "real.json")))
    with serve((OTELCOL, "--config"), file, batches=False) as served:
        yield served


@needs_otelcol
def test_the_collector_exposes_what_was_pushed_as_it_is_exposed_here(tmp_path: Path) -> None:
    """Every kind of metric and value: its page is this engine's page, and so is its file."""
    plan = load("config.yaml", CONFIG.replace("FILE", str(tmp_path / "ours.json")), {})
    river = River(plan)
    river.intake(parse("otlp"), "http").accept(everything().bytes(), 1)
    now = START / SECOND + 2
    told = river.pushing[parse("file")].snapshot(0, now)
    (batch,) = batches(told, int(now * SECOND))
    sink = FileSink("file", File(str(tmp_path / "ours.json")))
    sink.open()
    sink.put(batch, 0)
    sink.close(1)
    with real(tmp_path) as served:
        request = Request(batch.message.SerializeToString(), "application/x-protobuf")
        assert served.post(request) == "200"
        shown = served.scrape(Form.TEXT)
    ours = river.prometheus[parse("prometheus")]
    assert shown == ours.scrape(TEXT_FORMAT).decode()
    mine, theirs = (
        json.loads((tmp_path / name).read_text()) for name in ("ours.json", "real.json")
    )
    assert mine == theirs
