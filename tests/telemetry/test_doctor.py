"""Verdicts of the doctor: every fault is named right, on what a real probe would have found."""

from __future__ import annotations

import pytest

from telemetry.doctor import hops
from telemetry.doctor.hops import Answer, Sample

HERE = "collector:4318"
FULL = {"task_name": "portless.doctor", "queue_name": "q", "job": "celery", "instance": "i"}


@pytest.mark.parametrize(
    ("answer", "says", "fix"),
    [
        (Answer(0, "refused"), "nothing listens", "start the collector"),
        (Answer(0, "address"), "malformed", "http://HOST:4318"),
        (Answer(0, "timeout"), "does not answer", "firewall"),
        (Answer(0, "tls"), "does not speak TLS", "http://"),
        (Answer(0, "protocol"), "not in the protocol", "4317 with grpc"),
        (Answer(401), "who is there", "OTEL_EXPORTER_OTLP_HEADERS"),
        (Answer(404), "another port", "4318"),
        (Answer(503), "refused the push (503)", "memory_limiter"),
        (Answer(200, rejected=1), "refused 1 of its points", "--max-streams"),
        (Answer(200, skew_seconds=-90.0), "-90 s", "NTP"),
    ],
)
def test_a_receiver_s_fault_is_named(answer: Answer, says: str, fix: str) -> None:
    """With where it is and what to do."""
    hop = hops.receiver(answer, HERE)
    assert hop.ok is False
    assert says in hop.what
    assert HERE in hop.what
    assert fix in hop.todo


def test_a_redactor_s_fault_is_named() -> None:
    """A drop, a label that is missing, a tenant that came out; and none of them."""
    whole = Sample(FULL, 1.0)
    no_task = Sample({key: FULL[key] for key in FULL if key != "task_name"}, 1.0)
    assert hops.redactor([whole], leaked=False).ok
    assert "tenant_id" in hops.redactor([whole], leaked=True).what
    assert "task_name" in hops.redactor([no_task], leaked=False).what
    assert "not on the exposed page" in hops.redactor([], leaked=False).what


def test_a_worker_that_does_not_consume_is_none_that_does_not_count() -> None:
    """What waits in the queue tells the two apart."""
    assert hops.worker(1, None, "q").ok
    assert "no worker takes messages" in hops.worker(0, 2, "q").what
    assert "OTEL_SDK_DISABLED" in hops.worker(0, 0, "q").todo


def test_prometheus_faults_are_named() -> None:
    """No scrape, labels of its own over ours, another job."""
    assert hops.scrape([FULL], "celery").ok
    assert "has not scraped" in hops.scrape([], "celery").what
    lost = {**FULL, "exported_instance": "i", "instance": "localhost:9464"}
    assert "honor_labels" in hops.scrape([lost], "celery").todo
    assert "service.name" in hops.scrape([{**FULL, "job": "other"}], "celery").what


def test_a_page_is_read_with_what_stands_in_quotes() -> None:
    """A brace or a quote in a value ends no label."""
    page = '# TYPE a gauge\na{x="1} 2",y="\\""} 3\nab{x="1"} 4\na{x="2"} 5 1700000000\n'
    assert [one.value for one in hops.samples(page, "a")] == [3.0, 5.0]
    assert hops.samples(page, "a")[0].labels["x"] == "1} 2"
