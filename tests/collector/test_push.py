"""What exporters that push tell of series, and that it says the same wherever it is read."""

from __future__ import annotations

import logging

import pytest

from collector.exposition.negotiate import PROTOBUF_FORMAT, TEXT_FORMAT
from collector.fields.component_id import parse
from collector.outlets.otlp import Batch, batches
from collector.outlets.pushed import SECOND
from collector.plan import load
from collector.push_settings import Debug
from collector.river import River
from collector.server.push.debug import DebugSink
from tests.collector.otlp import CUMULATIVE, DELTA, START, Request, labels
from tests.collector.pipeline import samples
from tests.collector.test_engine import distribution

A, B = {"task_name": "a"}, {"task_name": "b"}
CONFIG = """
receivers: {otlp: {protocols: {http: {}}}}
processors:
  redaction: {allowed_keys: [task_name, service.name, service.instance.id, numbers, mixed]}
exporters:
  prometheus: {endpoint: "127.0.0.1:9464"}
  debug: {}
service:
  pipelines:
    metrics: {receivers: [otlp], processors: [redaction], exporters: [prometheus, debug]}
"""


class Chain:
    """A collector whose pushes go to another one with the same rules."""

    def __init__(self) -> None:
        plan = load("config.yaml", CONFIG, {})
        self.here, self.there = River(plan), River(plan)
        self._since = 0.0

    def receive(self, body: bytes, now: float) -> None:
        """Take a request from a worker."""
        self.here.intake(parse("otlp"), "http").accept(body, now)

    def told(self, now: float) -> list[Batch]:
        """Tell what is new."""
        told = self.here.pushing[parse("debug")].snapshot(self._since, now)
        self._since = now
        return list(batches(told, int(now * SECOND)))

    def push(self, now: float) -> int:
        """Push it on; return how many points that was."""
        found = self.told(now)
        for batch in found:
            body = batch.message.SerializeToString()
            outcome = self.there.intake(parse("otlp"), "http").accept(body, now)
            assert outcome.refused == {}
            assert outcome.accepted == batch.points
        return sum(batch.points for batch in found)

    def pages(self) -> list[bytes]:
        """What both expose, here and there, in text and protobuf."""
        exporter = parse("prometheus")
        return [
            river.prometheus[exporter].scrape(form)
            for form in (TEXT_FORMAT, PROTOBUF_FORMAT)
            for river in (self.here, self.there)
        ]


def everything() -> Request:
    """One of each kind of metric, with values of each type in resource and attributes."""
    request = Request()
    request.counter("ints", A | {"tenant_id": "t1"}, 10).counter("ints", A | {"tenant_id": "t2"}, 5)
    request.counter("doubles", A, 0.5).gauge("gauge", A, -3).gauge("gauge", B, float("nan"))
    request.histogram("h", A, [0.5, 2.0], [1, 2, 3], 4.5)
    updown = request.metric("updown").sum
    updown.aggregation_temporality = CUMULATIVE
    point = updown.data_points.add(as_int=-4, time_unix_nano=START, start_time_unix_nano=START)
    for key, text in (("numbers", "[1, 2.5, true]"), ("mixed", '{"a": "x"}')):
        pair = point.attributes.add(key=key)
        if key == "numbers":
            pair.value.array_value.values.add(int_value=1)
            pair.value.array_value.values.add(double_value=2.5)
            pair.value.array_value.values.add(bool_value=True)
        else:
            pair.value.kvlist_value.values.add(key="a").value.string_value = text
    for kind in ("exponential_histogram", "summary"):
        request.message.MergeFromString(
            distribution(kind, START, START + SECOND, (4, 2, 1)).replace(
                b"\x0a\x01m", b"\x0a\x01" + kind[:1].encode()
            )
        )
    return request


def test_what_is_pushed_on_reads_the_same() -> None:
    """Every kind of metric, every type of value, with its resource, scope and description."""
    chain = Chain()
    request = everything()
    request.message.resource_metrics[0].scope_metrics[0].scope.name = "a.scope"
    request.message.resource_metrics[0].scope_metrics[0].metrics[0].description = "What it is."
    chain.receive(request.bytes(), 1)
    assert chain.push(2) == 9
    text, text_there, protobuf, protobuf_there = chain.pages()
    assert text == text_there
    assert protobuf == protobuf_there
    assert b"tenant" not in text


def test_numbers_in_lists_may_be_large() -> None:
    """A double that is written like an integer is none; infinities and NaN are what they are."""
    chain = Chain()
    request = Request()
    point = request.metric("g").gauge.data_points.add(as_int=1, time_unix_nano=START)
    values = point.attributes.add(key="numbers").value.array_value.values
    for number in (1e20, -1e300, float("inf"), float("nan")):
        values.add(double_value=number)
    values.add(int_value=-(2**63))
    chain.receive(request.bytes(), 1)
    assert chain.push(2) == 1
    text, text_there, _, _ = chain.pages()
    assert text == text_there


