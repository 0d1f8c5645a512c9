"""Spans of tasks, taken by a real receiver of OTLP: all of them, and no secret in any."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.traced import SECRET
from tests.support.worker import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sink import Sink

RAN = {"run/tests.support.traced.boom", "run/tests.support.traced.again"}
RAN |= {"run/tests.support.traced.shared", "inside"}


@contextmanager
def traced(sink: Sink, directory: Path, *options: str, **environ: str) -> Iterator[Command]:
    """A worker of the traced application; it publishes what it runs."""
    command = [sys.executable, "-m", "celery", "-A", "tests.support.traced", "worker"]
    command += ["-n", "one@lab", "-c", "1", "-l", "INFO", *options]
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_TRACES_EXPORTER": "otlp",
        **environ,
    }
    worker = Command(command, directory / "log", told)
    try:
        worker.wait_for(lambda: _ended(sink) >= (4 if "-P" in options else 3))
        yield worker
    finally:
        worker.kill()


def _ended(sink: Sink) -> float:
    """How many tasks came to an end."""
    return sum(sink.sum(f"celery.task.{end}") for end in ("success", "failed", "retried"))


@pytest.mark.parametrize("options", [("--max-tasks-per-child=1",), ("-P", "threads")])
def test_spans_arrive_and_the_secret_does_not(
    sink: Sink, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Of each task run, also in processes that are recycled at once; classes of errors stay."""
    with traced(sink, tmp_path, *options) as worker:
        assert worker.stop() == 0
        log = worker.log.read_text()
    assert {span.name for span in sink.spans} >= RAN, log
    runs = [span for span in sink.spans if span.name.startswith("run/")]
    # A retry that is published in a pool process never leaves a broker that is memory.
    assert len(runs) == (4 if "threads" in options else 3)
    assert {span.instance for span in runs} == {"one@lab" if "threads" in options else "one@lab/0"}
    assert not any(SECRET.encode() in body for body in sink.trace_bodies)
    (boom,) = [span for span in runs if span.name.endswith("boom")]
    assert boom.message.status.code == 2
    assert boom.message.status.message == ""
    (event,) = boom.events
    assert event["exception.type"] == "ValueError"
    assert not any("celery.retry.reason" in span.attributes for span in runs)
    sent = {span.message.trace_id for span in sink.spans if span.name.startswith("apply_async/")}
    assert sent >= {span.message.trace_id for span in runs}
    assert sink.sums("flower.task.runtime.seconds") == {}
    assert sink.sums("celery.telemetry.hook.errors") == {}


def test_what_exceptions_say_stays_where_that_is_asked_for(sink: Sink, tmp_path: Path) -> None:
    """With PORTLESS_TRACE_EXCEPTIONS=keep; so the test above would find it if it were there."""
    with traced(sink, tmp_path, "-P", "solo", PORTLESS_TRACE_EXCEPTIONS="keep") as worker:
        assert worker.stop() == 0
    (boom,) = [span for span in sink.spans if span.name.endswith(".boom") and span.events]
    assert boom.message.status.message == SECRET
    assert SECRET in boom.events[0]["exception.stacktrace"]
    assert any(SECRET in span.attributes.get("celery.retry.reason", "") for span in sink.spans)


def test_without_a_traces_exporter_there_are_none(sink: Sink, tmp_path: Path) -> None:
    """Nothing is switched on that was not asked for."""
    with traced(sink, tmp_path, "-P", "solo", OTEL_TRACES_EXPORTER="") as worker:
        assert worker.stop() == 0
    assert sink.spans == []
