"""Sums stay exact under redaction, whatever the network and the workers do to the requests.

Hypothesis invents what workers counted and how it was delivered: split over metrics, resources and
requests, duplicated, reordered, restarted, attributes permuted. The oracle adds up Fractions.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.exposition.negotiate import PROTOBUF_FORMAT
from tests.collector.otlp import CUMULATIVE, DELTA, SECOND, START, Request, labels, number
from tests.collector.pipeline import engine, histograms, native_histograms, samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

BOUNDS = (0.5, 2.0)
TASKS = ("a", "b")
TENANTS = ("t1", "t2", "t3")


SCALARS = ("counter", "gauge", "updown", "delta")
VECTORS = ("histogram", "dhist", "exp", "dexp", "summary")
LIVING = ("counter", "histogram", "exp", "summary")
"""Kinds whose sources start anew."""
OWN = ("delta", "dhist", "dexp")
"""Kinds whose readings are increments."""


class Said(NamedTuple):
    """One reading of one stream."""

    kind: str
    task: str
    tenant: str
    life: int
    """Start time, in seconds after START; -1 for a start that is not told."""
    time: int
    value: Fraction | tuple[int, int, int]


def eighths(low: int = 0) -> st.SearchStrategy[Fraction]:
    """Numbers that doubles add without rounding, so that the oracle needs no tolerance."""
    return st.integers(low * 8, 8 * 2**20).map(lambda n: Fraction(n, 8))


@st.composite
def histories(draw: st.DrawFn) -> list[Said]:
    """What all streams said, each life's counters growing."""
    said = []
    streams = st.tuples(st.sampled_from(TASKS), st.sampled_from(TENANTS))
    for task, tenant in draw(st.lists(streams, min_size=1, max_size=5, unique=True)):
        kind = draw(st.sampled_from([*SCALARS, *VECTORS]))
        lives = draw(st.integers(1, 3)) if kind in LIVING else 1
        for life in range(lives):
            total: Fraction = Fraction(0)
            vector = (0, 0, 0)
            for step in range(draw(st.integers(1, 4))):
                time = life * 10 + step + 1
                if kind in VECTORS:
                    more = draw(st.tuples(*[st.integers(0, 9)] * 3))
                    grown = tuple(a + b for a, b in zip(vector, more))
                    vector = (grown[0], grown[1], grown[2])
                    value: Fraction | tuple[int, int, int] = more if kind in OWN else vector
                elif kind == "counter":
                    total += draw(eighths())
                    value = total
                else:
                    value = draw(eighths(0 if kind == "delta" else -9))
                said.append(Said(kind, task, tenant, life * 10, time, value))
    return said


def expected(said: Iterable[Said]) -> dict[tuple[str, str], Fraction | tuple[int, ...]]:
    """The truth, from the definition: per source, per life, the last; then the sum."""
    latest: dict[tuple[str, str, str, int], tuple[int, Fraction | tuple[int, ...]]] = {}
    for one in said:
        life = one.time if one.kind in OWN else one.life if one.kind in LIVING else 0
        key = (one.kind, one.task, one.tenant, life)
        if key not in latest or latest[key][0] <= one.time:
            latest[key] = one.time, one.value
    sums: dict[tuple[str, str], Fraction | tuple[int, ...]] = {}
    for (kind, task, _, _), (_, value) in latest.items():
        before = sums.get((kind, task))
        if isinstance(value, tuple):
            old = before if isinstance(before, tuple) else (0,) * len(value)
            sums[kind, task] = tuple(a + b for a, b in zip(old, value))
        else:
            sums[kind, task] = value + (before if isinstance(before, Fraction) else 0)
    return sums


@st.composite
def deliveries(draw: st.DrawFn, said: list[Said]) -> list[bytes]:
    """The readings as requests: shuffled, some twice, split and arranged at will."""
    again = draw(st.lists(st.sampled_from(said), max_size=4))
    order = draw(st.permutations(said + again))
    requests = []
    while order:
        size = draw(st.integers(1, len(order)))
        requests.append(request(draw, order[:size]))
        order = order[size:]
    return requests


def request(draw: st.DrawFn, said: list[Said]) -> bytes:
    """One request; its points share metrics and resources, or do not."""
    made = Request()
    shared: dict[tuple[str, str], Any] = {}
    for one in said:
        tenant_in_resource = one.tenant == "t3"
        resource = {"service.name": "celery"} | ({"tenant_id": "t3"} if tenant_in_resource else {})
        place = (one.kind, str(resource))
        if place not in shared or draw(st.booleans()):
            shared[place] = made.metric(f"m.{one.kind}", resource)
        add(draw, shared[place], one, tenant_in_resource=tenant_in_resource)
    return made.bytes()


