"""A page of delimited protobuf reads back, by messages that are declared elsewhere."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.exposition.negotiate import PROTOBUF_FORMAT
from collector.exposition.page import Page
from collector.model import Series, Target, Type
from collector.reading import Exemplar, Exponential, HistogramReading, Readings, SummaryReading
from collector.settings import Endpoint, Prometheus
from tests.support.prometheus_pb import families

JOB = (("job", 'ü "\n'),)


def only(series: Series, readings: Readings) -> Any:
    """The one family of a page with one series."""
    page = Page(Prometheus(Endpoint("127.0.0.1", 0)))
    page.add(0, series)
    (found,) = families(page.render(readings, PROTOBUF_FORMAT))
    return found


def native(told: Exponential) -> Any:
    """What is written of an exponential histogram."""
    reading = HistogramReading((), [], 9, -0.5, lambda: told)
    family = only(Series("h", Type.HISTOGRAM, JOB), Readings([0.0], {0: reading}))
    return family.metric[0].histogram


def test_numbers_have_names_types_help_and_labels() -> None:
    """A counter keeps its `_total`; nothing is escaped."""
    series = Series("x_total", Type.COUNTER, JOB, help='a "b"\n')
    exemplars = {0: [Exemplar(1.0, 1, "a1", ""), Exemplar(2.0, 3 * 10**9 + 5, "a2", "b2")]}
    family = only(series, Readings([1.5], {}, exemplars=exemplars))
    assert (family.name, family.type, family.help) == ("x_total", 0, 'a "b"\n')
    (metric,) = family.metric
    assert [(pair.name, pair.value) for pair in metric.label] == list(JOB)
    assert metric.counter.value == 1.5
    exemplar = metric.counter.exemplar
    assert (exemplar.value, exemplar.timestamp.seconds, exemplar.timestamp.nanos) == (2.0, 3, 5)
    assert [pair.value for pair in exemplar.label] == ["a2", "b2"]
    assert only(Series("g", Type.GAUGE, ()), Readings([-2.0], {})).metric[0].gauge.value == -2.0


def test_a_histogram_has_its_bounds_and_exemplars() -> None:
    """The infinite bucket stands there only for its exemplar."""
    reading = HistogramReading((0.1, 1.0), [1, 3], 2**40, 7.5)
    series = Series("h", Type.HISTOGRAM, ())
    told = only(series, Readings([0.0], {0: reading})).metric[0].histogram
    assert (told.sample_count, told.sample_sum) == (2**40, 7.5)
    found = [(bucket.cumulative_count, bucket.upper_bound) for bucket in told.bucket]
    assert found == [(1, 0.1), (3, 1.0)]
    exemplars = {0: [Exemplar(0.1, 1, "a1", ""), Exemplar(5.0, 1, "a2", "")]}
    told = only(series, Readings([0.0], {0: reading}, exemplars=exemplars)).metric[0].histogram
    assert [bucket.exemplar.value for bucket in told.bucket] == [0.1, 0.0, 5.0]
    assert told.bucket[2].upper_bound == math.inf


def test_a_summary_has_its_quantiles() -> None:
    """With count and sum."""
    reading = SummaryReading([(0.5, 1.5), (0.99, math.nan)], 4, 4.5)
    family = only(Series("s", Type.SUMMARY, ()), Readings([0.0], {}, summaries={0: reading}))
    told = family.metric[0].summary
    assert (told.sample_count, told.sample_sum, told.quantile[0].value) == (4, 4.5, 1.5)
    assert math.isnan(told.quantile[1].value)


def test_a_target_is_told() -> None:
    """As on a text page."""
    page = Page(Prometheus(Endpoint("127.0.0.1", 0)))
    labels = (("instance", "i"), ("job", "j"))
    page.add(0, Series("a", Type.GAUGE, labels, target=Target("j", "i"), target_labels=labels))
    found = list(families(page.render(Readings([1.0], {}), PROTOBUF_FORMAT)))
    assert [family.name for family in found] == ["a", "target_info"]
    assert page.render(Readings([1.0], {}, frozenset({0})), PROTOBUF_FORMAT) == b""


sides = st.dictionaries(st.integers(-(2**20), 2**20) | st.integers(-9, 9), st.integers(1, 2**53))


def told_by(spans: Any, deltas: Any) -> dict[int, int]:
    """Buckets by OpenTelemetry's index, from spans and deltas."""
    counts = iter(list(accumulate(deltas)))
    found = {}
    at = 0
    for span in spans:
        at += span.offset
        for _ in range(span.length):
            found[at - 1] = next(counts)
            at += 1
    assert not list(counts)
    return {index: count for index, count in found.items() if count}


@given(sides, sides, st.integers(0, 2**53), st.sampled_from([0.0, 1e-3]))
def test_native_buckets_read_back(
    positive: dict[int, int], negative: dict[int, int], zeros: int, threshold: float
) -> None:
    """Spans and differences say every bucket again."""
    found = native(Exponential(8, threshold, zeros, positive, negative))
    assert (found.schema, found.zero_count) == (8, zeros)
    assert found.zero_threshold == (threshold or 1e-128)
    assert told_by(found.positive_span, found.positive_delta) == positive
    assert told_by(found.negative_span, found.negative_delta) == negative


def test_what_is_finer_than_prometheus_is_made_coarser() -> None:
    """Scale 10 becomes 8: of four buckets one."""
    found = native(Exponential(10, 0.0, 0, {3: 1, 4: 2, 7: 4, 8: 8}, {-1: 1}))
    assert found.schema == 8
    assert told_by(found.positive_span, found.positive_delta) == {0: 1, 1: 6, 2: 8}
    assert told_by(found.negative_span, found.negative_delta) == {-1: 1}
