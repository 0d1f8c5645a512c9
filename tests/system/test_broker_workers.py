"""Celery's workers on the acknowledging transport: nothing is lost, nothing done comes again."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from tests.support.looks import blind
from tests.system.conftest import POOLS
from tests.system.test_canary import LEFT, OFTEN, lost, returned

if TYPE_CHECKING:
    from tests.support.postgres import Postgres
    from tests.system.conftest import Lab


def ours(lab: Lab) -> dict[str, str]:
    """The environment of workers and publishers on the acknowledging transport."""
    options = {"lease_grace": 1.0, "polling_interval": 0.5}
    return {"LAB_BROKER": f"portless+{lab.database}", "LAB_BROKER_OPTIONS": json.dumps(options)}


ROWS = "SELECT visible, version FROM kombu_message ORDER BY id"
OF_TASKS = (
    "SELECT FROM kombu_message JOIN kombu_queue ON kombu_queue.id = queue_id"
    " WHERE name NOT LIKE 'portless.canary.%'"
)


@pytest.mark.parametrize("pool", POOLS)
def test_every_task_runs_once_and_is_acknowledged(lab: Lab, pool: str) -> None:
    """In every pool, with canaries between them; all counted, and nothing left in any table."""
    worker = lab.worker(pool, **OFTEN, **ours(lab))
    lab.publish(["ok", 40], ["again", 3], **ours(lab))
    worker.wait_for(lambda: lab.finished() >= 49 and returned(lab) >= 2)
    worker.wait_for(lambda: not lab.execute(OF_TASKS))
    assert worker.stop() == 0
    assert lost(lab) == {}
    assert lab.counted() == lab.executions()
    assert lab.executions()["ok", "success", ""] == 40
    assert lab.execute(ROWS) == lab.execute(LEFT) == []
    assert not lab.execute("SELECT * FROM kombu_message_consumer")


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_every_way_to_end_settles_the_message(lab: Lab, pool: str) -> None:
    """Tasks that return, retry, publish, are requeued from a pool's thread: no row is left.

    In prefork processes come and go, and publish by connections of their own.
    """
    options = ["--max-tasks-per-child=3"] if pool == "prefork" else []
    worker = lab.worker(pool, *options, **ours(lab))
    tasks = {"ok": 6, "again": 4, "chain": 2, "requeue_once": 1, "reject": 2, "boom": 2}
    messages = [[task, n, {"args": [2]} if task == "chain" else {}] for task, n in tasks.items()]
    lab.publish(*messages, ["unknown", 1], **ours(lab))
    worker.wait_for(lambda: not lab.execute(ROWS))
    done = lab.executions()
    assert done["ok", "success", ""] == 6
    assert done["again", "success", ""] == 4
    assert done["chain", "success", ""] == 6
    assert done["requeue_once", "success", ""] == 1
    assert worker.stop() == 0
    assert not lab.execute("SELECT * FROM kombu_message_consumer")


def test_a_warm_stop_gives_back_what_waits_for_its_time(lab: Lab) -> None:
    """At once, as the same rows, and without a dump of them anywhere."""
    worker = lab.worker("prefork", **ours(lab))
    lab.publish(["ok", 3, {"countdown": 3600}], **ours(lab))
    worker.wait_for(lambda: {visible for visible, _ in lab.execute(ROWS)} == {False})
    assert worker.stop() == 0
    assert lab.execute(ROWS) == [(True, 2)] * 3
    assert "EMERGENCY" not in worker.log.read_text()


def test_a_lost_connection_keeps_what_waits_for_its_time(lab: Lab) -> None:
    """The worker goes on, and still holds the tasks that wait for their ETA; they run once."""
    worker = lab.worker("threads", **ours(lab))
    lab.publish(["ok", 2, {"countdown": 8}], ["sleep", 1, {"args": [2]}], **ours(lab))
    worker.wait_for(lambda: lab.executions()["sleep", "begun", ""] == 1)
    worker.wait_for(lambda: len([row for row in lab.execute(ROWS) if not row[0]]) == 2)
    lab.cut_connections()
    lab.publish(["ok", 1], **ours(lab))
    worker.wait_for(lambda: not lab.execute(ROWS))
    assert lab.executions()["ok", "success", ""] == 3
    assert worker.stop() == 0
    log = worker.log.read_text()
    assert "Restoring" not in log
    assert "EMERGENCY" not in log


def test_a_database_that_is_restarted_loses_nothing(lab: Lab, server: Postgres) -> None:
    """Under running tasks, prefetched ones and some that wait for their ETA, as after a crash.

    The workers go on, what they hold stays theirs, and the sweeper is at its place again: what one
    of them holds when it is killed comes back. The readings have a gap, which has a reason.
    """
    left, killed = (lab.worker("prefork", name=name, **ours(lab)) for name in ("left", "killed"))
    later = {"countdown": 6, "args": [1]}
    lab.publish(["sleep", 20, {"args": [1.5]}], ["sleep", 2, later], **ours(lab))
    left.wait_for(lambda: lab.executions()["sleep", "begun", ""] >= 4)
    server.restart()
    begun = lab.executions()["sleep", "begun", ""]
    received = killed.log.read_text().count(" received")
    left.wait_for(lambda: "unreachable" in blind(lab.sink, ever=True))
    left.wait_for(lambda: lab.executions()["sleep", "begun", ""] > begun)
    killed.wait_for(lambda: killed.log.read_text().count(" received") > received)  # it holds some
    killed.kill()
    left.wait_for(lambda: not lab.execute(ROWS))
    left.wait_for(lambda: lab.sink.sum("celery.broker.recovered", queue_name="lab") > 0)
    left.wait_for(lambda: "unreachable" not in blind(lab.sink))
    assert lab.executions()["sleep", "begun", ""] >= 22
    assert "failed" not in blind(lab.sink, ever=True)
    assert lab.sink.sum("celery.telemetry.hook.errors") == 0
    assert left.stop() == 0
    assert "telemetry failed" not in left.log.read_text()


def test_workers_killed_at_random_lose_nothing(lab: Lab) -> None:
    """Killed under load, again and again: every task ran, and none began after its row was gone."""
    chosen = random.Random(8)
    workers = [lab.worker("prefork", name=f"w{number}", **ours(lab)) for number in range(2)]
    lab.execute(_NOTE_GONE)
    for number in range(2, 4):
        gone = len(lab.execute("SELECT 1 FROM gone"))
        lab.publish(["numbered", 60], **ours(lab))
        workers[0].wait_for(lambda gone=gone: len(lab.execute("SELECT 1 FROM gone")) > gone + 5)
        workers.pop(chosen.randrange(len(workers))).process.kill()
        if number < 3:
            workers.append(lab.worker("prefork", name=f"w{number}", **ours(lab)))
    workers[0].wait_for(lambda: not lab.execute(ROWS))
    assert workers[0].stop() == 0
    assert lab.sink.sum("celery.broker.recovered", queue_name="lab") > 0
    begun = lab.execute("SELECT detail FROM executions WHERE outcome = 'begun'")
    done = lab.execute("SELECT DISTINCT detail FROM executions WHERE outcome = 'success'")
    assert len(done) == 120
    assert len(begun) > 120, "nobody was killed while a task ran: this has shown nothing"
    assert not lab.execute(
        "SELECT 1 FROM gone JOIN executions ON detail = task_id"
        " WHERE outcome = 'begun' AND amount > gone.at"
    )


_NOTE_GONE = """
CREATE TABLE gone (task_id text, at double precision);
CREATE FUNCTION note_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO gone VALUES (
        old.payload::json -> 'headers' ->> 'id', extract(epoch FROM clock_timestamp())
    );
    RETURN old;
END $$;
CREATE TRIGGER gone AFTER DELETE ON kombu_message FOR EACH ROW EXECUTE FUNCTION note_gone();
"""