def test_only_what_was_spoken_for_is_pushed() -> None:
    """What nobody said anything about is told downstream no longer either."""
    chain = Chain()
    chain.receive(Request().counter("one", A, 1).counter("two", A, 1).bytes(), 1)
    assert chain.push(2) == 2
    assert chain.push(3) == 0
    chain.receive(Request().counter("one", A, 2).bytes(), 4)
    assert chain.push(5) == 1
    assert samples(chain.pages()[1].decode())["one_total", "a"] == 2


def points_of(batch: Batch) -> list[object]:
    """All numbers of a request."""
    return [
        point
        for outer in batch.message.resource_metrics
        for metric in outer.scope_metrics[0].metrics
        for point in metric.sum.data_points
    ]


def test_a_series_keeps_its_start() -> None:
    """The earliest that was told at first; a restarted worker or a new tenant is no reset."""
    chain = Chain()
    for now, life in ((1, 20), (3, 10), (5, 30)):
        start = START + life * SECOND
        chain.receive(Request().counter("c", A | {"life": str(life)}, 7, start=start).bytes(), now)
        (batch,) = chain.told(now + 1)
        (point,) = points_of(batch)
        assert point.start_time_unix_nano == START + 20 * SECOND  # type: ignore[attr-defined]
        assert point.time_unix_nano == (now + 1) * SECOND  # type: ignore[attr-defined]


def test_increments_are_pushed_as_what_they_add_up_to() -> None:
    """Cumulative, since the collector first saw the series."""
    chain = Chain()
    for at in range(3):
        times = {"start": START + at * SECOND, "time": START + (at + 1) * SECOND}
        chain.receive(Request().counter("c", A, 5, temporality=DELTA, **times).bytes(), at + 1)
    (batch,) = chain.told(10)
    (point,) = points_of(batch)
    assert (point.as_int, point.start_time_unix_nano) == (15, 10 * SECOND)  # type: ignore[attr-defined]


def test_a_series_that_was_a_double_stays_one() -> None:
    """Whole numbers are integers until then; downstream a type is part of what a series is."""
    chain = Chain()
    found = []
    for now, value in enumerate((5, 7.5, 8.0), 1):
        chain.receive(Request().counter("c", A, value).bytes(), now)
        (batch,) = chain.told(now)
        (point,) = points_of(batch)
        found.append(point.WhichOneof("value"))  # type: ignore[attr-defined]
    assert found == ["as_int", "as_double", "as_double"]


def test_a_push_is_cut_into_requests() -> None:
    """Each holds so many points, and together all."""
    chain = Chain()
    request = Request()
    for number in range(10):
        request.counter("c", {"task_name": str(number)}, number)
    chain.receive(request.bytes(), 1)
    told = chain.here.pushing[parse("debug")].snapshot(0, 2)
    assert [batch.points for batch in batches(told, 1, points_max=4)] == [4, 4, 2]


def test_buckets_far_from_each_other_are_put_on_a_coarser_grid() -> None:
    """A list of all between the first and the last would be millions long."""
    chain = Chain()
    for offset in (-9_000, 9_000):
        request = Request()
        data = request.metric("e").exponential_histogram
        data.aggregation_temporality = CUMULATIVE
        point = data.data_points.add(
            attributes=labels(A | {"offset": str(offset)}),
            start_time_unix_nano=START,
            time_unix_nano=START + SECOND,
            count=1,
            sum=1.0,
            scale=8,
        )
        point.positive.offset = offset
        point.positive.bucket_counts.append(1)
        chain.receive(request.bytes(), 1)
    (batch,) = chain.told(2)
    metric = batch.message.resource_metrics[0].scope_metrics[0].metrics[0]
    (point,) = metric.exponential_histogram.data_points
    assert (point.scale, point.count, sum(point.positive.bucket_counts)) == (5, 2, 2)
    assert len(point.positive.bucket_counts) < 4096


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [
        ("basic", []),
        ("normal", ["c{task_name=a} 15", "h{task_name=a} count=3 sum=4.5"]),
    ],
)
def test_debug_logs_as_much_as_it_is_told(
    verbosity: str, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Counts always, then a line a point, after the rules."""
    chain = Chain()
    request = (
        Request().counter("c", A | {"tenant_id": "t1"}, 10).histogram("h", A, [1], [1, 2], 4.5)
    )
    chain.receive(request.counter("c", A | {"tenant_id": "t2"}, 5).bytes(), 1)
    sink = DebugSink("debug", Debug(verbosity))
    with caplog.at_level(logging.INFO):
        for batch in chain.told(2):
            sink.put(batch, 0)
    counts = "exporters::debug: resource metrics 1, metrics 2, data points 2"
    assert caplog.messages == [counts, *lines]
    assert sink.self_metrics()[0].value == 2


def test_debug_logs_everything_in_detail(caplog: pytest.LogCaptureFixture) -> None:
    """As OTLP/JSON, and still nothing that a rule took away."""
    chain = Chain()
    chain.receive(Request().counter("c", A | {"tenant_id": "t1"}, 10).bytes(), 1)
    with caplog.at_level(logging.INFO):
        DebugSink("debug", Debug("detailed")).put(*chain.told(2), 0)
    assert '"asInt": "10"' in caplog.messages[1]
    assert "tenant" not in caplog.text
