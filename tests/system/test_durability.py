"""A worker that is killed loses nothing: it goes on where it was, or another says its last word."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from telemetry.catalog import OUTCOMES
from telemetry.state.left import candidates
from tests.support.collector import Collector
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sink import Sink
    from tests.support.worker import Worker
    from tests.system.conftest import Lab

SLEEPERS = 2
"""As many as a worker has slots here: all of them run when it is killed."""


@pytest.fixture
def state(lab: Lab, tmp_path: Path) -> Path:
    """The directory that every worker of the lab keeps its state in."""
    directory = tmp_path / "state"
    lab.environ["PORTLESS_STATE_DIR"] = str(directory)
    return directory


def kill(worker: Worker) -> None:
    """SIGKILL to the main process: it cannot say anything any more."""
    worker.process.kill()
    worker.process.wait()


def killed_at_work(lab: Lab, pool: str) -> float:
    """A worker that was killed with three tasks done and two under way; its messages in hand."""
    worker = lab.worker(pool)
    lab.publish(["ok", 3], ["sleep", SLEEPERS, {"args": [600]}])
    worker.wait_for(
        lambda: (
            lab.sink.sum("celery.task.success") == 3
            and lab.sink.sum("celery.worker.tasks.active") == SLEEPERS
        )
    )
    kill(worker)
    return lab.sink.sum("celery.task.received") - 3


def unbalanced(sink: Sink) -> list[str]:
    """Exports after which received was not outcomes and what is in hand."""
    books: dict[tuple[str, int], float] = defaultdict(float)
    seen: set[tuple[str, int]] = set()
    for point in sink.points:
        export = (point.instance, point.time)
        kind, _, name = point.name.rpartition(".")
        if point.name == "celery.task.received":
            seen.add(export)
            books[export] += point.value
        elif (kind == "celery.task" and name in OUTCOMES) or (
            kind == "celery.worker.tasks" and name in {"active", "reserved"}
        ):
            books[export] -= point.value
    return [f"{export}: {books[export]}" for export in sorted(seen) if books[export]]


def flush(lab: Lab, directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """`portless flush`, as a person would run it: without the app."""
    return subprocess.run(
        [sys.executable, "-m", "telemetry", "flush", "--state-dir", str(directory)],
        cwd=ROOT,
        env={**os.environ, **{k: v for k, v in lab.environ.items() if "OTEL" in k}, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_killed_goes_on_with_the_same_counts(lab: Lab, state: Path, pool: str) -> None:
    """One name, one start time, the sums of both; what was in hand is lost, at every export."""
    in_hand = killed_at_work(lab, pool)
    worker = lab.worker(pool)
    lab.publish(["ok", 4])
    worker.wait_for(lambda: lab.sink.sum("celery.task.success") >= 7)
    assert worker.stop() == 0
    counted = [point for point in lab.sink.points if point.name == "celery.task.success"]
    assert {point.instance for point in counted} == {"one@lab"}
    assert len({point.start for point in counted}) == 1
    assert max(point.value for point in counted) == 7
    assert lab.sink.sum("celery.task.lost", reason="worker_died") == in_hand
    assert unbalanced(lab.sink) == []
    for gauge in ("up", "tasks.active", "tasks.reserved"):
        assert set(lab.sink.sums(f"celery.worker.{gauge}").values()) == {0}
    assert candidates(state) == [], "what was said and taken is not kept"


def test_a_worker_that_never_comes_back_has_its_last_word_said(
    lab: Lab, state: Path, tmp_path: Path
) -> None:
    """`portless flush` needs no app: the collector's page has all that the tasks wrote down."""
    collector = Collector(tmp_path)
    try:
        lab.environ["OTEL_METRIC_EXPORT_INTERVAL"] = "3600000"
        lab.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        worker = lab.worker("threads")
        lab.publish(["ok", 3], ["sleep", SLEEPERS, {"args": [600]}], OTEL_SDK_DISABLED="true")
        worker.wait_for(lambda: lab.executions().total() == 3 + SLEEPERS)
        (file,) = candidates(state)
        lives = flush(lab, state)
        assert (lives.returncode, "its worker lives" in lives.stdout) == (0, True)
        kill(worker)
        refused = flush(lab, state, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
        assert (refused.returncode, "it is kept" in refused.stdout) == (1, True)
        done = flush(lab, state)
        assert (done.returncode, "sent, and removed" in done.stdout) == (0, True), done.stderr
        assert not file.exists()
        page = collector.page()
        assert page.sum("celery_task_success_total", task_name="tests.support.app.ok") == 3
        received = page.sum("celery_task_received_total")
        assert page.sum("celery_task_lost_total", reason="worker_died") == received - 3
        assert page.sum("celery_worker_tasks_active", hostname="one@lab") == 0
        assert not page.samples("celery_worker_up"), "a 0 would say that it was meant to stop"
    finally:
        collector.kill()


def test_a_worker_that_starts_speaks_for_its_neighbours(lab: Lab, state: Path) -> None:
    """In the background, for those that do not come back."""
    in_hand = killed_at_work(lab, "threads")
    second = lab.worker("threads", name="two", LAB_PATIENCE_SECONDS="0")
    second.wait_for(lambda: lab.sink.sum("celery.task.lost", reason="worker_died") == in_hand)
    active = lab.sink.sums("celery.worker.tasks.active")
    assert active[frozenset({("hostname", "one@lab")})] == 0
    up = lab.sink.sums("celery.worker.up")
    assert up[frozenset({("hostname", "one@lab")})] == 1, "a 0 would say that it was meant to stop"
    second.wait_for(lambda: len(candidates(state)) == 1)
    assert unbalanced(lab.sink) == []


def test_the_second_worker_of_one_name_says_so(lab: Lab, state: Path) -> None:
    """It works on, without a file; both are counted, and the first one's file is whole."""
    first = lab.worker("threads")
    second = lab.worker("threads")
    assert "another worker that lives is called one@lab" in second.log.read_text()
    lab.publish(["ok", 20])
    second.wait_for(lambda: lab.sink.sum("celery.task.success") >= 20)
    second.wait_for(
        lambda: lab.sink.sum("celery.telemetry.state.failures", reason="taken") == 1,
    )
    kill(first)
    again = lab.worker("threads")
    assert second.stop() == 0
    assert again.stop() == 0
    assert lab.sink.sum("celery.task.success") == 20
    assert candidates(state) == []
