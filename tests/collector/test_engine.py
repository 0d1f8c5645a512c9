"""The engine as a whole: what it refuses and counts, what it forgets and when."""

from __future__ import annotations

import math

import pytest

from collector.errors import Malformed, Reason, Refused
from collector.exposition.negotiate import OPEN_METRICS_FORMAT, PROTOBUF_FORMAT
from tests.collector.otlp import CUMULATIVE, DELTA, SECOND, START, Request, labels
from tests.collector.pipeline import CONFIG, engine, histograms, native_histograms, samples

A = {"task_name": "a"}
EXPIRATION = 300
"""Seconds, as the product's configuration says."""


def test_malformed_bytes_change_nothing() -> None:
    """A request is recorded whole or not at all, and what was there stays."""
    running = engine()
    running.accept(Request().counter("m", A, 5).bytes(), 0)
    whole = Request().counter("m", A, 9).counter("n", A, 1).bytes()
    for cut in range(1, len(whole)):
        if cut != len(Request().counter("m", A, 9).bytes()):
            with pytest.raises(Malformed):
                running.accept(whole[:cut], 0)
    assert samples(running.scrape_text())["m_total", "a"] == 5
    assert running.intake.requests["malformed"] > 0


def test_short_memory_refuses_retryably() -> None:
    """While memory is short nothing is taken; the same bytes count once it is over."""
    running = engine()
    body = Request().counter("m", A, 5).bytes()
    running.engine.pressed = True
    with pytest.raises(Refused) as refusal:
        running.accept(body, 0)
    assert refusal.value.retryable
    running.engine.pressed = False
    assert running.accept(body, 0).accepted == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (Request().counter("m", A, -1), Reason.NEGATIVE),
        (Request().counter("m", A, -0.5), Reason.NEGATIVE),
        (Request().counter("m", A, math.nan), Reason.NOT_FINITE),
        (Request().counter("m", A, math.inf), Reason.NOT_FINITE),
        (Request().counter("m", A, 1, temporality=0), Reason.UNSPECIFIED_TEMPORALITY),
        (Request().histogram("m", A, [1], [1, 2], math.nan), Reason.NOT_FINITE),
        (Request().histogram("m", A, [1], [2**63, 2]), Reason.COUNT_RANGE),
        (Request().histogram("m", A, [1], [1, 2, 3]), Reason.HISTOGRAM_BUCKETS),
        (Request().histogram("m", A, [2, 1], [1, 2, 3]), Reason.HISTOGRAM_BUCKETS),
        (Request().histogram("m", A, [math.nan], [1, 2]), Reason.HISTOGRAM_BUCKETS),
    ],
)
def test_a_point_that_cannot_be_true_is_refused_alone(body: Request, reason: Reason) -> None:
    """It is counted under its reason; its neighbour in the same request is taken."""
    running = engine()
    good = Request().counter("good", A, 1)
    outcome = running.accept(body.bytes() + good.bytes(), 0)  # the messages become one
    assert outcome.accepted == 1
    assert outcome.refused == {reason: 1}
    assert running.engine.refused == {reason: 1}
    assert samples(running.scrape_text())["good_total", "a"] == 1


def test_a_bad_number_does_not_spoil_a_known_stream() -> None:
    """A counter that once says NaN goes on from where it was."""
    running = engine()
    for value, seen in ((5.0, 5), (math.nan, 5), (7.0, 7)):
        running.accept(Request().counter("m", A, value).bytes(), 0)
        assert samples(running.scrape_text())["m_total", "a"] == seen


def test_the_stream_limit_refuses_new_streams_only() -> None:
    """Known streams go on; new ones are refused and counted until room is made."""
    running = engine(streams_max=2)
    full = Request().counter("m", A | {"t": "1"}, 1).counter("m", A | {"t": "2"}, 1)
    running.accept(full.bytes(), 0)
    more = Request().counter("m", A | {"t": "1"}, 5).counter("m", A | {"t": "3"}, 5)
    assert running.accept(more.bytes(), 1).refused == {Reason.STREAM_LIMIT: 1}
    assert samples(running.scrape_text())["m_total", "a"] == 6
    running.tick(EXPIRATION + 2)
    assert running.accept(more.bytes(), EXPIRATION + 2).refused == {}


