"""Processes come and go, and so does the collector: what was counted stays counted, once."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

import celery
import psutil
import pytest

from tests.support.sink import Sink
from tests.support.worker import Command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.redis import Redis
    from tests.system.conftest import Lab


def test_a_recycled_process_takes_nothing_with_it(lab: Lab) -> None:
    """Ten tasks in ten processes: ten counted, ten orders, and still only two names.

    One that is killed takes along what its task recorded, and that is counted.
    """
    worker = lab.worker("prefork", "--max-tasks-per-child=1")
    lab.publish(["ok", 10])
    worker.wait_for(lambda: lab.finished() >= 10)
    worker.wait_for(lambda: lab.sink.sum("lab.orders") >= 10)
    recycled = "celery.worker.child.exits"
    worker.wait_for(lambda: lab.sink.sum(recycled, reason="recycled") >= 10)
    assert lab.sink.sum("celery.telemetry.unexported") == 0
    lab.publish(["killed", 1])
    worker.wait_for(lambda: lab.sink.sum(recycled, reason="killed") >= 1)
    worker.stop()
    assert lab.sink.sum("celery.task.success") == 10
    assert lab.sink.sum("lab.orders") == 10
    assert lab.sink.sum("lab.amount") == 10
    assert lab.sink.sum("celery.telemetry.unexported", reason="killed") == 1
    assert lab.sink.sum("celery.telemetry.unexported") == 1
    assert lab.sink.instances("lab.orders") == {"one@lab/0", "one@lab/1"}


def test_recycled_processes_are_seen_where_an_event_loop_feeds_them(lab: Lab, redis: Redis) -> None:
    """There, the pool decides anew at each connection who buries its processes."""
    broker = {"LAB_BROKER": redis.address}
    worker = lab.worker("prefork", "--max-tasks-per-child=1", **broker)
    lab.publish(["ok", 6], ["killed", 1], **broker)
    exits = "celery.worker.child.exits"
    worker.wait_for(lambda: lab.sink.sum(exits, reason="recycled") >= 6)
    worker.wait_for(lambda: lab.sink.sum(exits, reason="killed") >= 1)
    assert worker.stop() == 0
    assert lab.sink.sum("celery.telemetry.unexported", reason="killed") == 1
    assert lab.sink.sums("celery.telemetry.hook.errors") == {}


def test_two_workers_are_told_apart_and_add_up(lab: Lab) -> None:
    """Each execution is counted by the worker that made it; together they have all of them.

    Celery 5.4 may hand tasks of a worker that stops, which are done, to the other one once more.
    """
    workers = [lab.worker("threads", name="one"), lab.worker("prefork", name="two")]
    lab.publish(["ok", 30])
    for worker in workers:
        worker.wait_for(lambda: lab.finished() >= 30)
    for worker in workers:
        assert worker.stop() == 0
    executions = len(lab.execute("SELECT 1 FROM executions"))
    assert lab.sink.sum("celery.task.success") == executions >= 30
    assert lab.sink.sum("lab.orders") == executions
    assert lab.sink.instances("celery.worker.up") == {"one@lab", "two@lab"}


def test_a_collector_that_was_away_gets_everything(lab: Lab) -> None:
    """Started before the collector, through its absence and its errors: the numbers catch up.

    The log has a line for the outage and one for its end, whatever the SDK has to say.
    """
    lab.sink.status = 503
    worker = lab.worker("threads")
    lab.publish(["ok", 5])
    worker.wait_for(lambda: len(lab.execute("SELECT 1 FROM executions")) >= 5)
    worker.wait_for(lambda: "does not take metrics" in worker.log.read_text())
    lab.sink.status = 200
    worker.wait_for(lambda: lab.sink.sum("celery.task.success") >= 5)
    lab.sink.close()
    lab.publish(["ok", 5], OTEL_SDK_DISABLED="true")
    worker.wait_for(lambda: len(lab.execute("SELECT 1 FROM executions")) >= 10)
    lab.sink = Sink(lab.sink.port)
    worker.wait_for(lambda: lab.sink.sum("celery.task.success") >= 10)
    assert worker.stop() == 0
    assert lab.sink.sum("celery.task.success") == 10
    assert lab.sink.sum("lab.orders") == 10
    log = worker.log.read_text()
    lines = [line for line in log.splitlines() if "collector" in line or "export" in line.lower()]
    assert len([line for line in lines if "does not take" in line]) in {1, 2}, lines
    assert all("takes metrics again" in line or "does not take" in line for line in lines), lines


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_collector_that_never_answers_stops_nothing(lab: Lab, pool: str) -> None:
    """Tasks run and the worker ends by itself, though every export hangs until its timeout."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as hole:
        endpoint = f"http://127.0.0.1:{hole.getsockname()[1]}"
        worker = lab.worker(pool, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        lab.publish(["ok", 10], OTEL_SDK_DISABLED="true")
        worker.wait_for(lambda: len(lab.execute("SELECT 1 FROM executions")) >= 10)
        assert worker.stop(timeout_seconds=30) == 0


@pytest.mark.skipif(
    celery.VERSION[:2] < (5, 5),
    reason="Celery 5.4 waits for the tasks that run, as if it were warm",
)
def test_a_cold_stop_says_what_was_lost(lab: Lab) -> None:
    """Tasks that run when the worker is told to quit are lost, those not begun went back."""
    worker = lab.worker("prefork")
    lab.publish(["sleep", 3, {"args": [60]}])
    worker.wait_for(lambda: lab.sink.sum("celery.task.started") >= 2)
    worker.stop(signal.SIGQUIT)
    assert lab.sink.sum("celery.task.lost", reason="shutdown") == 2
    received = lab.sink.sum("celery.task.received")
    assert lab.sink.sum("celery.task.rejected", reason="returned") == received - 2
    assert lab.sink.sum("celery.worker.up") == 0
    assert lab.sink.sum("celery.worker.tasks.active") == 0


def test_what_a_lost_connection_drops_is_lost(lab: Lab) -> None:
    """A task that waits for its ETA is dropped with the connection; the worker goes on."""
    worker = lab.worker("threads")
    lab.publish(["ok", 2, {"countdown": 3600}])
    worker.wait_for(lambda: lab.sink.sum("celery.worker.tasks.reserved") == 2)
    lab.cut_connections()
    worker.wait_for(lambda: lab.sink.sum("celery.task.lost", reason="connection_lost") == 2)
    lab.publish(["ok", 3])
    worker.wait_for(lambda: lab.sink.sum("celery.task.success") >= 3)
    worker.stop()
    assert lab.sink.sum("celery.task.received") == 5
    assert lab.sink.sum("celery.worker.tasks.reserved") == 0


def test_the_search_for_listeners_would_find_one(lab: Lab) -> None:
    """A task that listens is seen from outside: the other tests would fail if a worker did."""
    worker = lab.worker("prefork")
    lab.publish(["listens", 1])
    worker.wait_for(lambda: lab.sink.sum("celery.task.started") >= 1)

    def listening() -> bool:
        return any(
            connection.status == psutil.CONN_LISTEN
            for process in worker.tree()
            for connection in process.net_connections(kind="all")
        )

    worker.wait_for(listening)


def test_a_provider_made_before_the_fork_counts_once(sink: Sink, tmp_path: Path) -> None:
    """Forked in the middle of its export, with numbers in it, each pool process starts at zero.

    What instruments record there arrives under the slot's name, views and observables included; the
    parent's own numbers arrive from the parent alone.
    """
    command = [sys.executable, "-m", "celery", "-A", "tests.support.inherited", "worker"]
    command += ["-n", "one@lab", "-c", "1", "--max-tasks-per-child", "2", "-l", "INFO"]
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    worker = Command(command, tmp_path / "log", environ)
    try:
        worker.wait_for(lambda: sink.sum("celery.worker.child.exits", reason="recycled") >= 3)
        worker.wait_for(lambda: sink.sum("lab.orders") >= 106)
        assert worker.stop() == 0, worker.log.read_text()
    finally:
        worker.kill()
    assert sink.sum("celery.task.success") == 6, worker.log.read_text()
    by_instance = sink.by_instance("lab.orders")
    assert by_instance.pop("one@lab/0") == 6
    assert list(by_instance.values()) == [100]
    assert sink.by_instance("lab.other") == {"one@lab/0": 6}
    assert "one@lab/0" in sink.instances("lab.observed")
    assert sink.instances("lab.observed") == {"one@lab/0", *by_instance}
    assert sink.sum("celery.telemetry.unexported") == 0
    assert sink.sums("celery.telemetry.hook.errors") == {}
