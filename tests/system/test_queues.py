"""What waits in the broker is told by one of many, and goes on being told when that one is gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sink import Sink
    from tests.system.conftest import Lab

OBSERVERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'portless observe'"
LOCKS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
SLEEPERS = ["sleep", 4, {"args": [30], "queue": "lab"}]


def eventually(done: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until `done()` is true."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def last(sink: Sink, name: str, **attributes: str) -> float | None:
    """The newest reading of a gauge."""
    wanted = frozenset(attributes.items())
    found = [p for p in sink.points if p.name == name and wanted <= p.attributes]
    return found[-1].value if found else None


def observers(sink: Sink) -> set[str]:
    """Under which names queues were reported."""
    return sink.instances("celery.queue.length")


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet"])
def test_a_worker_tells_what_waits(lab: Lab, pool: str) -> None:
    """Length and age of what no worker takes, under the broker's name, in every kind of pool.

    The connection is the worker's only one with that name, its processes have none, and a pool
    process that is recycled does not end it.
    """
    options = ("--max-tasks-per-child=1",) if pool == "prefork" else ()
    worker = lab.worker(pool, *options)
    lab.publish(["ok", 3, {"queue": "nobody"}], ["ok", 1, {"queue": "later", "countdown": 3600}])
    worker.wait_for(lambda: last(lab.sink, "celery.queue.length", queue_name="nobody") == 3)
    worker.wait_for(lambda: last(lab.sink, "celery.queue.oldest_age", queue_name="nobody") > 1)
    assert last(lab.sink, "celery.queue.oldest_age", queue_name="later") == 0
    before = lab.execute(OBSERVERS)
    lab.publish(["ok", 6])
    worker.wait_for(lambda: lab.finished() >= 6)
    worker.wait_for(lambda: last(lab.sink, "celery.queue.length", queue_name="lab") == 0)
    assert lab.execute(OBSERVERS) == before == lab.execute(LOCKS)
    assert len(observers(lab.sink)) == 1
    assert worker.stop() == 0
    assert lab.execute(OBSERVERS) == []
    assert "telemetry failed" not in worker.log.read_text()
