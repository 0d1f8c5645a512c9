"""A stream -> the series that the OpenTelemetry Collector's Prometheus exporter would show it as.

What that exporter drops at the scrape with a line in its log is refused here, with a reason, when
the stream is first seen. Neither numbers nor the other series are known: whether there is room for
the series on the page is the page's question.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from collector.errors import Reason, Untranslatable
from collector.exposition import utf8
from collector.exposition.alphabet import Labels, bare_name, escaped, label_name, metric_name
from collector.model import Kind, Merge, Series, Target, Type, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.model import Attributes, Scope, Stream, Value
    from collector.settings import Prometheus, ResourceLabels

IDENTITY = ("service.name", "service.namespace", "service.instance.id")
"""The resource attributes that become `job` and `instance`."""

SCOPE_RESERVED = ("name", "version", "schema_url")
"""Scope attributes that would hide the scope's own fields; the exporter leaves them out."""

TYPES = {
    Kind.COUNTER: Type.COUNTER,
    Kind.UPDOWN: Type.GAUGE,
    Kind.GAUGE: Type.GAUGE,
    Kind.HISTOGRAM: Type.HISTOGRAM,
    Kind.EXPONENTIAL: Type.HISTOGRAM,
    Kind.SUMMARY: Type.SUMMARY,
}

NAMES_REMEMBERED = 4096
"""Names of metrics, and of labels, that are not made again."""

OWN_LABELS = {Type.HISTOGRAM: "le", Type.SUMMARY: "quantile"}
"""Labels that a type of family writes itself."""


class Namer(NamedTuple):
    """How names are made under one of the exporter's translation strategies."""

    metric: Callable[[str, str, Kind, str], str]
    label: Callable[[str], str]


def namer(settings: Prometheus, escaping: str = utf8.AS_IS) -> Namer:
    """Choose by the exporter's settings; `escaping` is for names that are not made to fit."""
    if not settings.utf8_names:
        return Namer(metric_name if settings.with_suffixes else bare_name, label_name)
    build = utf8.full_name if settings.with_suffixes else utf8.plain_name
    return Namer(
        lambda *parts: utf8.escape(build(*parts), escaping, utf8.METRIC),
        lambda key: utf8.escape(utf8.label(key), escaping, utf8.LABEL),
    )


class Translator:
    """Turns streams into series under one exporter's settings."""

    def __init__(self, settings: Prometheus, escaping: str = utf8.AS_IS) -> None:
        self._namespace = settings.namespace
        self._with_scope = not settings.without_scope_info
        # Names and keys are few, and the same ones come with every new stream.
        made = namer(settings, escaping)
        remembering = lru_cache(NAMES_REMEMBERED)
        self._namer = Namer(remembering(made.metric), remembering(made.label))
        self._source = lru_cache(maxsize=1024)(partial(_source, label_of=self._namer.label))
        """So that the series of one resource share its labels."""
        self._is_label = _matcher(settings.resource_labels)
        self._const_labels = [(escaped(name), value) for name, value in settings.const_labels]

    def translate(self, stream: Stream) -> Series:
        """Return the series of one stream; raises Untranslatable."""
        label_of = self._namer.label
        family = self._namer.metric(stream.name, stream.unit, stream.kind, self._namespace)
        source = self._source(stream.resource)
        attributes = stream.attributes
        if self._is_label is not None:
            moved = [pair for pair in stream.resource if self._is_label(pair[0])]
            attributes = tuple(dict([*attributes, *moved]).items())
        pairs = [_label(pair, label_of) for pair in attributes]
        if self._with_scope:
            pairs += _scope_labels(stream.scope, label_of)
        labels = _checked([*pairs, *source.labels, *self._const_labels])
        type_ = TYPES[stream.kind]
        if any(name == OWN_LABELS.get(type_) for name, _ in labels):
            raise Untranslatable(Reason.LABEL_NAME)
        return Series(
            family=family,
            type=type_,
            labels=labels,
            merge=stream.merge or Merge.SUM,
            help=stream.description,
            target=source.target,
            target_labels=source.target_labels,
        )


def _label(pair: tuple[str, Value], label_of: Callable[[str], str]) -> tuple[str, str]:
    """Return the label of an attribute: itself where it is one, to be there once."""
    key, value = pair
    name, text = label_of(key), text_of(value)
    return pair if name == key and text is value else (name, text)  # type: ignore[return-value]


def _matcher(labels: ResourceLabels) -> Callable[[str], bool] | None:
    """Return what tells of a resource attribute's key whether it becomes a label."""
    if not any(labels):
        return None
    included, excluded = (
        [re.compile(_glob(pattern), re.DOTALL) for pattern in patterns] for patterns in labels
    )
    return lambda key: (
        not any(pattern.fullmatch(key) for pattern in excluded)
        and (not included or any(pattern.fullmatch(key) for pattern in included))
    )


def _glob(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def target_info_name(settings: Prometheus, escaping: str = utf8.AS_IS) -> str:
    """Build the name of the family that tells of targets; the exporter spells it as a label."""
    if not settings.namespace:
        return "target_info"
    try:
        return f"{namer(settings, escaping).label(settings.namespace)}_target_info"
    except Untranslatable:
        return "target_info"


def _scope_labels(scope: Scope, label_of: Callable[[str], str]) -> list[tuple[str, str]]:
    pairs = [
        (label_of(f"otel_scope_{key}"), text_of(value))
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


def _source(resource: Attributes, label_of: Callable[[str], str]) -> _Source:
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
        rest = {key: text for key, text in texts.items() if key not in IDENTITY}
        others = _joined(rest, label_of)
    except Untranslatable:
        # One key that makes no label, and the exporter shows no target_info at all.
        return _Source(tuple(labels), None, ())
    return _Source(tuple(labels), target, tuple(sorted({**others, **known}.items())))


def _joined(texts: dict[str, str], label_of: Callable[[str], str]) -> dict[str, str]:
    """Make labels of resource attributes; the values of those with one name are joined."""
    labels: dict[str, str] = {}
    for key, text in texts.items():
        name = label_of(key)
        labels[name] = f"{labels[name]};{text}" if name in labels else text
    return labels
