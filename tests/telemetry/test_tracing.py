"""Whoever made the provider, what exceptions say does not leave it, and nothing else is touched."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, StatusCode

from telemetry.settings import Settings
from telemetry.tracing import Tracing, changed, scrubbed
from tests.support.script import run
from tests.support.sink import Sink

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

SECRET = "s3cr3t"


def failed_span() -> ReadableSpan:
    """A span that an exception went through, and a message of the application's."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "x"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop", "1.0")
    attributes = {"kept": 1, "celery.retry.reason": SECRET}

    def fail() -> None:
        with tracer.start_as_current_span("a span", attributes=attributes) as span:
            span.add_event("an event", {"kept": "too"})
            raise ValueError(SECRET)

    with pytest.raises(ValueError, match=SECRET):
        fail()
    (span,) = exporter.get_finished_spans()
    return span


def test_a_scrubbed_span_is_the_same_but_for_what_the_exception_says() -> None:
    """Its class, the application's own events and attributes, ids and times stay."""
    span = failed_span()
    clean = scrubbed(span)
    assert SECRET in span.to_json()
    assert SECRET not in clean.to_json()
    assert dict(clean.attributes or {}) == {"kept": 1}
    own, exception = clean.events
    assert (own.name, dict(own.attributes or {})) == ("an event", {"kept": "too"})
    assert exception.attributes is not None
    assert exception.attributes["exception.type"] == "ValueError"
    assert clean.status.status_code is StatusCode.ERROR
    assert clean.status.description is None
    for field in (
        "name",
        "context",
        "parent",
        "resource",
        "links",
        "kind",
        "instrumentation_scope",
    ):
        assert getattr(clean, field) == getattr(span, field)
    assert (clean.start_time, clean.end_time) == (span.start_time, span.end_time)
    assert clean.dropped_attributes == span.dropped_attributes


def test_links_are_scrubbed_and_what_limits_dropped_is_told() -> None:
    """Of attributes, events and links alike, after every change."""
    exporter = InMemorySpanExporter()
    limits = SpanLimits(
        max_span_attributes=1,
        max_events=1,
        max_links=2,
        max_event_attributes=2,
        max_link_attributes=2,
    )
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = SpanContext(1, 2, is_remote=False)
    telling = {"dropped": 1, "kept": 1, "exception.message": SECRET}
    span = provider.get_tracer("shop").start_span(
        "a span", attributes={"dropped": 1, "kept": 1}, links=[Link(context, telling)]
    )
    for _ in range(3):
        span.add_link(context, telling)
        span.add_event("an event", telling)
    span.end()
    (ended,) = exporter.get_finished_spans()
    assert SECRET in ended.to_json()
    clean = changed(scrubbed(ended), resource=Resource({"service.name": "y"}))
    assert SECRET not in clean.to_json()
    assert [dict(link.attributes or {}) for link in clean.links] == [{"kept": 1}] * 2
    assert [link.context for link in clean.links] == [context] * 2
    for told in (ended, clean):
        assert told.dropped_attributes == 1
        assert (told.dropped_events, told.dropped_links) == (2, 2)
        assert [event.dropped_attributes for event in told.events] == [1]
        assert [link.dropped_attributes for link in told.links] == [1, 1]


def test_traces_without_their_package_are_explained(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked for by the environment, and the extra is not installed: one line, and no error."""
    monkeypatch.setattr("telemetry.tracing._CELERY", "opentelemetry.instrumentation.nowhere")
    tracing = Tracing(Settings(traces="http/protobuf"))
    with caplog.at_level(logging.WARNING):
        tracing.begin(Resource({}))
    assert tracing.flushing() is None
    assert "pip install 'portless[tracing]'" in caplog.text


PROVIDER = """
import os, sys
from celery import Celery
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from telemetry import instrument
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
app = Celery("p", broker="memory://")
instrument(app)
app.send_task("a.task")
tracer = trace.get_tracer("shop")
def fail(name):
    try:
        with tracer.start_as_current_span(name):
            raise ValueError("s3cr3t")
    except ValueError:
        pass
"""


def test_a_provider_of_the_application_s_is_scrubbed_as_well() -> None:
    """Tracers that were made before included."""
    sink = Sink()
    try:
        run(PROVIDER + "fail('one')", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    finally:
        sink.close()
    assert {span.name for span in sink.spans} == {"apply_async/a.task", "one"}
    assert not any(SECRET.encode() in body for body in sink.trace_bodies)


def test_a_pool_process_does_not_share_its_parent_s_connection() -> None:
    """An exporter that was made before the fork has one open: the child leaves it alone."""
    sink = Sink()
    try:
        run(
            PROVIDER + "import opentelemetry.sdk.trace.export as e\n"
            "from celery import signals\n"
            "def sessions():\n"
            "    from telemetry.tracing import _sessions\n"
            "    (session,) = _sessions(provider._active_span_processor._span_processors[0])\n"
            "    return session\n"
            "fail('parent')\n"
            "provider.force_flush()\n"
            "def pools():\n"
            "    return [len(a.poolmanager.pools) for a in sessions().adapters.values()]\n"
            "assert 1 in pools(), pools()\n"
            "pid = os.fork()\n"
            "if not pid:\n"
            "    signals.worker_process_init.send(sender='one@lab')\n"
            "    assert pools() == [0, 0], pools()\n"
            "    fail('child')\n"
            "    signals.worker_process_shutdown.send(sender=None, pid=1, exitcode=0)\n"
            "    os._exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\n",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        )
    finally:
        sink.close()
    assert {span.name for span in sink.spans} >= {"parent", "child"}
    assert not any(SECRET.encode() in body for body in sink.trace_bodies)


def test_what_cannot_be_scrubbed_is_not_made() -> None:
    """Of a provider that is built in another way there are no spans of tasks; a line says so."""
    made = "TracerProvider(active_span_processor=BatchSpanProcessor(OTLPSpanExporter()))"
    script = PROVIDER.replace("TracerProvider()", made, 1)
    script = script.replace("provider.add_span", "0 and provider.add_span")
    sink = Sink()
    try:
        done = run(script, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    finally:
        sink.close()
    assert sink.spans == []
    assert done.stderr.count("cannot be scrubbed") == 1