def test_a_silent_series_vanishes_and_comes_back_whole() -> None:
    """After `metric_expiration` without a word the series goes; a cumulative source restores it."""
    running = engine()
    body = Request().counter("m", A, 5).bytes()
    running.accept(body, 0)
    running.tick(EXPIRATION - 1)
    assert samples(running.scrape_text())["m_total", "a"] == 5
    running.tick(EXPIRATION + 1)
    assert running.scrape_text() == ""
    running.accept(body, EXPIRATION + 2)
    assert samples(running.scrape_text())["m_total", "a"] == 5


def test_a_source_that_repeats_itself_stays() -> None:
    """Silence is no request, not no change."""
    running = engine()
    body = Request().counter("m", A, 5).bytes()
    for now in range(0, 3 * EXPIRATION, 60):
        running.accept(body, now)
        running.tick(now)
    assert samples(running.scrape_text())["m_total", "a"] == 5


def test_bad_readings_keep_a_stream_and_its_rows_alive() -> None:
    """Rows that a known shape points to are never given to another stream."""
    running = engine()
    running.accept(Request().counter("m", A, 5.0).bytes(), 0)
    for now in range(0, 3 * EXPIRATION, 60):
        running.accept(Request().counter("m", A, math.nan).bytes(), now)
        running.tick(now)
    running.accept(Request().counter("other", A, 1.0).bytes(), 3 * EXPIRATION)
    running.accept(Request().counter("m", A, 6.0).bytes(), 3 * EXPIRATION)
    found = samples(running.scrape_text())
    assert (found["m_total", "a"], found["other_total", "a"]) == (6, 1)


def test_many_short_lives_cost_one_row_each_only_for_a_while() -> None:
    """A recycled child is a new life; old ones are folded into one number and nothing is lost."""
    running = engine()
    for life in range(50):
        start = START + life * SECOND
        running.accept(Request().counter("m", A, 2, start=start).bytes(), 100.0 * life)
        running.accept(
            Request().histogram("h", A, [1.0], [1, 1], 2.0, start=start).bytes(), 100.0 * life
        )
        running.tick(100.0 * life)
        assert running.rows < 12
    found = samples(running.scrape_text())
    assert found["m_total", "a"] == found["h_count", "a"] == found["h_sum", "a"] == 100
    late = Request().counter("m", A, 2, start=START).bytes()
    assert running.accept(late, 5000).refused == {Reason.TOO_LATE: 1}


def test_rows_have_a_limit_of_their_own() -> None:
    """Lives without end cannot fill the memory faster than they are folded."""
    running = engine(streams_max=2)
    refused = 0
    for life in range(50):
        body = Request().counter("m", A, 1, start=START + life * SECOND).bytes()
        refused += running.accept(body, 0).refused.get(Reason.STREAM_LIMIT, 0)
    assert running.rows == 8
    assert refused == 42


def test_an_increment_older_than_memory_is_refused() -> None:
    """A delta that may have been counted already is not guessed at."""
    running = engine()

    def increment(at: int) -> Request:
        start = START + at * SECOND
        return Request().counter("m", A, 1, start=start, time=start + SECOND, temporality=DELTA)

    for at in range(1000):
        running.accept(increment(at).bytes(), 0)
    assert running.accept(increment(3).bytes(), 0).refused == {Reason.TOO_LATE: 1}
    assert running.accept(increment(990).bytes(), 0).refused == {}
    assert samples(running.scrape_text())["m_total", "a"] == 1000


def test_integers_are_exact_beyond_doubles() -> None:
    """Sums are made of integers; only their result is a double."""
    running = engine()
    values = {"1": 2**53 + 1, "2": 2**53 + 1, "3": 2}
    for tenant, value in values.items():
        running.accept(Request().counter("m", A | {"t": tenant}, value).bytes(), 0)
    assert samples(running.scrape_text())["m_total", "a"] == 2**54 + 4
    for tenant in "45":
        running.accept(Request().counter("m", A | {"t": tenant}, 2**63 - 1).bytes(), 0)
    expected = sum(values.values()) + 2 * (2**63 - 1)
    assert samples(running.scrape_text())["m_total", "a"] == float(expected)


