"""Several receivers, pipelines and exporters in one plan: who is told what, and what it shows."""

from __future__ import annotations

import pytest

from collector.errors import Malformed, Reason, Refused
from collector.exposition.negotiate import TEXT_FORMAT
from collector.fields.component_id import parse
from collector.plan import load
from collector.river import River
from tests.collector.otlp import Request
from tests.collector.pipeline import samples

A = {"task_name": "a"}
T1, T2 = A | {"tenant_id": "t1"}, A | {"tenant_id": "t2"}

COMPONENTS = """
receivers:
  otlp: {protocols: {http: {}}}
  otlp/api: {protocols: {http: {endpoint: "127.0.0.1:4319"}}}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 100}
  redaction: {allowed_keys: [task_name, service.name, service.instance.id]}
  filter/jobs: {metrics: {include: {match_type: strict, metric_names: [jobs]}}}
  filter/others: {metrics: {exclude: {match_type: strict, metric_names: [jobs]}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:9464", metric_expiration: 100s}
  prometheus/second:
    endpoint: "127.0.0.1:9465"
    namespace: second
    metric_expiration: 10s
    without_scope_info: true
service:
  pipelines:
"""


def river(*pipelines: str, streams_max: int = 100) -> River:
    """Join pipelines, each written `name: receivers > processors > exporters`."""
    text = COMPONENTS
    for pipeline in pipelines:
        name, _, rest = pipeline.partition(": ")
        parts = zip(("receivers", "processors", "exporters"), rest.split(" > "))
        text += f"    {name}: {{{', '.join(f'{key}: [{ids}]' for key, ids in parts)}}}\n"
    return River(load("config.yaml", text, {}), streams_max)


def push(to: River, request: Request, now: float = 0, receiver: str = "otlp") -> dict[Reason, int]:
    """Hand a request in; what was refused of it."""
    return dict(to.intake(parse(receiver), "http").accept(request.bytes(), now).refused)


def page(of: River, exporter: str = "prometheus") -> dict[tuple[str, str], float]:
    """What an exporter shows, by name and task_name."""
    found = samples(of.prometheus[parse(exporter)].scrape(TEXT_FORMAT).decode())
    return {key: value for key, value in found.items() if "target_info" not in key[0]}


def test_each_exporter_shows_what_its_pipeline_keeps_in_its_own_way() -> None:
    """Numbers are kept once; names, labels and what makes one line are the exporter's."""
    one = river("metrics: otlp > redaction > prometheus, prometheus/second")
    first, second = Request().counter("jobs", T1, 10), Request().counter("jobs", T2, 5)
    second.message.resource_metrics[0].scope_metrics[0].scope.name = "another scope"
    push(one, first)
    push(one, second)
    text = one.prometheus[parse("prometheus")].scrape(TEXT_FORMAT).decode()
    assert text.count("\njobs_total{") == 2
    assert page(one, "prometheus/second") == {("second_jobs_total", "a"): 15}
    assert one.engines[0].rows == 2


def test_an_exporter_adds_up_what_several_receivers_pipelines_keep() -> None:
    """Workers and the API may have rules of their own, and are one exposition."""
    one = river("metrics: otlp > redaction > prometheus", "metrics/api: otlp/api >  > prometheus")
    push(one, Request().counter("jobs", T1, 10))
    push(one, Request().counter("jobs", A, 5), receiver="otlp/api")
    push(one, Request().histogram("h", A, [1.0], [1, 2], 3.0))
    push(one, Request().histogram("h", A, [1.0], [4, 0], 1.0), receiver="otlp/api")
    found = page(one)
    assert (found["jobs_total", "a"], found["h_count", "a"], found["h_sum", "a"]) == (15, 7, 4)


def test_the_rules_of_a_pipeline_may_be_split_over_two() -> None:
    """One receiver, two pipelines, one exporter: each stream is kept by one of them."""
    one = river(
        "metrics: otlp > filter/jobs, redaction > prometheus",
        "metrics/others: otlp > filter/others > prometheus",
    )
    push(one, Request().counter("jobs", T1, 10).gauge("age", T2, 7))
    assert page(one) == {("jobs_total", "a"): 10, ("age", "a"): 7}
    assert 'tenant_id="t2"' in one.prometheus[parse("prometheus")].scrape(TEXT_FORMAT).decode()


