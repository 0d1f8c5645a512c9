"""Processors that change when and since when numbers count: here that is how the engine is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from collector.model import Kind, Temporality
from collector.processors import cumulative_to_delta, delta_to_cumulative, groupbyattrs, interval
from tests.collector.configured import processor
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.fields.section import Section
    from collector.rule import Processor

ADDED_UP = "this engine adds up what each source counted since its start"
INCREMENTS = (
    "this engine adds up deltas, each interval once; "
    "metric_expiration and --max-streams are its limits"
)
LATEST = "a scrape reads the latest of each stream; exporters that push do so every "
TOGETHER = "points of one resource are together wherever they stand"
SATISFIED = [
    (cumulative_to_delta.read, "{initial_value: keep, max_staleness: 24h}", ADDED_UP),
    (cumulative_to_delta.read, "initial_value: KEEP", ADDED_UP),
    (delta_to_cumulative.read, "{}", INCREMENTS),
    (delta_to_cumulative.read, "max_stale: 1ms", INCREMENTS),
    (delta_to_cumulative.read, "{max_stale: 1h, max_streams: 9223372036854775807}", INCREMENTS),
    (interval.read, "{}", f"{LATEST}60 s"),
    (interval.read, "interval: 500ms", f"{LATEST}0.5 s"),
    (
        interval.read,
        "{interval: 15s, pass_through: {gauge: true, summary: true}}",
        f"{LATEST}15 s",
    ),
    (groupbyattrs.read, "{}", TOGETHER),
    (groupbyattrs.read, "keys: []", TOGETHER),
]


@pytest.mark.parametrize(("read", "text", "why"), SATISFIED)
def test_what_is_so_anyway_is_a_note(
    read: Callable[[Section], Processor], text: str, why: str
) -> None:
    """Who validates the file is told why there is nothing to do."""
    assert processor(read, text).note == f"satisfied by construction: {why}"


def test_exporters_that_push_learn_the_interval() -> None:
    """In seconds; it is all that is left of this processor."""
    assert processor(interval.read, "interval: 1500ms").interval_seconds == 1.5
    assert processor(interval.read, "{}").interval_seconds == 60


def test_rules_behind_see_the_temporality_that_the_collector_would_have() -> None:
    """Counters and histograms become deltas, and again cumulative; all else stays."""
    to_delta = processor(cumulative_to_delta.read, "initial_value: keep").rewrite
    to_cumulative = processor(delta_to_cumulative.read, "{}").rewrite
    assert to_delta is not None
    assert to_cumulative is not None
    for kind in Kind:
        before = stream(kind=kind)
        changes = kind in (Kind.COUNTER, Kind.HISTOGRAM, Kind.EXPONENTIAL)
        delta = replace(before, temporality=Temporality.DELTA) if changes else before
        assert to_delta(before) == delta
        assert to_cumulative(delta) == before


def test_attributes_move_to_the_resource() -> None:
    """Those that a point has, in place of those that the resource had."""
    rewrite = processor(groupbyattrs.read, "keys: [a, b, x]").rewrite
    assert rewrite is not None
    before = stream(attributes="a=1 b=2 c=3", resource="b=0 d=4")
    assert rewrite(before) == stream(attributes="c=3", resource="a=1 b=2 d=4")
    assert rewrite(stream(attributes="c=3")) == stream(attributes="c=3")
