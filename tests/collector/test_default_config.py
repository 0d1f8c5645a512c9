"""The repository's otel-collector.yaml: what it lets through, and that both engines take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from collector import plan
from collector.model import Kind, Merge
from collector.settings import Endpoint, Otlp, OtlpGrpc, OtlpHttp
from telemetry import catalog
from tests.collector.configured import one
from tests.collector.real import needs_otelcol, validate
from tests.collector.streams import stream

FILE = Path(__file__).parents[2] / "otel-collector.yaml"
RESOURCE = ["service.name", "service.namespace", "service.instance.id"]


def load(**environ: str) -> plan.Plan:
    """Return the plan of the file."""
    return plan.load(FILE.name, FILE.read_text(), environ)


def processors() -> Any:
    """Return the section of the file, as plain data."""
    return yaml.safe_load(FILE.read_text())["processors"]


def test_the_allowlist_is_the_catalogue() -> None:
    """Every attribute of our metrics is let through, and not one other."""
    operations = [
        operation
        for transform in processors()["metrics_transform"]["transforms"]
        for operation in transform["operations"]
    ]
    assert [operation["aggregation_type"] for operation in operations] == ["max", "sum"]
    for operation in operations:
        assert sorted(operation["label_set"]) == sorted(catalog.ATTRIBUTES)


def test_the_two_lists_are_one() -> None:
    """YAML cannot join lists, so `redaction` repeats the labels behind the resource's keys."""
    labels = processors()["metrics_transform"]["transforms"][0]["operations"][0]["label_set"]
    assert processors()["redaction"]["allowed_keys"] == RESOURCE + labels


def test_every_endpoint_is_local_and_can_be_moved() -> None:
    """Without variables nothing listens to other machines; with them, where one wants."""
    made = load()
    assert one(made.receivers) == Otlp(OtlpHttp(), OtlpGrpc())
    assert one(made.exporters).endpoint == Endpoint("127.0.0.1", 9464)
    assert made.health_check is not None
    assert made.health_check.endpoint == Endpoint("127.0.0.1", 13133)
    assert made.self_telemetry.metrics == Endpoint("127.0.0.1", 8888)
    moved = load(
        OTLP_HTTP_ENDPOINT="0.0.0.0:1",
        OTLP_GRPC_ENDPOINT="[::]:5",
        PROMETHEUS_ENDPOINT=":2",
        HEALTH_ENDPOINT="[::1]:3",
        SELF_METRICS_PORT="4",
    )
    assert one(moved.receivers) == Otlp(
        OtlpHttp(Endpoint("0.0.0.0", 1)), OtlpGrpc(Endpoint("::", 5))
    )
    assert one(moved.exporters).endpoint == Endpoint("", 2)
    assert moved.health_check is not None
    assert moved.health_check.endpoint == Endpoint("::1", 3)
    assert moved.self_telemetry.metrics == Endpoint("127.0.0.1", 4)


def test_it_says_nothing_that_is_hardly_meant() -> None:
    """No warning without any variable set; metrics expire after 5 minutes; memory is limited."""
    made = load()
    assert made.warnings == ()
    assert one(made.exporters).metric_expiration_seconds == 300
    assert one(made.exporters).without_scope_info
    assert one(made.pipelines).memory_limiter is not None


NAMES = [
    ("celery.queue.age", Merge.MAX),
    ("celery.queue.oldest_age", Merge.MAX),
    ("celery.queue.length", Merge.SUM),
    ("orders.replication.lag", Merge.MAX),
    ("orders.max", Merge.MAX),
    ("orders.maximum", Merge.SUM),
    ("lag", Merge.SUM),
    ("orders.storage", Merge.SUM),
    ("celery.worker.tasks.active", Merge.SUM),
]


@pytest.mark.parametrize(("name", "merge"), NAMES)
def test_tenants_go_and_the_name_decides_how_gauges_meet(name: str, merge: Merge) -> None:
    """Of ages, lags and maxima the largest counts; everything else is added up."""
    before = stream(
        name,
        "task_name=t tenant_id=acme",
        resource="service.name=s tenant_id=acme",
        scope="tenant_id=acme",
        kind=Kind.GAUGE,
    )
    assert one(load().pipelines).rewrite(before) == stream(
        name, "task_name=t", resource="service.name=s", kind=Kind.GAUGE, merge=merge
    )


@needs_otelcol
def test_the_collector_takes_it() -> None:
    """The same file, the other engine."""
    assert validate(FILE, {}) == ""