def test_what_two_pipelines_keep_of_one_receiver_counts_once() -> None:
    """The line would be twice as large as the truth; the later one is refused and counted."""
    one = river("metrics: otlp >  > prometheus", "metrics/again: otlp >  > prometheus")
    assert push(one, Request().counter("jobs", A, 10)) == {Reason.DUPLICATE_SERIES: 1}
    assert page(one) == {("jobs_total", "a"): 10}
    assert push(one, Request().counter("jobs", A, 11)) == {Reason.DUPLICATE_SERIES: 1}
    assert page(one) == {("jobs_total", "a"): 11}


def test_malformed_for_one_is_malformed_for_all() -> None:
    """Nothing of it is in any pipeline."""
    one = river("metrics: otlp > redaction > prometheus", "metrics/b: otlp >  > prometheus/second")
    body = Request().counter("jobs", A, 10).bytes()
    with pytest.raises(Malformed):
        one.intake(parse("otlp"), "http").accept(body[:-1], 0)
    assert page(one) == page(one, "prometheus/second") == {}


def test_one_pipeline_short_of_memory_refuses_for_all() -> None:
    """Who sends it again would otherwise be counted where it had been taken."""
    one = river("metrics: otlp > redaction > prometheus", "metrics/b: otlp >  > prometheus/second")
    intake = one.intake(parse("otlp"), "http")
    for engine in one.engines:
        engine.pressed = True
        for accept in (intake.accept, intake.accept_json):
            with pytest.raises(Refused) as refusal:
                accept(Request().counter("jobs", A, 10).bytes(), 0)
            assert refusal.value.retryable
        engine.pressed = False
    assert page(one) == page(one, "prometheus/second") == {}
    assert (intake.requests["pressed"], intake.accepted) == (4, 0)


def test_a_series_lives_as_long_as_an_exporter_shows_it() -> None:
    """Each hides it after its own `metric_expiration`, and shows it when it is spoken for."""
    one = river("metrics: otlp > redaction > prometheus, prometheus/second")
    push(one, Request().counter("jobs", A, 10))
    one.tick(11)
    assert page(one) == {("jobs_total", "a"): 10}
    assert page(one, "prometheus/second") == {}
    push(one, Request().counter("jobs", A, 11), now=20)
    one.tick(21)
    assert page(one, "prometheus/second") == {("second_jobs_total", "a"): 11}
    one.tick(121)
    assert page(one) == page(one, "prometheus/second") == {}
    push(one, Request().counter("jobs", A, 12), now=130)
    assert page(one, "prometheus/second") == {("second_jobs_total", "a"): 12}


def test_a_line_keeps_all_its_series_while_one_is_spoken_for() -> None:
    """A scope that fell silent would otherwise take its share of a counter with it."""
    one = river("metrics: otlp > redaction > prometheus/second")
    silent, loud = Request().counter("jobs", A, 10), Request().counter("jobs", A, 5)
    silent.message.resource_metrics[0].scope_metrics[0].scope.name = "silent"
    push(one, silent)
    for now in range(0, 50, 5):
        push(one, loud, now=now)
        one.tick(now)
    assert page(one, "prometheus/second") == {("second_jobs_total", "a"): 15}
    one.tick(60)
    assert page(one, "prometheus/second") == {}
    push(one, loud, now=70)
    assert page(one, "prometheus/second") == {("second_jobs_total", "a"): 15}


def test_what_one_exporter_cannot_show_another_may() -> None:
    """It is refused where nobody shows it; each exporter counts what it has no place for."""
    one = river("metrics: otlp >  > prometheus, prometheus/second")
    assert push(one, Request().gauge("x", A | {"otel_scope_name": "mine"}, 1)) == {}
    assert push(one, Request().gauge("", A, 1)) == {Reason.METRIC_NAME: 1}
    assert (page(one), page(one, "prometheus/second")) == ({}, {("second_x", "a"): 1})
    numbers = {(one.name, *dict(one.labels).values()): one.value for one in one.self_metrics()}
    refused = "portless_exporter_refused_series"
    assert numbers[refused, "prometheus", "duplicate_label"] == 1
    assert numbers[refused, "prometheus/second", "duplicate_label"] == 0
    assert numbers[refused, "prometheus/second", "metric_name"] == 1
    assert numbers["portless_exporter_lines", "prometheus/second"] == 1


def test_streams_are_limited_by_pipeline() -> None:
    """One that is full refuses; the others go on."""
    one = river(
        "metrics: otlp > redaction > prometheus",
        "metrics/b: otlp/api >  > prometheus",
        streams_max=1,
    )
    push(one, Request().counter("jobs", T1, 10))
    assert push(one, Request().counter("jobs", T2, 10)) == {Reason.STREAM_LIMIT: 1}
    assert push(one, Request().counter("jobs", T2, 10), receiver="otlp/api") == {}
