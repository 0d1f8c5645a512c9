"""Streams that come together are taken in together, and nobody can tell."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.extent import VALUE_LENGTH_MAX
from collector.plan import load
from tests.collector.otlp import CUMULATIVE, SECOND, START, Request, number
from tests.collector.pipeline import CONFIG, Pipeline

if TYPE_CHECKING:
    from collector.plan import Plan

OPEN = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:4318"}}}}
exporters: {prometheus: {endpoint: "127.0.0.1:9464"}}
service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}}
"""
TOO_LONG = "v" * (VALUE_LENGTH_MAX + 1)

PLANS = [load("test.yaml", text, {}) for text in (OPEN, CONFIG.read_text())]

names = st.sampled_from(["m", "m.total"])
points = st.fixed_dictionaries(
    {},
    optional={
        "task_name": st.sampled_from(["a", "b", "c", TOO_LONG]),
        "task.name": st.sampled_from(["a", "b"]),  # the same label, spelled in another way
        "tenant_id": st.sampled_from(["acme", "bolt", "core"]),
    },
)


TOLD = ("streams", "series", "rows", "redacted_streams", "refused_points", "dropped_points")
"""What the collector says about itself that must not depend on how points come."""


def request(name: str, many: list[tuple[int, dict[str, str]]], life: int = 0) -> bytes:
    """A request with one counter; of its points the first is worth 1, the next 2, then 4."""
    made = Request()
    metric = made.metric(name)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = CUMULATIVE
    start = START + life * SECOND
    times = {"start_time_unix_nano": start, "time_unix_nano": start + SECOND}
    for at, attributes in many:
        number(metric, attributes, 1 << at, **times)
    return made.bytes()


def told(running: Pipeline) -> dict[tuple[str, ...], float]:
    """What the collector says about itself."""
    names = {*(f"portless_{name}" for name in TOLD), "portless_exporter_refused_series"}
    return {
        (sample.name, *dict(sample.labels).values()): sample.value
        for sample in running.river.self_metrics()
        if sample.name in names
    }


@given(
    st.sampled_from(PLANS),
    st.lists(st.tuples(names, st.lists(points, max_size=8)), max_size=4),
    st.sampled_from([1, 3, 7, 1000]),
)
@settings(max_examples=80)
def test_together_or_one_by_one(
    plan: Plan, requests: list[tuple[str, list[dict[str, str]]]], streams_max: int
) -> None:
    """Numbers, series, refusals and what rules took are the same, whatever comes with what."""
    seen: dict[str, list[dict[str, str]]] = defaultdict(list)
    together, alone = Pipeline(plan, streams_max), Pipeline(plan, streams_max)
    for name, many in requests:
        # What was refused is not asked for again when it comes alone, in the same bytes.
        different = [one for at, one in enumerate(many) if one not in many[:at] + seen[name]]
        seen[name] += different
        numbered = list(enumerate(different))
        together.accept(request(name, numbered), 0)
        for one in numbered:
            alone.accept(request(name, [one]), 0)
    assert told(together) == told(alone)
    assert together.scrape_text() == alone.scrape_text()


NUMBERED = [{"task_name": letter, "tenant_id": "acme"} for letter in "abcdefgh"]
lives = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.lists(st.sampled_from(NUMBERED), max_size=8, unique_by=lambda one: one["task_name"]),
        st.sampled_from([0.0, 1.0, 200.0]),
    ),
    max_size=8,
)


@given(st.sampled_from(PLANS), lives)
@settings(max_examples=80)
def test_lives_begin_together_or_one_by_one(
    plan: Plan, requests: list[tuple[int, list[dict[str, str]], float]]
) -> None:
    """Restarted sources count on, and lives that are closed by now are refused, either way."""
    together, alone = Pipeline(plan, 1000), Pipeline(plan, 1000)
    now = 0.0
    for life, many, seconds in requests:
        numbered = list(enumerate(many))
        together.accept(request("m", numbered, life), now)
        for one in numbered:
            alone.accept(request("m", [one], life), now)
        now += seconds
        for running in (together, alone):
            running.tick(now)
    assert told(together) == told(alone)
    assert together.scrape_text() == alone.scrape_text()
