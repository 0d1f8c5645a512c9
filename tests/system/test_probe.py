"""`portless health` beside real workers: it tells busy from wedged, and a lost broker from both."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.system.conftest import POOLS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import Lab

HELD_UP = {
    "prefork": "waits for a free slot for tests.support.app.sleep",
    "solo": "runs tests.support.app.sleep",
    "threads": "its loop turned",
    "gevent": "waits for a free slot for tests.support.app.sleep",
    "eventlet": "waits for a free slot for tests.support.app.sleep",
}
"""What a pool with nothing but long tasks does to its worker's loop."""


@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_that_is_busy_is_live_and_ready(lab: Lab, pool: str) -> None:
    """In every pool: idle, with every slot taken for longer than a loop may be silent, and gone."""
    worker = lab.worker(pool)
    worker.wait_for(lambda: lab.probe("ready")[0] == 0)
    lab.publish(["sleep", 8, {"args": [6]}])
    worker.wait_for(lambda: lab.sink.sum("celery.worker.tasks.active") >= 1)
    worker.wait_for(lambda: HELD_UP[pool] in lab.probe("live", "--max-age", "3")[1])
    if pool != "threads":
        worker.wait_for(lambda: "since 4." in lab.probe("ready")[1])
    assert lab.probe("live", "--max-age", "3")[0] == 0
    assert lab.probe("ready", "--max-age", "3")[0] == 0
    if pool != "threads":
        code, line = lab.probe("live", "--max-busy", "1")
        assert code == 1, line
    worker.kill()
    code, line = lab.probe("live")
    assert code == 1
    assert "is gone" in line


def test_a_worker_that_stops_takes_its_file_away(lab: Lab) -> None:
    """While it stops it is live and not ready."""
    worker = lab.worker("threads")
    lab.publish(["sleep", 1, {"args": [8]}])
    worker.wait_for(lambda: lab.sink.sum("celery.worker.tasks.active") == 1)
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for(lambda: "has been stopping" in lab.probe("ready")[1])
    assert lab.probe("ready")[0] == 1
    assert lab.probe("live")[0] == 0
    assert worker.process.wait(60) == 0
    assert "no worker keeps a file" in lab.probe("live")[1]


def test_a_wedged_loop_is_dead_though_its_threads_live_on(lab: Lab) -> None:
    """The file is written all the time, and nothing in it vouches for the loop."""
    worker = lab.worker("prefork")
    lab.publish(["wedge", 1])
    worker.wait_for(lambda: lab.probe("live", "--max-age", "3")[0] == 1)
    code, line = lab.probe("live", "--max-age", "3")
    assert (code, line.rstrip().endswith("wedged")) == (1, True), line
    worker.process.send_signal(signal.SIGSTOP)
    worker.wait_for(lambda: "has not written" in lab.probe("live", "--max-age", "3")[1])


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_lost_broker_is_no_reason_to_restart(lab: Lab, pool: str) -> None:
    """Not ready within seconds, live throughout, and ready again when the broker is back.

    The worker itself says the same to the collector.
    """
    worker = lab.worker(pool)
    worker.wait_for(lambda: lab.probe("ready")[0] == 0)
    worker.wait_for(lambda: lab.sink.sum("celery.worker.ready") == 1)
    lab.lock_database()
    worker.wait_for(lambda: lab.probe("ready")[0] == 1)
    worker.wait_for(lambda: lab.sink.sum("celery.worker.ready") == 0)
    for _ in range(5):
        code, line = lab.probe("live", "--max-age", "3")
        assert code == 0, line
        assert "no connection to the broker" in lab.probe("ready")[1]
    lab.unlock_database()
    worker.wait_for(lambda: lab.probe("ready", "--max-age", "3")[0] == 0)
    worker.wait_for(lambda: lab.sink.sum("celery.worker.ready") == 1)


def test_no_place_for_a_file_stops_no_worker(lab: Lab, tmp_path: Path) -> None:
    """On a file system that is read-only a line says what to do, and tasks run.

    Nothing is written to anybody's broker unasked either: without a word of it no canary flies.
    """
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "state")
    worker = lab.worker("threads", XDG_RUNTIME_DIR=nowhere, TMPDIR=nowhere)
    lab.publish(["ok", 1])
    worker.wait_for(lambda: lab.sink.sum("celery.task.success") == 1)
    assert lab.execute("SELECT name FROM kombu_queue WHERE name LIKE 'portless.canary.%'") == []
    assert "portless.canary" not in worker.log.read_text()
    assert "set PORTLESS_STATE_DIR" in worker.log.read_text()
    assert worker.stop() == 0
