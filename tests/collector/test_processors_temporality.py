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

SATISFIED = [
    (cumulative_to_delta.read, "{initial_value: keep, max_staleness: 24h}"),
    (delta_to_cumulative.read, "{}"),
    (delta_to_cumulative.read, "{max_stale: 1h, max_streams: 9223372036854775807}"),
    (interval.read, "{}"),
    (interval.read, "{interval: 15s, pass_through: {gauge: true, summary: true}}"),
    (groupbyattrs.read, "{}"),
    (groupbyattrs.read, "keys: []"),
]


@pytest.mark.parametrize(("read", "text"), SATISFIED)
def test_what_is_so_anyway_is_a_note(read: Callable[[Section], Processor], text: str) -> None:
    """Who validates the file is told why there is nothing to do."""
    assert processor(read, text).note.startswith("satisfied by construction")


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
