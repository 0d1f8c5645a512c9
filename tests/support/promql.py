"""What a PromQL expression asks for, as far as ours are written, and what there is to ask for."""

from __future__ import annotations

import re
from pathlib import Path

from collector import plan
from demo.shop import DELAY, EXPOSED, TOKENS
from telemetry import catalog

ROOT = Path(__file__).parents[2]
PLAN = plan.load("otel-collector.yaml", (ROOT / "otel-collector.yaml").read_text(), {})
FORBIDDEN = ("tenant", "user_id", "customer", "email", "trace_id", "span_id")
"""No picture or rule may ask for them: they do not leave the collector."""
OF_PROMETHEUS = {"up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS"}

_WORDS = {"and", "or", "unless", "group_left"}
_RANGES = re.compile(r"\[[^]]*\]")
_BRACES = re.compile(r"\{[^}]*\}")
_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w:])([a-zA-Z_:][\w:]*)(?![\w:]|\s*\()")


def names_in(expression: str) -> set[str]:
    """The metrics that it asks for by name."""
    bare = _TEXT.sub("", _RANGES.sub("", _BRACES.sub("", expression)))
    bare = _GROUPING.sub("()", bare)
    # An aggregation whose labels come first: `sum by (a) (…)` has become `sum () (…)`.
    return set(_NAME.findall(bare)) - _WORDS


def labels_in(expression: str) -> set[str]:
    """The labels that it selects, groups or joins by."""
    selected = {
        label
        for braces in _BRACES.findall(expression)
        for label in re.findall(r"(\w+)\s*[=!]~?\s*\"", braces)
    }
    grouped = {label.strip() for part in _GROUPING.findall(expression) for label in part.split(",")}
    return (selected | grouped) - {""}


def known_names() -> set[str]:
    """Every series that workers, the collector, Prometheus itself and the demo can have."""
    operate = (ROOT / "docs" / "operate.md").read_text()  # which another test holds to the code
    names = {*re.findall(r"`((?:portless|otelcol)_\w+)`", operate), EXPOSED[TOKENS], *OF_PROMETHEUS}
    histograms = {EXPOSED[DELAY].removesuffix("_count")}
    for metric in catalog.METRICS:
        (histograms if metric.kind is catalog.Kind.HISTOGRAM else names).add(metric.exposed)
    return names | {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}
