from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest
from opentelemetry.sdk.resources import Resource

from telemetry.reporter import Reporter
from telemetry.settings import Settings
from telemetry.tasks.facts import Fact, PoolMeasured, Sent, WorkerStarted
from tests.support.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCE = Resource({"service.name": "celery", "service.instance.id": "n"})


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A collector, and the environment that leads to it."""
    made = Sink()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.endpoint)
    yield made
    made.close()


def test_the_last_export_has_everything(sink: Sink) -> None:
    """Facts recorded until the end, measured ones as of the end."""
    reporter = Reporter(Settings(interval_seconds=3600), RESOURCE)
    reporter.start()
    reporter.measure(lambda: PoolMeasured(3))
    reporter.record(WorkerStarted("n"))
    reporter.record(Sent("a", "q"))
    assert reporter.stop()
    assert sink.sum("celery.task.sent") == 1
    assert sink.sum("celery.worker.pool.processes") == 3


def test_nothing_to_say_is_nothing_sent(sink: Sink) -> None:
    """A pool process without metrics of the user's makes no requests."""
    reporter = Reporter(Settings(interval_seconds=3600), RESOURCE)
    reporter.start()
    assert reporter.flush(10)
    assert reporter.stop()
    assert sink.requests == 0


def test_failures_are_told_with_the_next_success(sink: Sink) -> None:
    """How often the collector did not take an export, once it does."""
    reporter = Reporter(Settings(interval_seconds=3600, timeout_seconds=0.2), RESOURCE)
    reporter.start()
    reporter.record(Sent("a", "q"))
    sink.status = 400
    assert reporter.flush(10)
    assert reporter.flush(10)
    assert reporter.down
    sink.status = 200
    assert reporter.stop()
    assert not reporter.down
    assert sink.sum("celery.telemetry.export.failures") == 2
    assert sink.sum("celery.task.sent") == 1


def test_a_measure_that_fails_costs_nothing_else(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted, said once, and the rest is exported."""

    def broken() -> NoReturn:
        raise RuntimeError("the pool is gone")

    def measure() -> Fact:
        broken()

    reporter = Reporter(Settings(interval_seconds=3600), RESOURCE)
    reporter.measure(measure)
    reporter.record(Sent("a", "q"))
    reporter.start()
    assert reporter.flush(10)
    assert reporter.stop()
    assert sink.sum("celery.telemetry.hook.errors", reason="measure") == 2
    assert sink.sum("celery.task.sent") == 1
    assert caplog.text.count("telemetry failed in measure") == 1
