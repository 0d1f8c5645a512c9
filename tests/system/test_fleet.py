"""The real Collector on many machines: two agents, two gateways, a Prometheus to write to."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from tests.collector import otlp
from tests.collector.real import OTELCOL, needs_otelcol
from tests.support.fleet import Fleet
from tests.support.prometheus import needs_prometheus, prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.conftest import Lab

pytestmark = [needs_prometheus, needs_otelcol]
RECEIVES = "--web.enable-remote-write-receiver"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Whatever has to end with the test."""
    with ExitStack() as made:
        yield made


def test_a_killed_gateway_costs_nothing(lab: Lab, tmp_path: Path, stack: ExitStack) -> None:
    """Each of two gateways dies while tasks run; sums are right, and no tenant is named.

    A gateway that takes over knows nothing, and goes on from the totals that workers send. If the
    streams of one worker met on two gateways, both would write its series, and the sums be wrong.
    """
    watching = stack.enter_context(prometheus(tmp_path, {}, RECEIVES))
    fleet = Fleet(OTELCOL, tmp_path, f"http://127.0.0.1:{watching.port}/api/v1/write", 2)
    stack.callback(fleet.close)
    workers = [
        lab.worker("prefork", name=name, OTEL_EXPORTER_OTLP_ENDPOINT=agent.endpoint)
        for name, agent in zip(("one", "two"), fleet.agents)
    ]

    def told(metric: str, number: float) -> bool:
        sums = watching.query(f"sum({metric})")
        return [value for _, value in sums] == [number]

    published = 0
    for dying in (None, 0, 1):
        published += 30
        with nullcontext() if dying is None else fleet.without(dying):
            lab.publish(["ok", 30])
            workers[0].wait_for(lambda number=published: lab.executions().total() == number)
        for metric in ("celery_task_success_total", "lab_orders_total", "lab_amount_EUR_count"):
            watching.wait_for(
                lambda metric=metric, number=published: told(metric, number),
                f"{metric} {published}",
            )
    instances = {labels["instance"] for labels, _ in watching.query("lab_orders_total")}
    assert len(instances) == 4
    amounts = lab.by_tenant("sum(amount)")
    assert len(amounts) > 1
    ((_, amount),) = watching.query("sum(lab_amount_EUR_sum)")
    assert amount == pytest.approx(sum(amounts.values()))
    for name in watching.get("labels"):
        assert name != "tenant_id"
        assert not set(watching.get(f"label/{name}/values")) & set(amounts)
    for worker in workers:
        worker.stop()


def test_a_single_push_is_written_whole(tmp_path: Path, stack: ExitStack) -> None:
    """What ten tenants counted is in the store before anybody pushes again.

    Their differences are readings of one series in one millisecond, of which a store keeps one.
    """
    watching = stack.enter_context(prometheus(tmp_path, {}, RECEIVES))
    fleet = Fleet(OTELCOL, tmp_path, f"http://127.0.0.1:{watching.port}/api/v1/write", 1)
    stack.callback(fleet.close)
    now = time.time_ns()
    request = otlp.Request()
    metric = request.metric("lab.orders")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = otlp.CUMULATIVE
    for tenant in range(1, 11):
        labels = {"task_name": "send", "tenant_id": f"tenant-{tenant}"}
        otlp.number(metric, labels, tenant, start_time_unix_nano=now - 1, time_unix_nano=now)
    body = Request(
        f"{fleet.agents[0].endpoint}/v1/metrics",
        request.bytes(),
        {"Content-Type": "application/x-protobuf"},
    )
    urlopen(body).close()
    watching.wait_for(lambda: watching.has_samples("lab_orders_total"), "it is written")
    assert [value for _, value in watching.query("lab_orders_total")] == [sum(range(1, 11))]
