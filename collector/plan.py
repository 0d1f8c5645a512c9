"""A configuration file becomes checked pipelines.

In: the file's text, the environment and the machine's memory, all as arguments. Out: a `Plan` of
frozen settings and one composed rule for each pipeline, or a ConfigError with every mistake. What
this engine cannot do is refused by name. It opens nothing and knows no number, time or thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from collector.exporters import debug, file, otlp_http, prometheus
from collector.extensions import basicauth, bearertokenauth, file_storage, health_check
from collector.fields import component_id
from collector.fields.section import did_you_mean, open_file
from collector.otelcol import CAN_RUN_IT, IF_KNOWN_CAN_RUN_IT
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
from collector.push_settings import FileStorage, OtlpHttpExporter, Pushing
from collector.receivers import otlp
from collector.rule import Processor, Rewrite, in_order
from collector.service import telemetry
from collector.settings import HealthCheck, Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from collector.fields.component_id import ComponentId
    from collector.fields.section import File, Section
    from collector.settings import Authenticator, MemoryLimiter, Otlp, SelfTelemetry

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
PUSH_INTERVAL_SECONDS = 10.0
"""Where no `interval` processor says how often exporters push."""
PUSHES = (
    "pushes what each series adds up to, cumulative, at an interval (processors::interval, or 10s) "
    "and not with every request as the OpenTelemetry Collector does; exemplars stay here"
)
SIGNALS = ("traces", "logs", "profiles")
"""What the Collector has pipelines for, besides metrics."""


@dataclass(frozen=True)
class Pipeline:
    """One of `service.pipelines`."""

    name: str
    """Its id: `metrics` or `metrics/…`."""
    receivers: tuple[ComponentId, ...]
    processors: tuple[ComponentId, ...]
    memory_limiter: MemoryLimiter | None
    rewrite: Rewrite
    """All rules, in the order of the pipeline; may raise errors.RuleConflict and RuleFailed."""
    is_blind: bool
    """Whether no rule looks at a value of a point's attribute; see rule.Processor."""
    rules: tuple[tuple[ComponentId, Rewrite], ...]
    """The same one by one."""
    exporters: tuple[ComponentId, ...]
    interval_seconds: float
    """How often those of them push that do."""


@dataclass(frozen=True)
class Plan:
    """What a configuration file asks for."""

    receivers: Mapping[ComponentId, Otlp]
    """Those that a pipeline names, as the file orders them; so are the exporters."""
    pipelines: tuple[Pipeline, ...]
    """At least one, as the file orders them."""
    exporters: Mapping[ComponentId, Exporter]
    storages: Mapping[str, FileStorage]
    """By the id of the extension."""
    health_check: HealthCheck | None
    authenticators: Mapping[str, Authenticator]
    """Extensions that servers ask, by id; every id that a server's access names is there."""
    self_telemetry: SelfTelemetry
    warnings: tuple[str, ...]
    """What is allowed but hardly meant, for the log: file, line, path, reason."""
    notes: tuple[str, ...]
    """What a person who validates the file should know."""


def load(
    source_name: str, text: str, environ: Mapping[str, str], total_memory_bytes: int | None = None
) -> Plan:
    """Read a configuration file; `total_memory_bytes` is what percentages of memory refer to.

    Raises ConfigError with every mistake, also those of components that no pipeline uses.
    """
    file = open_file(source_name, text, environ)
    root = file.root
    root.elsewhere("connectors")
    limiter = partial(memory_limiter.read, total_memory_bytes=total_memory_bytes)
    receivers = _configured(root, "receivers", RECEIVERS)
    processors = _configured(root, "processors", PROCESSORS | {"memory_limiter": limiter})
    exporters = _configured(root, "exporters", EXPORTERS)
    extensions = _configured(root, "extensions", EXTENSIONS)
    service = root.section("service")
    self_telemetry = telemetry.read(service.section("telemetry"))
    running = _running(root.section("extensions"), service, extensions)
    authenticators = _authenticators(file, running)
    storages = {str(id_): one for id_, one in running.items() if isinstance(one, FileStorage)}
    _check_storages(service, exporters, storages)
    pipelines = [
        _pipeline(id_, section, receivers, processors, exporters)
        for id_, section in _metrics_pipelines(service.section("pipelines")).items()
    ]
    _warn_of_rivals(service.section("pipelines"), pipelines)
    file.close()
    rules = _named(processors, [pipeline.processors for pipeline in pipelines])
    exporters_named = _named(exporters, [pipeline.exporters for pipeline in pipelines])
    return Plan(
        receivers=_named(receivers, [pipeline.receivers for pipeline in pipelines]),
        pipelines=tuple(pipelines),
        exporters=exporters_named,
        storages=storages,
        health_check=next((one for one in running.values() if isinstance(one, HealthCheck)), None),
        authenticators=authenticators,
        self_telemetry=self_telemetry,
        warnings=tuple(file.warnings),
        notes=(
            *(f"processors::{id_}: {rule.note}" for id_, rule in rules.items() if rule.note),
            *(f"exporters::{id_}: {PUSHES}" for id_ in exporters_named if id_.type != "prometheus"),
        ),
    )


def _configured(
    root: Section, kind: str, readers: Mapping[str, Callable[[Section], T]]
) -> Configured[T]:
    """Read every component of a kind; an unknown type is refused even if nothing uses it."""
    section = root.section(kind)
    configured: Configured[T] = Configured({}, set())
    for key in section.free_keys():
        id_ = _id(section, key)
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