def distribution(
    draw: st.DrawFn, metric: Any, one: Said, attributes: list[KeyValue], times: dict[str, int]
) -> None:
    """Write a distribution of three buckets, or of three values that lie in them."""
    assert isinstance(one.value, tuple)
    total = {"count": sum(one.value), "sum": float(sum(one.value))}
    if one.kind == "summary":
        point = metric.summary.data_points.add(attributes=attributes, **total, **times)
        for at, value in enumerate(one.value):
            point.quantile_values.add(quantile=at / 4, value=value)
        return
    name = "exponential_histogram" if "exp" in one.kind else "histogram"
    data = getattr(metric, name)
    data.aggregation_temporality = DELTA if one.kind in OWN else CUMULATIVE
    point = data.data_points.add(attributes=attributes, **total, **times)
    if name == "histogram":
        point.bucket_counts.extend(one.value)
        point.explicit_bounds.extend(BOUNDS)
        return
    # of all scales the same: below -1, around 0, above 1, each at the middle of 2**0
    point.scale = draw(st.integers(0, 3))
    point.negative.offset = point.positive.offset = (1 << point.scale) // 2
    point.negative.bucket_counts.append(one.value[0])
    point.zero_count = one.value[1]
    point.positive.bucket_counts.extend([one.value[2], *[0] * draw(st.integers(0, 2))])


def add(draw: st.DrawFn, metric: Any, one: Said, *, tenant_in_resource: bool) -> None:
    """Write one reading into a metric."""
    keys = {"task_name": one.task} | ({} if tenant_in_resource else {"tenant_id": one.tenant})
    attributes = dict(draw(st.permutations(sorted(keys.items()))))
    start = START + (one.time - 1 if one.kind in OWN else one.life) * SECOND
    times = {"start_time_unix_nano": start, "time_unix_nano": START + one.time * SECOND}
    if isinstance(one.value, tuple):
        distribution(draw, metric, one, labels(attributes), times)
        return
    if one.kind == "gauge":
        metric.gauge.SetInParent()
    else:
        metric.sum.is_monotonic = one.kind != "updown"
        metric.sum.aggregation_temporality = DELTA if one.kind == "delta" else CUMULATIVE
    whole = one.value.denominator == 1 and draw(st.booleans())
    number(metric, attributes, int(one.value) if whole else float(one.value), **times)


@given(st.data())
@settings(max_examples=400)
def test_every_arrangement_gives_the_exact_sum(data: st.DataObject) -> None:
    """After all deliveries each series reads the sum over tenants and lives, and no tenant."""
    said = data.draw(histories())
    running = engine()
    for body in data.draw(deliveries(said)):
        running.accept(body, 0.0)
    page = running.scrape_text()
    assert "tenant" not in page
    found = samples(page)
    vectors = histograms(page)
    natives = native_histograms(running.scrape(PROTOBUF_FORMAT))
    for (kind, task), value in expected(said).items():
        if isinstance(value, tuple):
            assert found[f"m_{kind}_count", task] == found[f"m_{kind}_sum", task] == sum(value)
            if "exp" in kind:
                assert natives[f"m_{kind}", task] == value, (kind, task)
            if "hist" in kind:
                assert vectors[f"m_{kind}", task] == (value, sum(value)), (kind, task)
        else:
            name = f"m_{kind}_total" if kind in {"counter", "delta"} else f"m_{kind}"
            assert Fraction(found[name, task]) == value, (kind, task)


@given(st.data())
@settings(max_examples=150)
def test_a_counter_never_goes_down(data: st.DataObject) -> None:
    """Between any two deliveries, in any order, with restarts and retries, nothing falls."""
    said = [s for s in data.draw(histories()) if s.kind not in {"gauge", "updown"}]
    running = engine()
    before: dict[tuple[str, str], float] = defaultdict(float)
    for body in data.draw(deliveries(said)) if said else []:
        running.accept(body, 0.0)
        for key, value in samples(running.scrape_text()).items():
            if not key[0].endswith("_sum"):
                assert value >= before[key]
                before[key] = value


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12))
@settings(max_examples=100)
def test_without_a_start_time_a_decrease_is_a_restart(values: list[int]) -> None:
    """Readings in order whose life is unknown: each fall begins a new life, all are summed."""
    running = engine()
    total = Fraction(0)
    last = 0
    for step, value in enumerate(values):
        total += value - last if value >= last else value
        last = value
        body = Request().counter("m.c", {"task_name": "a"}, value, start=0, time=START + step)
        running.accept(body.bytes(), 0.0)
        running.accept(body.bytes(), 0.0)
    assert samples(running.scrape_text())["m_c_total", "a"] == total