def test_a_life_told_in_both_forms_counts_once() -> None:
    """An SDK that goes from integers to doubles within a life says the same number."""
    running = engine()
    running.accept(Request().counter("m", A, 5).bytes(), 0)
    running.accept(Request().counter("m", A, 5.5).bytes(), 0)
    assert samples(running.scrape_text())["m_total", "a"] == 5.5


def test_a_newer_gauge_wins_whatever_its_form() -> None:
    """Gauges are compared by their own time, integers and doubles alike."""
    running = engine()
    for value, time in ((5, 2), (7.5, 3), (1, 1)):
        running.accept(Request().gauge("g", A, value, time=START + time).bytes(), 0)
    assert samples(running.scrape_text())["g", "a"] == 7.5


def distribution(kind: str, start: int, time: int, buckets: tuple[int, int, int]) -> bytes:
    """A request with one distribution of values below, at and above zero."""
    request = Request()
    data = getattr(request.metric("m"), kind)
    if kind != "summary":
        data.aggregation_temporality = CUMULATIVE
    point = data.data_points.add(
        attributes=labels(A),
        start_time_unix_nano=start,
        time_unix_nano=time,
        count=sum(buckets),
        sum=float(sum(buckets)),
    )
    if kind == "summary":
        point.quantile_values.add(quantile=0.5, value=float(buckets[0]))
    elif kind == "histogram":
        point.explicit_bounds.extend([-1.0, 1.0])
        point.bucket_counts.extend(buckets)
    else:
        point.negative.bucket_counts.append(buckets[0])
        point.zero_count = buckets[1]
        point.positive.bucket_counts.append(buckets[2])
    return request.bytes()


@pytest.mark.parametrize("kind", ["histogram", "exponential_histogram", "summary"])
@pytest.mark.parametrize("tells_start", [True, False])
def test_distributions_outlive_restarts(kind: str, *, tells_start: bool) -> None:
    """With a start or without, a life that was folded stays in count, sum and buckets."""
    running = engine()
    now = 0.0
    for life, buckets in enumerate(((9, 5, 3), (1, 2, 3), (4, 0, 0))):
        start, time = START + 10 * life * SECOND, START + (10 * life + 1) * SECOND
        body = distribution(kind, start if tells_start else 0, time, buckets)
        now = 100.0 * life
        for _ in range(3):
            running.accept(body, now)
    running.tick(now + EXPIRATION - 1)
    assert running.rows == 1
    page = running.scrape_text()
    found = samples(page)
    assert found["m_count", "a"] == found["m_sum", "a"] == 27
    if kind == "histogram":
        assert histograms(page)["m", "a"] == ((14, 7, 6), 27)
    elif kind == "exponential_histogram":
        assert native_histograms(running.scrape(PROTOBUF_FORMAT))["m", "a"] == (14, 7, 6)
    else:
        assert 'quantile="0.5"} 4\n' in page


def test_exemplars_go_with_their_series() -> None:
    """They are shown in OpenMetrics while the series lives; another one begins without."""
    config = CONFIG.read_text()
    assert "enable_open_metrics: false" in config
    running = engine(config.replace("enable_open_metrics: false", "enable_open_metrics: true"))
    request = Request().counter("m", A, 5)
    point = request.message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    point.exemplars.add(as_int=1, trace_id=b"0123456789abcdef", time_unix_nano=START)
    running.accept(request.bytes(), 0)
    assert b'# {trace_id="30313233' in running.scrape(OPEN_METRICS_FORMAT)
    assert "# {" not in running.scrape_text()
    running.accept(Request().counter("m", A, 6).bytes(), 0)
    assert b"# {trace_id" in running.scrape(OPEN_METRICS_FORMAT)
    running.tick(EXPIRATION + 1)
    running.accept(Request().counter("n", A, 5).bytes(), EXPIRATION + 1)
    assert b"# {" not in running.scrape(OPEN_METRICS_FORMAT)
