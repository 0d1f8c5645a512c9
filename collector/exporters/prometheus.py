"""The `prometheus` exporter: the exposition that Prometheus scrapes.

In: its section. Out: `settings.Prometheus`. Unknown keys are refused, which the OpenTelemetry
Collector leaves out for this exporter. It knows no metric and opens no socket.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collector import access, confighttp
from collector.settings import Endpoint, Prometheus, ResourceLabels

if TYPE_CHECKING:
    from collector.fields.section import Section

_LABEL = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_EXPIRATION_SECONDS = 300.0
_FULL, _BARE = "UnderscoreEscapingWithSuffixes", "UnderscoreEscapingWithoutSuffixes"
_UTF8_FULL, _UTF8_BARE = "NoUTF8EscapingWithSuffixes", "NoTranslation"
_STRATEGIES = (_FULL, _BARE, _UTF8_FULL, _UTF8_BARE)
_RESOURCE, _DEPRECATED = "resource_constant_labels", "resource_to_telemetry_conversion"
_OLD_KEYS = ("enabled", "exclude_service_attributes")
_SERVICE = ("service.name", "service.instance.id", "service.namespace")


def read(section: Section) -> Prometheus:
    """Read the exporter's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/prometheusexporter
    """
    section.require("endpoint")
    if not section.flag("add_metric_suffixes", default=True):
        what = "the OpenTelemetry Collector passes over it and adds suffixes all the same"
        section.mistake("add_metric_suffixes", what, f"write `translation_strategy: {_BARE}`")
    strategy = section.choice("translation_strategy", _STRATEGIES, _FULL)
    section.elsewhere("max_request_body_size", "sending_queue")
    return Prometheus(
        endpoint=confighttp.read(section, Endpoint("", 0)),
        access=access.read(section),
        timeouts=confighttp.timeouts(section),
        namespace=section.text("namespace"),
        const_labels=_const_labels(section),
        metric_expiration_seconds=_expiration_seconds(section),
        enable_open_metrics=section.flag("enable_open_metrics"),
        without_scope_info=section.flag("without_scope_info"),
        resource_labels=_resource_labels(section),
        with_suffixes=strategy in (_FULL, _UTF8_FULL),
        utf8_names=strategy in (_UTF8_FULL, _UTF8_BARE),
        send_timestamps=section.flag("send_timestamps"),
    )


def _resource_labels(section: Section) -> ResourceLabels:
    """Read which resource attributes become labels, under the new key or the deprecated one."""
    new, old = (section.section(key) for key in (_RESOURCE, _DEPRECATED))
    for key in _OLD_KEYS:
        if new.flag(key):
            new.mistake(key, f"is a key of {_DEPRECATED}", "write `included` and `excluded`")
    deprecated = ResourceLabels(old.words("included"), old.words("excluded"))
    enabled, without_service = (old.flag(key) for key in _OLD_KEYS)
    if (enabled or without_service) and any(deprecated):
        old.mistake("", "included and excluded take the place of enabled")
    if enabled:
        deprecated = ResourceLabels(("*",), _SERVICE if without_service else ())
    labels = ResourceLabels(new.words("included"), new.words("excluded"))
    if any(deprecated) or without_service:
        section.warn(_DEPRECATED, f"deprecated, write {_RESOURCE}")
        if any(labels):
            section.mistake(_DEPRECATED, f"cannot be configured beside {_RESOURCE}")
    return labels if any(labels) else deprecated


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
