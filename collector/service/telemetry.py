"""`service.telemetry`: the collector's own logs and metrics.

In: its section. Out: `settings.SelfTelemetry`. It knows no component and opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.otelcol import CAN_RUN_IT
from collector.settings import Endpoint, SelfTelemetry

if TYPE_CHECKING:
    from collector.fields.section import Section

_PORT_MAX = 65535


def read(section: Section) -> SelfTelemetry:
    """Read the settings.

    https://opentelemetry.io/docs/collector/internal-telemetry/
    """
    section.elsewhere("resource", "traces")
    return SelfTelemetry(
        log_level=_log_level(section.section("logs")), metrics=_metrics(section.section("metrics"))
    )


def _log_level(section: Section) -> str:
    section.only("encoding", "console")
    section.elsewhere(
        "development",
        "disable_caller",
        "disable_stacktrace",
        "disable_zap_resource",
        "error_output_paths",
        "initial_fields",
        "output_paths",
        "processors",
        "sampling",
    )
    levels = ("debug", "info", "warn", "error")
    return section.choice(
        "level", levels, SelfTelemetry().log_level, ("dpanic", "panic", "fatal"), fold=True
    )


def _metrics(section: Section) -> Endpoint | None:
    section.elsewhere("views")
    levels = ("none", "basic", "normal", "detailed")
    level = section.choice("level", levels, "normal", fold=True)
    readers = section.sections("readers")
    if "readers" in section and not readers and level != "none":
        section.mistake("readers", "must hold a reader", "or write `level: none`")
    if len(readers) > 1:
        section.mistake("readers", f"this engine has one, not {len(readers)}", CAN_RUN_IT)
    endpoints = [_reader(reader) for reader in readers]
    if level == "none":
        return None
    return endpoints[0] if endpoints else SelfTelemetry().metrics


def _reader(section: Section) -> Endpoint:
    section.elsewhere("periodic", "producers")
    prometheus = section.section("pull").section("exporter").section("prometheus")
    prometheus.elsewhere("with_resource_constant_labels")
    for default in ("without_scope_info", "without_type_suffix", "without_units"):
        prometheus.only(default, value=True)
    if "periodic" not in section:
        prometheus.require("host", "port")
    host = prometheus.text("host").removeprefix("[").removesuffix("]")
    return Endpoint(host, prometheus.whole("port", most=_PORT_MAX))
