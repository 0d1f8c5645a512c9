"""What becomes of the silent: hidden, remembered, forgotten; counters never go down."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import Reason
from collector.exposition.negotiate import PROTOBUF_FORMAT
from tests.collector.otlp import CUMULATIVE, DELTA, SECOND, START, Request, labels, number
from tests.collector.pipeline import Pipeline, engine, histograms, native_histograms, samples

A = {"task_name": "a"}
EXPIRATION = 300
"""Seconds, as the product's configuration says."""
KEEPER = "keeper"
"""The tenant that never falls silent."""


def said(tenant: str, value: float, *, start: int = START, time: int = START + SECOND) -> bytes:
    """A counter's reading, of a tenant."""
    return Request().counter("m", A | {"tenant_id": tenant}, value, start=start, time=time).bytes()


def total(running: Pipeline, name: str = "m_total") -> float | None:
    """What the series reads; None where it is not shown."""
    return samples(running.scrape_text()).get((name, "a"))


def own(running: Pipeline, name: str) -> float:
    """One of the engine's own numbers."""
    (found,) = [one.value for one in running.engine.self_metrics() if one.name == name]
    return found


def test_a_silent_source_keeps_its_share_and_comes_back_once() -> None:
    """Its share stays while it is silent; its next reading counts as if it had never been away."""
    running = engine()
    running.accept(said("t1", 10), 0)
    for now in range(0, 1000, 50):
        running.accept(said(KEEPER, 5), now)
        running.tick(now)
        assert total(running) == 15
    assert (own(running, "portless_streams"), own(running, "portless_remembered_streams")) == (1, 1)
    running.accept(said("t1", 12), 1000)
    assert total(running) == 17
    running.accept(said("t1", 3, start=START + SECOND), 1001)
    assert total(running) == 20


def test_a_silent_gauge_leaves_the_sum() -> None:
    """How things were with someone who is gone says nothing of how they are."""
    running = engine()
    for now, workers in ((0, ("w1", "w2")), (EXPIRATION + 1, ("w2",))):
        for worker in workers:
            for name in ("g", "u"):
                request = Request()
                metric = request.metric(name, {"service.name": "celery", "tenant_id": worker})
                data = metric.gauge if name == "g" else metric.sum
                data.SetInParent()
                if name == "u":
                    metric.sum.aggregation_temporality = CUMULATIVE
                number(metric, A, 4, time_unix_nano=START)
                running.accept(request.bytes(), now)
        running.tick(now)
    assert total(running, "g") == total(running, "u") == 4
    assert (own(running, "portless_remembered_streams"), running.rows) == (0, 2)


def test_a_series_that_returns_goes_on() -> None:
    """It vanishes when all its sources are silent; a new one finds what the others left."""
    running = engine()
    running.accept(said("t1", 10), 0)
    running.tick(EXPIRATION + 1)
    assert total(running) is None
    running.accept(said("t2", 1), EXPIRATION + 2)
    running.tick(EXPIRATION + 2)
    assert total(running) == 11
    running.accept(said("t1", 11), EXPIRATION + 3)
    assert total(running) == 12


def test_another_type_may_take_the_place_of_a_series_that_vanished() -> None:
    """What is remembered of a name does not keep it; while it is taken nothing comes back."""
    running = engine()
    running.accept(said("t1", 10), 0)
    running.tick(EXPIRATION + 1)
    assert running.accept(Request().gauge("m.total", A, 7).bytes(), 400).refused == {}
    assert total(running) == 7
    assert running.accept(said("t1", 11), 401).refused == {Reason.TYPE_CONFLICT: 1}
    running.tick(800)
    running.accept(said("t1", 12), 801)
    assert total(running) == 12


def churned(kind: str, tenant: str, at: int, count: int) -> bytes:
    """A reading of a source that counted 1 so many times, in one of the ways to tell it."""
    request = Request()
    attributes = labels(A | {"tenant_id": tenant})
    start, time = START + at * SECOND, START + (at + 1) * SECOND
    times = {"start_time_unix_nano": start, "time_unix_nano": time}
    delta = kind.startswith("delta ")
    metric = request.metric("m")
    if kind in {"ints", "floats", "delta ints", "delta floats"}:
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = DELTA if delta else CUMULATIVE
        value = count if kind.endswith("ints") else float(count)
        number(metric, A | {"tenant_id": tenant}, value, **times)
        return request.bytes()
    data: Any = getattr(metric, kind.removeprefix("delta "))
    if kind != "summary":
        data.aggregation_temporality = DELTA if delta else CUMULATIVE
    point = data.data_points.add(attributes=attributes, count=count, sum=count, **times)
    if kind.endswith("exponential_histogram"):
        point.positive.offset = -1
        point.positive.bucket_counts.append(count)
    elif kind.endswith("histogram"):
        point.explicit_bounds.append(2.0)
        point.bucket_counts.extend([count, 0])
    return request.bytes()


KINDS = [
    *("ints", "floats", "delta ints", "delta floats", "summary"),
    *("histogram", "delta histogram", "exponential_histogram", "delta exponential_histogram"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_forgotten_leaves_everything_to_the_series(kind: str) -> None:
    """With room to remember three, twenty come and go: rows are bounded and the total exact."""
    running = engine(streams_max=3)
    for at in range(20):
        now = at * (EXPIRATION + 10)
        assert not running.accept(
            churned(kind, KEEPER, at if "delta" in kind else 0, 1), now
        ).refused
        assert not running.accept(churned(kind, f"t{at}", at, 3), now).refused
        running.tick(now)
        assert running.rows < 8
    assert own(running, "portless_forgotten_streams") == 16
    expected = 3 * 20 + (20 if "delta" in kind else 1)
    page = running.scrape_text()
    if kind in {"ints", "floats", "delta ints", "delta floats"}:
        assert total(running) == expected
        return
    found = samples(page)
    assert found["m_count", "a"] == found["m_sum", "a"] == expected
    if kind.endswith("exponential_histogram"):
        found_native = native_histograms(running.scrape(PROTOBUF_FORMAT))
        assert found_native["m", "a"] == (0, 0, expected)
    elif kind.endswith("histogram"):
        assert histograms(page)["m", "a"] == ((expected, 0), expected)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "delta" not in kind])
