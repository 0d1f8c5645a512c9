"""Sections of the configuration file become components, each read by the module of its type.

In: the file's sections. Out: frozen settings and rules by their id, and those that a list names.
Here stand all types that this engine has; another one is refused by name. What components are to
each other in a pipeline is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from collector.exporters import debug, file, otlp_http, prometheus
from collector.extensions import basicauth, bearertokenauth, file_storage, health_check
from collector.fields import component_id
from collector.fields.section import did_you_mean
from collector.otelcol import IF_KNOWN_CAN_RUN_IT
from collector.processors import (
    attributes,
    batch,
    cumulative_to_delta,
    delta_to_cumulative,
    filter,  # noqa: A004 - the Collector's name
    groupbyattrs,
    interval,
    memory_limiter,
    metrics_transform,
    redaction,
    resource,
    transform,
)
from collector.push_settings import FileStorage, Pushing
from collector.receivers import otlp
from collector.settings import HealthCheck, Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from collector.fields.component_id import ComponentId
    from collector.fields.section import Section
    from collector.rule import Processor
    from collector.settings import Authenticator

Exporter: TypeAlias = Prometheus | Pushing
Extension: TypeAlias = "HealthCheck | Authenticator | FileStorage"
T = TypeVar("T")


@dataclass(frozen=True)
class Configured(Generic[T]):  # not a NamedTuple, which cannot be generic before Python 3.11
    """The components of a kind."""

    known: dict[ComponentId, T]
    unknown: set[ComponentId]
    """Of types that this engine has not."""


RECEIVERS = {"otlp": otlp.read}
EXPORTERS: dict[str, Callable[[Section], Exporter]] = {
    "debug": debug.read,
    "file": file.read,
    "otlp_http": otlp_http.read,
    "otlphttp": otlp_http.read,  # its name of old
    "prometheus": prometheus.read,
}
EXTENSIONS: dict[str, Callable[[Section], Extension]] = {
    "basicauth": basicauth.read,
    "bearertokenauth": bearertokenauth.read,
    "file_storage": file_storage.read,
    "health_check": health_check.read,
}
PROCESSORS: dict[str, Callable[[Section], Processor]] = {
    "attributes": attributes.read,
    "batch": batch.read,
    "cumulative_to_delta": cumulative_to_delta.read,
    "cumulativetodelta": cumulative_to_delta.read,  # its name of old
    "delta_to_cumulative": delta_to_cumulative.read,
    "deltatocumulative": delta_to_cumulative.read,  # its name of old
    "filter": filter.read,
    "groupbyattrs": groupbyattrs.read,
    "interval": interval.read,
    "memory_limiter": memory_limiter.read,
    "metrics_transform": metrics_transform.read,
    "metricstransform": metrics_transform.read,  # its name of old
    "redaction": redaction.read,
    "resource": resource.read,
    "transform": transform.read,
}


def read_all(
    root: Section, kind: str, readers: Mapping[str, Callable[[Section], T]]
) -> Configured[T]:
    """Read every component of a kind; an unknown type is refused even if nothing uses it."""
    section = root.section(kind)
    configured: Configured[T] = Configured({}, set())
    for key in section.free_keys():
        id_ = id_of(section, key)
        if id_ is None:
            continue
        if id_ in configured.known or id_ in configured.unknown:
            section.mistake(key, f'"{id_}" is configured twice')
        elif id_.type in readers:
            configured.known[id_] = readers[id_.type](section.section(key))
        else:
            configured.unknown.add(id_)
            meant = did_you_mean(id_.type, readers)
            what = f'unknown type "{id_.type}"'
            hint = f"{meant}this engine has {', '.join(readers)}. {IF_KNOWN_CAN_RUN_IT}"
            section.mistake(key, what, hint)
    return configured


def id_of(section: Section, key: str) -> ComponentId | None:
    """Read a key as a component's id; None where it is none, which is then written down."""
    try:
        return component_id.parse(key)
    except component_id.Invalid as error:
        what = f'"{key}" is no id: {error}'
        section.mistake("", what, line=section.line_of(key))
        return None


def look_up(
    section: Section, key: str, configured: Configured[T], least: int = 0
) -> dict[ComponentId, T]:
    """Look up the components that a list names."""
    used: dict[ComponentId, T] = {}
    for line, text, shown in section.names(key, least):
        try:
            id_ = component_id.parse(text)
        except component_id.Invalid as error:
            section.mistake(key, f"{shown} is no id: {error}", line=line)
            continue
        if id_ in used:
            section.mistake(key, f"{shown} stands there twice", line=line)
        elif id_ in configured.known:
            used[id_] = configured.known[id_]
        elif id_ not in configured.unknown:
            known = [str(each) for each in (*configured.known, *configured.unknown)]
            hint = did_you_mean(str(id_), known)
            section.mistake(key, f"{shown} is not configured", hint.strip(), line)
    return used


def only_named(
    configured: Configured[T], lists: Iterable[Iterable[ComponentId]]
) -> dict[ComponentId, T]:
    """Keep the components that some list names."""
    names = {id_ for each in lists for id_ in each}
    return {id_: one for id_, one in configured.known.items() if id_ in names}
