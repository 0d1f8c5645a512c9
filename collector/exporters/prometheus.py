"""The `prometheus` exporter: the exposition that Prometheus scrapes.

In: its section. Out: `settings.Prometheus`. Unknown keys are refused, which the OpenTelemetry
Collector leaves out for this exporter. It knows no metric and opens no socket.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collector import confighttp
from collector.settings import Endpoint, Prometheus

if TYPE_CHECKING:
    from collector.fields.section import Section

_LABEL = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_EXPIRATION_SECONDS = 300.0


def read(section: Section) -> Prometheus:
    """Read the exporter's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/prometheusexporter
    """
    section.require("endpoint")
    section.only("add_metric_suffixes", value=True)
    section.only("send_timestamps", value=False)
    section.only("translation_strategy", "UnderscoreEscapingWithSuffixes")
    section.elsewhere(
        "max_request_body_size",
        "resource_constant_labels",
        "resource_to_telemetry_conversion",
        "sending_queue",
    )
    return Prometheus(
        endpoint=confighttp.read(section, Endpoint("", 0)),
        namespace=section.text("namespace"),
        const_labels=_const_labels(section),
        metric_expiration_seconds=_expiration_seconds(section),
        enable_open_metrics=section.flag("enable_open_metrics"),
        without_scope_info=section.flag("without_scope_info"),
    )


def _const_labels(section: Section) -> tuple[tuple[str, str], ...]:
    labels = section.pairs("const_labels")
    for name in labels:
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            hint = "letters, digits and _, no digit first, not __ first"
            section.mistake("const_labels", f'"{name}" is no label name', hint)
    return tuple(sorted(labels.items()))


def _expiration_seconds(section: Section) -> float:
    expiration = section.seconds("metric_expiration", _EXPIRATION_SECONDS)
    if expiration <= 0:
        section.mistake("metric_expiration", "must be longer than 0, or nothing is ever exposed")
    return expiration