def test_who_returns_after_it_was_forgotten_counts_from_then_on(kind: str) -> None:
    """It is in the series' share: its first reading says where it is, what follows is added."""
    running = engine(streams_max=1)
    for at, tenant in enumerate("abc"):
        running.accept(churned(kind, tenant, at, 5), at * 1000)
        running.tick(at * 1000)
        running.tick(at * 1000 + 500)
    name = "m_total" if kind in {"ints", "floats"} else "m_count"
    # a is forgotten, b is remembered, c speaks
    running.accept(churned(kind, "c", 2, 5), 3000)
    running.tick(3000)
    before = total(running, name)
    assert before is not None
    running.tick(3301)
    running.accept(churned(kind, "a", 0, 6), 3302)
    returned = total(running, name)
    running.accept(churned(kind, "a", 0, 8), 3303)
    running.accept(churned(kind, "a", 0, 7), 3304)
    assert (returned, total(running, name)) == (before, before + 2)
    if kind.endswith("exponential_histogram"):
        natives = native_histograms(running.scrape(PROTOBUF_FORMAT))
        assert natives["m", "a"] == (0, 0, before + 2)


def test_churned_instances_are_forgotten_with_their_series() -> None:
    """A series of its own for every instance: nothing of it grows, though nobody scrapes."""
    running = engine(streams_max=10)
    for at in range(200):
        request = Request().counter("m", A, 1, resource={"service.instance.id": f"i{at}"})
        assert not running.accept(request.bytes(), at * 100).refused
        running.tick(at * 100)
    roster = running.engine._roster
    assert running.rows <= 14
    assert roster.size <= 15
    assert roster.sources <= 15
    assert own(running, "portless_forgotten_series") == 200 - running.rows


def test_short_memory_forgets_who_is_silent_first() -> None:
    """What is remembered of them makes room, half of it at each look; no counter falls by it."""
    running = engine()
    for at in range(8):
        running.accept(said(f"t{at}", 1), 0)
    running.accept(said(KEEPER, 1), 0)
    running.tick(EXPIRATION - 1)
    running.accept(said(KEEPER, 1), EXPIRATION)
    running.engine.pressed = True
    for left in (4, 2, 1, 0):
        running.tick(EXPIRATION + 1)
        assert own(running, "portless_remembered_streams") == left
    assert running.rows == 2
    assert total(running) == 9


def test_abandoned_series_of_one_line_share_what_they_left() -> None:
    """Series that an exporter shows as one line do not add up while they come and go."""
    config = """
receivers: {otlp: {protocols: {http: {}}}}
exporters: {prometheus: {endpoint: "127.0.0.1:9464", metric_expiration: 300s}}
service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}}
"""
    running = engine(config, streams_max=4)

    def push(pod: str, value: float, start: int, now: float) -> None:
        resource = {"service.name": "celery", "pod": pod}
        body = Request().counter("m", A, value, start=START + start, resource=resource)
        assert not running.accept(body.bytes(), now).refused

    for at in range(40):
        push(KEEPER, 1, 0, at * 310)
        push(f"pod{at}", 2, at, at * 310)
        running.tick(at * 310)
    assert total(running) == 81
    assert running.rows <= 11
    assert own(running, "portless_series") <= 11
    push("pod0", 7, 0, 40 * 310)
    assert total(running) == 81
    push("pod0", 9, 0, 40 * 310)
    assert total(running) == 83


events = st.lists(
    st.tuples(
        st.sampled_from(["t1", "t2", "t3", "t4"]),
        st.floats(0, 1e6, allow_subnormal=False),
        st.sampled_from([0, 50, 310]),
        st.booleans(),
    ),
    max_size=25,
)


def replayed(running: Pipeline, history: Any, *, keeper: bool) -> tuple[list[float], Fraction]:
    """What was shown after each event, and what was counted in truth."""
    counts: dict[str, tuple[int, float]] = {}
    closed = Fraction(0)
    now = 0.0
    shown = []
    for at, (tenant, more, pause, restarts) in enumerate(history):
        now += pause
        running.tick(now)
        start, value = counts.get(tenant, (START, 0.0))
        if restarts:
            closed += Fraction(value)
            start, value = START + at + 1, 0.0
        counts[tenant] = start, value + more
        if keeper:
            running.accept(said(KEEPER, 0), now)
        running.accept(said(tenant, value + more, start=start), now)
        found = total(running)
        assert found is not None
        shown.append(found)
    return shown, closed + sum(Fraction(value) for _, value in counts.values())


@given(events)
@settings(max_examples=150)
def test_what_is_remembered_is_exact_and_never_falls(history: Any) -> None:
    """Whoever pauses, vanishes, restarts or returns: the exact sum of doubles, rounded once."""
    shown, truth = replayed(engine(), history, keeper=False)
    assert shown == sorted(shown)
    assert not shown or shown[-1] == float(truth)


@given(events)
@settings(max_examples=150)
def test_what_is_forgotten_never_lets_a_counter_fall_nor_count_twice(history: Any) -> None:
    """With room to remember two, a series never goes down and never tells too much."""
    shown, truth = replayed(engine(streams_max=2), history, keeper=True)
    assert shown == sorted(shown)
    assert not shown or Fraction(shown[-1]) <= Fraction(float(truth))
