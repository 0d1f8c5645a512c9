"""A configuration file becomes checked pipelines.

In: the file's text, the environment and the machine's memory, all as arguments. Out: a `Plan` of
frozen settings and one composed rule for each pipeline, or a ConfigError with every mistake. What
this engine cannot do is refused by name. It opens nothing and knows no number, time or thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from collector.components import (
    EXPORTERS,
    EXTENSIONS,
    PROCESSORS,
    RECEIVERS,
    Configured,
    Exporter,
    Extension,
    id_of,
    look_up,
    only_named,
    read_all,
)
from collector.fields.section import did_you_mean, open_file
from collector.otelcol import CAN_RUN_IT
from collector.processors import memory_limiter
from collector.push_settings import FileStorage, OtlpHttpExporter
from collector.rule import Processor, Rewrite, in_order
from collector.service import telemetry
from collector.settings import HealthCheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.fields.component_id import ComponentId
    from collector.fields.section import File, Section
    from collector.settings import Authenticator, MemoryLimiter, Otlp, SelfTelemetry

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
    receivers = read_all(root, "receivers", RECEIVERS)
    processors = read_all(root, "processors", PROCESSORS | {"memory_limiter": limiter})
    exporters = read_all(root, "exporters", EXPORTERS)
    extensions = read_all(root, "extensions", EXTENSIONS)
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
    rules = only_named(processors, [pipeline.processors for pipeline in pipelines])
    exporters_named = only_named(exporters, [pipeline.exporters for pipeline in pipelines])
    return Plan(
        receivers=only_named(receivers, [pipeline.receivers for pipeline in pipelines]),
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


def _metrics_pipelines(pipelines: Section) -> dict[ComponentId, Section]:
    """Find the metrics pipelines; at least one has to be there."""
    found: dict[ComponentId, Section] = {}
    for key in pipelines.free_keys():
        id_ = id_of(pipelines, key)
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
    sources = look_up(section, "receivers", receivers, least=1)
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
        exporters=tuple(look_up(section, "exporters", exporters, least=1)),
        interval_seconds=min(
            (p.interval_seconds for p in rules.values() if p.interval_seconds),
            default=PUSH_INTERVAL_SECONDS,
        ),
    )


def _rules(pipeline: Section, processors: Configured[Processor]) -> dict[ComponentId, Processor]:
    used = look_up(pipeline, "processors", processors)
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
    used: dict[ComponentId, Extension] = look_up(service, "extensions", extensions)
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
