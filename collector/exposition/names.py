"""A stream -> the series that the OpenTelemetry Collector's Prometheus exporter would show it as.

What that exporter drops at the scrape with a line in its log is refused here, with a reason, when
the stream is first seen. Neither numbers nor the other series are known: whether there is room for
the series on the page is the page's question.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from collector.errors import Reason, Untranslatable
from collector.exposition.alphabet import Labels, escaped, label_name, metric_name
from collector.model import Kind, Merge, Series, Target, Type, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model import Attributes, Scope, Stream
    from collector.settings import Prometheus

IDENTITY = ("service.name", "service.namespace", "service.instance.id")
"""The resource attributes that become `job` and `instance`."""

SCOPE_RESERVED = ("name", "version", "schema_url")
"""Scope attributes that would hide the scope's own fields; the exporter leaves them out."""

TYPES = {
    Kind.COUNTER: Type.COUNTER,
    Kind.UPDOWN: Type.GAUGE,
    Kind.GAUGE: Type.GAUGE,
    Kind.HISTOGRAM: Type.HISTOGRAM,
}


class Translator:
    """Turns streams into series under one exporter's settings."""

    def __init__(self, settings: Prometheus) -> None:
        self._namespace = settings.namespace
        self._with_scope = not settings.without_scope_info
        self._const_labels = [(escaped(name), value) for name, value in settings.const_labels]

    def translate(self, stream: Stream) -> Series:
        """Return the series of one stream; raises Untranslatable."""
        family = metric_name(stream.name, stream.unit, stream.kind, self._namespace)
        source = _source(stream.resource)
        pairs = [(label_name(key), text_of(value)) for key, value in stream.attributes]
        if self._with_scope:
            pairs += _scope_labels(stream.scope)
        labels = _checked([*pairs, *source.labels, *self._const_labels])
        if stream.kind is Kind.HISTOGRAM and any(name == "le" for name, _ in labels):
            raise Untranslatable(Reason.LABEL_NAME)
        return Series(
            family=family,
            type=TYPES[stream.kind],
            labels=labels,
            merge=stream.merge or Merge.SUM,
            help=stream.description,
            target=source.target,
            target_labels=source.target_labels,
        )


def target_info_name(settings: Prometheus) -> str:
    """Build the name of the family that tells of targets; the exporter spells it as a label."""
    if not settings.namespace:
        return "target_info"
    try:
        return f"{label_name(settings.namespace)}_target_info"
    except Untranslatable:
        return "target_info"


def _scope_labels(scope: Scope) -> list[tuple[str, str]]:
    pairs = [
        (label_name(f"otel_scope_{key}"), text_of(value))
        for key, value in scope.attributes
        if key not in SCOPE_RESERVED
    ]
    return [
        *pairs,
        ("otel_scope_name", scope.name),
        ("otel_scope_schema_url", scope.schema_url),
        ("otel_scope_version", scope.version),
    ]


def _checked(pairs: Sequence[tuple[str, str]]) -> Labels:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Untranslatable(Reason.DUPLICATE_LABEL)
    return tuple(sorted(pairs))


class _Source(NamedTuple):
    labels: Labels
    target: Target | None
    target_labels: Labels


@lru_cache(maxsize=1024)  # so that the series of one resource share these tuples
def _source(resource: Attributes) -> _Source:
    """Tell who a resource is: its job and instance, and both with the rest for `target_info`."""
    texts = {key: text_of(value) for key, value in resource}
    labels = []
    if "service.instance.id" in texts:
        labels.append(("instance", texts["service.instance.id"]))
    if "service.name" in texts:
        namespace = texts.get("service.namespace")
        prefix = "" if namespace is None else f"{namespace}/"
        labels.append(("job", prefix + texts["service.name"]))
    known = dict(labels)
    target = Target(known.get("job", ""), known.get("instance", ""))
    if not all(target):
        return _Source(tuple(labels), None, ())
    try:
        others = _joined({key: text for key, text in texts.items() if key not in IDENTITY})
    except Untranslatable:
        # One key that makes no label, and the exporter shows no target_info at all.
        return _Source(tuple(labels), None, ())
    return _Source(tuple(labels), target, tuple(sorted({**others, **known}.items())))


def _joined(texts: dict[str, str]) -> dict[str, str]:
    """Make labels of resource attributes; the values of those with one name are joined."""
    labels: dict[str, str] = {}
    for key, text in texts.items():
        name = label_name(key)
        labels[name] = f"{labels[name]};{text}" if name in labels else text
    return labels
