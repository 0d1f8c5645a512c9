"""An Accept header -> the format of the answer, as Prometheus's own libraries choose it.

The protobuf formats in text that the real exporter has besides are passed over, so a client that
asks for them gets its next choice. No header is an error: what makes no sense counts as not said.
"""

from __future__ import annotations

from typing import NamedTuple

from collector.exposition.dialects import OPEN_METRICS, TEXT, Dialect
from collector.exposition.utf8 import ESCAPINGS

TEXT_TYPE, TEXT_VERSION = "text/plain", "0.0.4"
OPEN_METRICS_TYPE, OPEN_METRICS_VERSIONS = "application/openmetrics-text", ("1.0.0", "0.0.1")


class Format(NamedTuple):
    """What a scrape is answered with."""

    dialect: Dialect | None
    """None for protobuf."""
    content_type: str
    escaping: str = ESCAPINGS[0]
    """How names outside the old alphabet are written."""


def _format(dialect: Dialect, type_: str, version: str, escaping: str = ESCAPINGS[0]) -> Format:
    content_type = f"{type_}; version={version}; charset=utf-8; escaping={escaping}"
    return Format(dialect, content_type, escaping)


TEXT_FORMAT = _format(TEXT, TEXT_TYPE, TEXT_VERSION)
OPEN_METRICS_FORMAT = _format(OPEN_METRICS, OPEN_METRICS_TYPE, OPEN_METRICS_VERSIONS[0])


PROTOBUF = {"proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"}
PROTOBUF_TYPE = "application/vnd.google.protobuf"


def _protobuf(escaping: str) -> Format:
    parameters = "".join(f"; {key}={value}" for key, value in PROTOBUF.items())
    return Format(None, f"{PROTOBUF_TYPE}{parameters}; escaping={escaping}", escaping)


PROTOBUF_FORMAT = _protobuf(ESCAPINGS[0])


class Choice(NamedTuple):
    """One item of an Accept header."""

    value: str
    """In lower case."""
    weight: float
    """Above 0, up to 1."""
    parameters: dict[str, str]


def choices(header: str) -> list[Choice]:
    """Read a header like `a/b;x=1;q=0.5, c`: acceptable values, the most wanted first.

    Wildcards come behind what is named with the same weight
    (https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2).
    """
    found = [choice for item in header.split(",") if (choice := _choice(item)).weight > 0]
    return sorted(found, key=lambda choice: (-choice.weight, choice.value.count("*")))


def _choice(item: str) -> Choice:
    value, *rest = (piece.strip() for piece in item.split(";"))
    pairs = (piece.partition("=") for piece in rest)
    parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in pairs}
    try:
        weight = float(parameters.pop("q", "1"))
    except ValueError:
        weight = 0.0
    return Choice(value.lower(), weight if 0 < weight <= 1 else 0.0, parameters)


def negotiate(accept: str, *, open_metrics: bool) -> Format:
    """Choose the format for a scrape; text 0.0.4 where nothing else is asked for and allowed."""
    escaping = ESCAPINGS[0]
    for choice in choices(accept):
        asked = choice.parameters.get("escaping", "")
        escaping = asked if asked in ESCAPINGS else escaping
        version = choice.parameters.get("version", "")
        if open_metrics and (chosen := _open_metrics_version(choice.value, version)):
            return _format(OPEN_METRICS, OPEN_METRICS_TYPE, chosen, escaping)
        if choice.value == PROTOBUF_TYPE and PROTOBUF.items() <= choice.parameters.items():
            return _protobuf(escaping)
        if choice.value == TEXT_TYPE and version in {"", TEXT_VERSION}:
            break
    return _format(TEXT, TEXT_TYPE, TEXT_VERSION, escaping)


def _open_metrics_version(value: str, version: str) -> str:
    """Return the version to answer with, empty if this is not a wish for OpenMetrics."""
    if value == OPEN_METRICS_TYPE:
        # Without a version the first one is meant, as in Prometheus's libraries.
        version = version or OPEN_METRICS_VERSIONS[-1]
    elif value not in {"application/*", "*/*"}:
        return ""
    return version if version in OPEN_METRICS_VERSIONS else ""
