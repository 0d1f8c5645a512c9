"""Spans of tasks, by opentelemetry-instrumentation-celery: switched on, safe in forks, scrubbed.

Comes in: settings, whose process this is, and whatever TracerProvider there is. Goes out: spans, by
the SDK's exporter, without what exceptions say. It makes no span itself.

A span of a task that failed has the exception's message as its status, and the message and the
stack once more in an event; one that is retried has the reason in an attribute. Messages quote what
a task was given. So everything that leaves a provider passes here first, spans of the application's
own included: an exception that a task raises passes through those as well.

A provider of ours makes exporter and thread in each process, at its first span. Of one that was
made before the fork, the connections that it shares with its parent are left behind.
"""

from __future__ import annotations

import copy
import importlib
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span

    from telemetry.settings import Settings

logger = logging.getLogger(__name__)

_CELERY = "opentelemetry.instrumentation.celery"
_EXPORTERS = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}
TELLING = frozenset(
    {"celery.retry.reason", "error.message", "exception.message", "exception.stacktrace"}
)
"""Attributes of spans, events and links that hold what an exception says."""
_OURS_OR_THEIRS = ("opentelemetry.", "telemetry.")


class Tracing:
    """The spans of this process."""

    def __init__(self, wanted: Settings) -> None:
        self._wanted = wanted
        self._outlet: _Outlet | None = None
        self._on = False
        self._unsafe = False
        """Whether what exceptions say cannot be kept from leaving."""
        if wanted.traces:
            importlib.import_module(_EXPORTERS[wanted.traces])  # while there is one thread
        if self._wants():
            self._switch_on()

    def begin(self, resource: Resource, *, forked: bool = False) -> None:
        """This process has a name now; `forked` if what it inherited was its parent's."""
        silence()
        if not self._wants() or not (self._on or self._switch_on()):
            return
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            self._outlet = _Outlet(self._wanted)
            provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            scrub = self._wanted.trace_exceptions == "scrub"
            provider.add_span_processor(_Scrubber(self._outlet) if scrub else self._outlet)
            trace.set_tracer_provider(provider)
        if self._outlet is not None:
            self._outlet.begin(resource)
        if isinstance(provider, TracerProvider):
            self._guarded(provider, forked=forked)

    def flushing(self) -> threading.Thread | None:
        """A thread that exports what there is, started; whoever calls decides how long to wait."""
        provider = trace.get_tracer_provider()
        if not self._on or not isinstance(provider, TracerProvider):
            return None
        thread = threading.Thread(target=provider.force_flush, name="telemetry-spans", daemon=True)
        thread.start()
        return thread

    def _wants(self) -> bool:
        """A traces exporter is configured, or somebody has made a provider."""
        provider = trace.get_tracer_provider()
        return not self._unsafe and bool(
            self._wanted.traces or isinstance(provider, TracerProvider)
        )

    def _switch_on(self) -> bool:
        """Let contrib's instrumentor make spans, unless it does already; whether it does."""
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider) and not self._guarded(provider, forked=False):
            return False
        if self._wanted.traces_of_tasks:
            try:
                instrumentor = importlib.import_module(_CELERY).CeleryInstrumentor()
            except ImportError:
                if self._wanted.traces:
                    logger.warning(
                        "OTEL_TRACES_EXPORTER asks for traces, and spans of tasks need a package "
                        "that is not installed: pip install 'portless[tracing]'"
                    )
                return False
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(meter_provider=NoOpMeterProvider())
        self._on = True
        silence()
        return True

    def _guarded(self, provider: TracerProvider, *, forked: bool) -> bool:
        """Whether spans can be scrubbed from now on; where not, there are none of tasks."""
        try:
            self._guard(provider, forked=forked)
        except AttributeError:  # it has processors of another kind, or the SDK other names
            self._switch_off()
            return False
        return True

    def _switch_off(self) -> None:
        """Rather no spans of tasks than spans that tell what a task was given."""
        self._on, self._unsafe = False, True
        module = sys.modules.get(_CELERY)
        if module is not None and module.CeleryInstrumentor().is_instrumented_by_opentelemetry:
            module.CeleryInstrumentor().uninstrument()
        logger.error(
            "spans of this TracerProvider cannot be scrubbed, so there are none of tasks; "
            "PORTLESS_TRACE_EXCEPTIONS=keep would have them with what exceptions say"
        )

    def _guard(self, provider: TracerProvider, *, forked: bool) -> None:
        """Put a scrubber before each processor of a provider, ours or somebody's."""
        active: Any = provider._active_span_processor  # noqa: SLF001 - there is no other way
        processors = tuple(active._span_processors)  # noqa: SLF001
        for processor in processors:
            if forked:
                _renew_connections(processor)
        if self._wanted.trace_exceptions == "scrub":
            active._span_processors = tuple(  # noqa: SLF001
                each if isinstance(each, _Scrubber) else _Scrubber(each) for each in processors
            )


