"""A path becomes a place: the part of a stream that it reads or writes.

In: a path and the context that its statement runs in. Out: a `Place`, or a refusal that says why:
it is about numbers or times, it is not visible there, or streams do not have it. It knows no
function.

https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/pkg/ottl/contexts
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector.attributes import Plain, get, plain, put
from collector.errors import RuleFailed
from collector.model import Kind, Stream, Temporality
from collector.ottl.tree import Path, Refused, not_here

if TYPE_CHECKING:
    from collector.model import Attributes, Value

Read: TypeAlias = Callable[[Stream], Plain]
"""What a value is in a stream."""

CONTEXTS = ("exemplar", "datapoint", "metric", "scope", "resource")
"""From the inside out: a statement sees its own context and what is around it."""
NUMBERS = {
    "datapoint": {
        "bucket_counts",
        "count",
        "exemplars",
        "explicit_bounds",
        "flags",
        "negative",
        "positive",
        "quantile_values",
        "scale",
        "start_time",
        "start_time_unix_nano",
        "sum",
        "time",
        "time_unix_nano",
        "value_double",
        "value_int",
        "zero_count",
    },
    "metric": {"data_points"},
}
"""What a point has that its stream has not."""
NEVER_OUT = {
    ("exemplar", "filtered_attributes"),
    ("metric", "metadata"),
    ("resource", "dropped_attributes_count"),
    ("resource", "schema_url"),
    ("scope", "dropped_attributes_count"),
}
"""What this engine never exposes, so that whatever is written there is written in vain."""
TYPES = {
    Kind.GAUGE: 1,
    Kind.COUNTER: 2,
    Kind.UPDOWN: 2,
    Kind.HISTOGRAM: 3,
    Kind.EXPONENTIAL: 4,
    Kind.SUMMARY: 5,
}
"""https://pkg.go.dev/go.opentelemetry.io/collector/pdata/pmetric#MetricType"""
CONSTANTS = {
    "METRIC_DATA_TYPE_NONE": 0,
    "METRIC_DATA_TYPE_GAUGE": 1,
    "METRIC_DATA_TYPE_SUM": 2,
    "METRIC_DATA_TYPE_HISTOGRAM": 3,
    "METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM": 4,
    "METRIC_DATA_TYPE_SUMMARY": 5,
    "AGGREGATION_TEMPORALITY_UNSPECIFIED": 0,
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
}
"""Known in the contexts of metrics and points."""


class Map(NamedTuple):
    """All attributes of a part of a stream."""

    read: Callable[[Stream], Attributes]
    write: Callable[[Stream, Attributes], Stream]


@dataclass(frozen=True)
class Place:
    """A part of a stream; what it cannot be used for is None."""

    context: str
    read: Read | None = None
    write: Callable[[Stream, Value], Stream] | None = None
    """May raise RuleFailed."""
    map: Map | None = None
    """Where the path is to all attributes and not to one of them."""
    is_identity: bool = True
    """Whether streams that differ in it are two, so that something else may depend on it."""
    is_never_out: bool = False


def resolve(path: Path, context: str, *, explicit: bool) -> Place:
    """Find the place of a path; with `explicit`, a path need not name its context.

    Raises Refused.
    """
    owner, name, *rest = _named(path, context, explicit=explicit)
    if owner not in CONTEXTS[CONTEXTS.index(context) :]:
        raise Refused(path.column, f'{path} cannot be seen in the context "{context}"')
    if name in NUMBERS.get(owner, ()):
        why = ": it is about numbers or times, and rules here act on streams"
        raise not_here(path.column, str(path), why)
    if (owner, name) in NEVER_OUT and not rest:
        return Place(owner, is_never_out=True)
    if name == "attributes" and not rest and owner in _MAPS:
        return _attributes(path, owner)
    place = _FIELDS.get((owner, name))
    if place is None or rest or path.keys:
        raise not_here(path.column, str(path))
    return place


def owner_of(path: Path) -> str | None:
    """The context that a path names; None where it names none."""
    return path.names[0] if path.names[0] in CONTEXTS and len(path.names) > 1 else None


def _named(path: Path, context: str, *, explicit: bool) -> tuple[str, ...]:
    owner = owner_of(path)
    if owner:
        return (owner, *path.names[1:])
    if explicit:
        return (context, *path.names)
    hint = f"as {context}.{path}, or write `context: {context}` above"
    raise Refused(path.column, f"{path} does not say of what it is", hint)


def _attributes(path: Path, owner: str) -> Place:
    whole = _MAPS[owner]
    if not path.keys:
        return Place(owner, map=whole)
    key, *more = path.keys
    if more or not isinstance(key, str):
        raise not_here(path.column, str(path), ": attributes within attributes are not taken apart")

    def read(stream: Stream) -> Plain:
        return plain(get(whole.read(stream), key))

    def write(stream: Stream, value: Value) -> Stream:
        return whole.write(stream, put(whole.read(stream), {key: value}))

    return Place(owner, read, write)


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise RuleFailed
    return value


def _is_monotonic(stream: Stream) -> bool | None:
    is_sum = stream.kind in (Kind.COUNTER, Kind.UPDOWN)
    return stream.kind is Kind.COUNTER if is_sum else None


def _temporality(stream: Stream) -> int | None:
    has_none = stream.kind is Kind.SUMMARY or stream.temporality is Temporality.NONE
    return None if has_none else stream.temporality.value


_MAPS = {
    "resource": Map(
        lambda stream: stream.resource, lambda stream, found: stream.but(resource=found)
    ),
    "scope": Map(
        lambda stream: stream.scope.attributes,
        lambda stream, found: stream.but(scope=stream.scope._replace(attributes=found)),
    ),
    "datapoint": Map(
        lambda stream: stream.attributes, lambda stream, found: stream.but(attributes=found)
    ),
}
_FIELDS = {
    ("metric", "name"): Place(
        "metric",
        lambda stream: stream.name,
        lambda stream, value: stream.but(name=_text(value)),
    ),
    ("metric", "unit"): Place(
        "metric",
        lambda stream: stream.unit,
        lambda stream, value: stream.but(unit=_text(value)),
    ),
    ("metric", "description"): Place(
        "metric",
        lambda stream: stream.description,
        lambda stream, value: stream.but(description=_text(value)),
        is_identity=False,
    ),
    ("metric", "type"): Place("metric", lambda stream: TYPES[stream.kind]),
    ("metric", "is_monotonic"): Place("metric", _is_monotonic),
    ("metric", "aggregation_temporality"): Place("metric", _temporality),
    ("scope", "name"): Place(
        "scope",
        lambda stream: stream.scope.name,
        lambda stream, value: stream.but(scope=stream.scope._replace(name=_text(value))),
    ),
    ("scope", "version"): Place(
        "scope",
        lambda stream: stream.scope.version,
        lambda stream, value: stream.but(scope=stream.scope._replace(version=_text(value))),
    ),
    ("scope", "schema_url"): Place(
        "scope",
        lambda stream: stream.scope.schema_url,
        lambda stream, value: stream.but(scope=stream.scope._replace(schema_url=_text(value))),
    ),
}