def _id(section: Section, key: str) -> ComponentId | None:
    try:
        return component_id.parse(key)
    except component_id.Invalid as error:
        what = f'"{key}" is no id: {error}'
        section.mistake("", what, line=section.line_of(key))
        return None


def _metrics_pipelines(pipelines: Section) -> dict[ComponentId, Section]:
    """Find the metrics pipelines; at least one has to be there."""
    found: dict[ComponentId, Section] = {}
    for key in pipelines.free_keys():
        id_ = _id(pipelines, key)
        if id_ is None:
            continue
        if id_ in found:
            pipelines.mistake(key, f'"{id_}" is configured twice')
        elif id_.type == "metrics":
            found[id_] = pipelines.section(key)
            found[id_].require("receivers", "exporters")
        elif id_.type in SIGNALS:
            pipelines.elsewhere(key, why=", which carries metrics only")
        else:
            pipelines.mistake(key, f'unknown signal "{id_.type}"', "this engine has metrics")
    if not found:
        pipelines.mistake("", "a metrics pipeline is missing", "add `metrics:` with its components")
    return found


def _pipeline(
    id_: ComponentId,
    section: Section,
    receivers: Configured[Otlp],
    processors: Configured[Processor],
    exporters: Configured[Exporter],
) -> Pipeline:
    sources = _used(section, "receivers", receivers, least=1)
    rules = _rules(section, processors)
    rewrites = [(id_, rule.rewrite) for id_, rule in rules.items() if rule.rewrite]
    return Pipeline(
        name=str(id_),
        receivers=tuple(sources),
        processors=tuple(rules),
        memory_limiter=next((p.memory_limiter for p in rules.values() if p.memory_limiter), None),
        rewrite=in_order([rewrite for _, rewrite in rewrites]),
        is_blind=all(rule.is_blind for rule in rules.values() if rule.rewrite),
        rules=tuple(rewrites),
        exporters=tuple(_used(section, "exporters", exporters, least=1)),
        interval_seconds=min(
            (p.interval_seconds for p in rules.values() if p.interval_seconds),
            default=PUSH_INTERVAL_SECONDS,
        ),
    )


def _used(
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


def _named(
    configured: Configured[T], lists: Iterable[Iterable[ComponentId]]
) -> dict[ComponentId, T]:
    """Keep the components that some list names."""
    names = {id_ for each in lists for id_ in each}
    return {id_: one for id_, one in configured.known.items() if id_ in names}


def _rules(pipeline: Section, processors: Configured[Processor]) -> dict[ComponentId, Processor]:
    used = _used(pipeline, "processors", processors)
    limiters = [at for at, processor in enumerate(used.values()) if processor.memory_limiter]
    if len(limiters) > 1:
        pipeline.mistake("processors", "this engine has one memory_limiter", CAN_RUN_IT)
    if limiters and limiters[0] > 0:
        pipeline.warn("processors", "memory_limiter belongs first, where refusing is cheap")
    return used


def _warn_of_rivals(section: Section, pipelines: Sequence[Pipeline]) -> None:
    """Warn of pipelines that tell one exporter of the same streams."""
    for at, one in enumerate(pipelines):
        for other in pipelines[:at]:
            receivers, exporters = (
                set(mine) & set(theirs)
                for mine, theirs in (
                    (one.receivers, other.receivers),
                    (one.exporters, other.exporters),
                )
            )
            if receivers and exporters:
                what = (
                    f"{other.name} has a receiver and an exporter in common with it: "
                    "of a series that both keep, the second is refused as duplicate_series"
                )
                section.warn(one.name, what)


def _running(
    configured: Section, service: Section, extensions: Configured[Extension]
) -> dict[ComponentId, Extension]:
    used: dict[ComponentId, Extension] = _used(service, "extensions", extensions)
    if sum(isinstance(one, HealthCheck) for one in used.values()) > 1:
        service.mistake("extensions", "this engine has one health_check", CAN_RUN_IT)
    for id_ in extensions.known:
        if id_ not in used:
            configured.warn(str(id_), "configured, but service::extensions does not name it")
    return used


def _authenticators(
    file: File, running: Mapping[ComponentId, Extension]
) -> dict[str, Authenticator]:
    """Find the extensions that servers ask who is there; each that one names has to run."""
    found = {
        str(id_): one
        for id_, one in running.items()
        if not isinstance(one, (HealthCheck, FileStorage))
    }
    for section, key, id_ in file.references:
        if id_ not in found:
            what = f'service::extensions names no authenticator "{id_}"'
            section.mistake(key, what, did_you_mean(id_, found).strip(), quotes=True)
    return found


def _check_storages(
    service: Section, exporters: Configured[Exporter], storages: Mapping[str, FileStorage]
) -> None:
    """Refuse an exporter whose queue has no storage that runs."""
    for id_, exporter in exporters.known.items():
        storage = exporter.queue.storage if isinstance(exporter, OtlpHttpExporter) else ""
        if storage and storage not in storages:
            what = f'"{storage}", the storage of {id_}, is no file_storage that runs'
            hint = f"name it here: [{', '.join([*storages, storage])}]"
            service.mistake("extensions", what, hint)