def silence() -> None:
    """Let contrib's instrumentor record no runtimes, whoever switched it on.

    Its one metric counts seconds in buckets for milliseconds, in whichever process ran the task.
    """
    module = sys.modules.get(_CELERY)
    if module is not None:
        module.CeleryInstrumentor().create_celery_metrics(NoOpMeterProvider().get_meter(_CELERY))


class _Scrubber(SpanProcessor):
    """Hands spans on without what exceptions say."""

    def __init__(self, inner: SpanProcessor) -> None:
        self.inner = inner

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.inner.on_start(span, parent_context)

    def _on_ending(self, span: Span) -> None:
        ending = getattr(self.inner, "_on_ending", None)
        if ending is not None:
            ending(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.inner.on_end(scrubbed(span))

    def shutdown(self) -> None:
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.inner.force_flush(timeout_millis)


class _Outlet(SpanProcessor):
    """Batches and exports, by a processor of the SDK's that belongs to this process alone."""

    def __init__(self, wanted: Settings) -> None:
        self._module = importlib.import_module(_EXPORTERS[wanted.traces or "http/protobuf"])
        self._resource: Resource | None = None
        self._lock = threading.Lock()
        self._batches: BatchSpanProcessor | None = None
        self._left: list[BatchSpanProcessor] = []
        """Of the processes that forked this one: the SDK has hooks that want them to be there."""

    def begin(self, resource: Resource) -> None:
        """A process begins, or one has a new name; its first span makes what it needs."""
        if self._batches is not None and self._resource is not resource:
            self._left.append(self._batches)
        self._lock = threading.Lock()
        self._batches, self._resource = None, resource

    def on_end(self, span: ReadableSpan) -> None:
        self._own().on_end(changed(span, resource=self._resource))

    def shutdown(self) -> None:
        if self._batches is not None:
            self._batches.shutdown()  # type: ignore[no-untyped-call] # the SDK's

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._batches is None or self._batches.force_flush(timeout_millis)

    def _own(self) -> BatchSpanProcessor:
        with self._lock:
            if self._batches is None:
                self._batches = BatchSpanProcessor(self._module.OTLPSpanExporter())
            return self._batches


def scrubbed(span: ReadableSpan) -> ReadableSpan:
    """The span without what exceptions say: their classes stay."""
    return changed(
        span,
        attributes=_kept(span.attributes),
        events=[
            Event(
                event.name,
                _attributes(_kept(event.attributes), event.dropped_attributes),
                event.timestamp,
            )
            for event in span.events
        ],
        links=[
            Link(link.context, _attributes(_kept(link.attributes), link.dropped_attributes))
            for link in span.links
        ],
        status=Status(span.status.status_code),
    )


def changed(span: ReadableSpan, **changes: Any) -> ReadableSpan:  # noqa: ANN401 - each of its own type
    """A span that is this one but for some of its fields."""
    fields: dict[str, Any] = {
        "name": span.name,
        "context": span.context,
        "parent": span.parent,
        "resource": span.resource,
        "attributes": span.attributes,
        "events": span.events,
        "links": span.links,
        "kind": span.kind,
        "status": span.status,
        "start_time": span.start_time,
        "end_time": span.end_time,
        "instrumentation_scope": span.instrumentation_scope,
    }
    fields.update(changes)
    # The SDK keeps how many its limits dropped in collections that its properties do not give.
    fields["attributes"] = _attributes(fields["attributes"], span.dropped_attributes)
    fields["events"] = _bounded(fields["events"], span.dropped_events)
    fields["links"] = _bounded(fields["links"], span.dropped_links)
    return ReadableSpan(**fields)


def _bounded(items: Sequence[Any], dropped: int) -> BoundedList[Any]:
    bounded: BoundedList[Any] = BoundedList(max(len(items), 1))
    bounded.extend(items)
    bounded.dropped = dropped
    return bounded


def _kept(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (attributes or {}).items() if key not in TELLING}


def _attributes(values: Mapping[str, Any] | None, dropped: int) -> BoundedAttributes:
    attributes = BoundedAttributes(attributes=dict(values or {}), immutable=True)
    attributes.dropped = dropped
    return attributes


def _renew_connections(processor: object) -> None:
    """Let an exporter that was made before this process was forked connect anew.

    A connection in its pool is its parent's as well: two processes that talk through one get each
    other's answers. A copy of one of requests' adapters has its settings and no connections.
    """
    for session in _sessions(processor):
        for prefix, adapter in list(session.adapters.items()):
            session.adapters[prefix] = copy.copy(adapter)


def _sessions(thing: object) -> list[Any]:
    """The sessions of requests in an exporter, wherever its version of the SDK keeps them."""
    requests: Any = sys.modules.get("requests")
    found: list[Any] = []
    seen: set[int] = set()
    left = [thing] if requests is not None else []
    while left:
        each = left.pop()
        if isinstance(each, requests.Session):
            found.append(each)
        elif id(each) not in seen and type(each).__module__.startswith(_OURS_OR_THEIRS):
            seen.add(id(each))
            left += getattr(each, "__dict__", {}).values()
    return found
