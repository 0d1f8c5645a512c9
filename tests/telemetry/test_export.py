from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from telemetry import catalog, export, instruments
from telemetry.settings import Settings, SettingsError
from telemetry.tally import Reading, Tallies
from tests.support.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import ScopeMetrics

RESOURCE = Resource({"service.name": "celery", "service.instance.id": "n"})


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A collector, and the environment that leads to it."""
    made = Sink()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.endpoint)
    yield made
    made.close()


def sender(settings: Settings | None = None, *, down: bool = False) -> export.Sender:
    """A sender for RESOURCE."""
    return export.Sender(
        settings or Settings(collector="here:1"), RESOURCE, down=down, log_level=logging.WARNING
    )


def scope(tallies: Tallies, now: int = 2) -> list[ScopeMetrics]:
    """What is in the tallies, since 1 and as of `now`."""
    return [export.scope_metrics(tallies.readings(), 1, now)]


def test_what_arrives_is_what_was_tallied(sink: Sink) -> None:
    """Counters, gauges and histograms, each series with its attributes, all of one moment."""
    tallies = Tallies()
    tallies.numbers[tallies.cell(catalog.SENT, "a", "q")] += 3
    tallies.cell(catalog.SENT, "b", "q")
    tallies.numbers[tallies.cell(catalog.UP, "n")] = 1
    wait = tallies.cell(catalog.QUEUE_WAIT, "a", "q")
    for seconds in (0.01, 0.05, 7.0, 1e6):
        tallies.observe(catalog.QUEUE_WAIT, wait, seconds)
    assert sender().send(scope(tallies))
    assert sink.sums("celery.task.sent") == {
        frozenset({("task_name", "a"), ("queue_name", "q")}): 3,
        frozenset({("task_name", "b"), ("queue_name", "q")}): 0,
    }
    assert sink.sums("celery.worker.up") == {frozenset({("hostname", "n")}): 1}
    assert sink.sum("celery.task.queue_wait") == 4
    assert sink.sum("celery.task.queue_wait", of="sum") == 1000007.06
    assert {(point.instance, point.time) for point in sink.points} == {("n", 2)}
    assert {point.start for point in sink.points if point.kind != "gauge"} == {1}


def test_seconds_keep_their_fractions(sink: Sink) -> None:
    """A gauge of seconds is a double; one that counts stays an integer, which adds up exactly."""
    readings = [
        Reading(catalog.QUEUE_OLDEST_AGE, ("q",), (2.75,)),
        Reading(catalog.QUEUE_LENGTH, ("q",), (2.0**53 - 1,)),
    ]
    assert sender().send([export.scope_metrics(readings, 1, 2)])
    assert [point.value for point in sink.points] == [2.75, 2.0**53 - 1]


def test_the_sdk_reads_its_own_variables(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers and compression are the exporter's business."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    tallies = Tallies()
    tallies.cell(catalog.SENT, "a", "q")
    assert sender().send(scope(tallies))
    assert sink.headers["x-token"] == "secret"
    assert sink.headers["Content-Encoding"] == "gzip"
    assert len(sink.points) == 1


def test_an_outage_has_a_line_at_its_start_and_at_its_end(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    """However long it lasts and whatever the SDK says about each try."""
    tallies = Tallies()
    tallies.cell(catalog.SENT, "a", "q")
    sending = sender(Settings(timeout_seconds=0.2, collector="here:1"))
    sink.status = 400
    results = [sending.send(scope(tallies)) for _ in range(3)]
    sink.status = 200
    results += [sending.send(scope(tallies)) for _ in range(2)]
    assert results == [False, False, False, True, True]
    away, back = (record.getMessage() for record in caplog.records)
    assert away.startswith("the collector at here:1 does not take metrics (HTTP 400)")
    assert back == "the collector at here:1 takes metrics again"


def test_a_redirect_is_no_collector_s_yes(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """A login page in front of the collector takes nothing, whatever the SDK makes of it."""
    tallies = Tallies()
    tallies.cell(catalog.SENT, "a", "q")
    sink.status = 302
    assert not sender(Settings(timeout_seconds=0.5, collector="here:1")).send(scope(tallies))
    assert "(HTTP 302)" in caplog.text


def test_a_process_forked_during_an_outage_says_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its parent has said it."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    tallies = Tallies()
    tallies.cell(catalog.SENT, "a", "q")
    sending = sender(Settings(timeout_seconds=0.2), down=True)
    assert not sending.send(scope(tallies))
    assert sending.down
    assert caplog.records == []


def test_the_log_of_others_is_left_alone(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """Only what the SDK says about our own exports is kept out."""
    sending = sender()
    tallies = Tallies()
    tallies.cell(catalog.SENT, "a", "q")
    sink.status = 400
    sending.send(scope(tallies))
    logging.getLogger(export._SDK_LOGGERS[0]).error("of the user's own exporter")
    assert [record.getMessage() for record in caplog.records][-1] == "of the user's own exporter"


@pytest.mark.parametrize("delta", [False, True])
def test_the_user_s_instruments_come_along_as_the_environment_wants_them(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, delta: bool
) -> None:
    """Under the same resource in one request; the temporality preferred is followed for them."""
    if delta:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    sending = sender()
    reader = instruments.UserMetrics(sending.exporter, lambda _seconds: True)
    provider = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    counter = provider.get_meter("shop").create_counter("shop.orders")
    tallies = Tallies()
    tallies.cell(catalog.SENT, "a", "q")
    reported = []
    for _ in range(2):
        counter.add(5, {"tenant_id": "t"})
        scopes, overflowing = reader.take()
        assert overflowing == []
        assert sending.send([*scopes, *scope(tallies)])
        reported.append(sink.points[-2].value)
    assert reported == ([5, 5] if delta else [5, 10])
    assert {point.name for point in sink.points} == {"shop.orders", "celery.task.sent"}
    assert sink.requests == 2


def test_more_attribute_sets_than_the_sdk_s_default_keep_their_attributes(sink: Sink) -> None:
    """3000 tenants are 3000 series; above the raised limit the instrument is named, once."""
    if not instruments._cardinality_limits():
        pytest.skip("this SDK has no limit")
    reader = instruments.UserMetrics(sender().exporter, lambda _seconds: True)
    provider = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    counter = provider.get_meter("shop").create_counter("shop.orders")
    for tenant in range(3000):
        counter.add(1, {"tenant_id": str(tenant)})
    (shop,), overflowing = reader.take()
    assert len(shop.metrics[0].data.data_points) == 3000
    assert overflowing == []
    for tenant in range(instruments.USER_SERIES_MAX + 1):
        counter.add(1, {"tenant_id": str(tenant)})
    assert reader.take()[1] == ["shop.orders"]
    assert reader.take()[1] == []
    assert sink.requests == 0


def test_flushing_the_provider_asks_for_an_export() -> None:
    """What users know from the SDK works in a task: the seconds they give are passed on."""
    asked: list[float] = []

    def flush(seconds: float) -> bool:
        asked.append(seconds)
        return True

    reader = instruments.UserMetrics(sender().exporter, flush)
    provider = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    assert provider.force_flush(1500)
    assert asked == [pytest.approx(1.5, abs=0.1)]
    provider.shutdown()


def test_a_protocol_whose_exporter_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package to install, at the start."""
    monkeypatch.setitem(export._EXPORTERS, "grpc", "opentelemetry.exporter.nowhere")
    with pytest.raises(SettingsError, match=r"portless\[grpc\]"):
        export.exporter(Settings(protocol="grpc"))
