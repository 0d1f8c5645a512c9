"""Canaries in real workers: they come back in every pool, and say where they were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from amqp.exceptions import NotFound
from kombu import Connection

from tests.system.conftest import POOLS

if TYPE_CHECKING:
    from tests.support.redis import Redis
    from tests.support.worker import Worker
    from tests.system.conftest import Lab

ROUND_TRIP = "celery.canary.round_trip"
FAILURES = "celery.canary.failures"
HERE = {"hostname": "one@lab"}
OFTEN = {"PORTLESS_CANARY_INTERVAL": "0.5", "PORTLESS_CANARY_TIMEOUT": "2"}
LEFT = """
SELECT 'message' FROM kombu_message JOIN kombu_queue ON kombu_queue.id = queue_id
  WHERE name LIKE 'portless.canary.%'
UNION ALL SELECT 'queue' FROM kombu_queue WHERE name LIKE 'portless.canary.%'
UNION ALL SELECT 'result' FROM celery_taskmeta WHERE task_id LIKE '%canary%'
"""
ON_INSERT = """
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NEW; END $$;
CREATE TRIGGER meddle BEFORE INSERT ON kombu_message FOR EACH ROW EXECUTE FUNCTION meddle();
"""
"""A broker that does something to what is published."""
NO_DELETE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON kombu_message FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def returned(lab: Lab) -> float:
    """How many came back."""
    return lab.sink.sum(ROUND_TRIP, **HERE)


def lost(lab: Lab) -> dict[str, float]:
    """How many did not, by stage."""
    found = {dict(key)["stage"]: n for key, n in lab.sink.sums(FAILURES).items() if n}
    return dict(found)


@pytest.mark.parametrize("pool", POOLS)
def test_canaries_return_and_leave_nothing(lab: Lab, pool: str) -> None:
    """Beside tasks of the application's, whose books they are not in; no row of theirs stays."""
    worker = lab.worker(pool, **OFTEN)
    lab.publish(["ok", 5])
    worker.wait_for(lambda: returned(lab) >= 3 and lab.finished() >= 5)
    worker.wait_for(lambda: "last message to itself took" in lab.probe("ready")[1])
    assert worker.stop() == 0
    assert lost(lab) == {}
    assert {dict(key)["stage"] for key in lab.sink.sums(FAILURES)} == {
        *("publish", "receive", "execute", "row", "acknowledge")
    }
    assert lab.sink.sum("celery.task.received") == 5
    assert lab.counted() == lab.executions()
    assert lab.sink.sum("celery.worker.tasks.active") == 0
    assert lab.execute(LEFT) == []


def test_a_full_pool_is_no_broken_broker(lab: Lab) -> None:
    """It waits for three times as long as it may be under way, and is not counted as lost."""
    worker = lab.worker("prefork", **OFTEN)
    worker.wait_for(lambda: returned(lab) >= 1)
    lab.publish(["sleep", 2, {"args": [7]}])
    worker.wait_for(lambda: lab.sink.sum("celery.worker.tasks.active") >= 1)
    worker.wait_for(lambda: lab.sink.sum(ROUND_TRIP, of="sum", **HERE) > 6)
    assert lost(lab) == {}


@pytest.mark.parametrize(
    ("stage", "pool", "break_it"),
    [
        pytest.param("receive", "threads", ON_INSERT.format("NEW.visible := false"), id="receive"),
        pytest.param("row", "prefork", "ALTER TABLE celery_taskmeta RENAME TO gone", id="row"),
        pytest.param("publish", "solo", ON_INSERT.format("RAISE 'no'"), id="publish"),
    ],
)
def test_a_lost_canary_says_at_which_stage(lab: Lab, stage: str, pool: str, break_it: str) -> None:
    """In the metric, in the log, and to the readiness probe."""
    worker = lab.worker(pool, **OFTEN)
    worker.wait_for(lambda: returned(lab) >= 1)
    lab.execute(break_it)
    wait_for_loss(lab, worker, stage)


@pytest.mark.parametrize("pool", ["prefork", "threads", "eventlet"])
def test_canaries_return_through_amqp(lab: Lab, rabbitmq: int, pool: str) -> None:
    """By a queue of their own, which is gone when the worker is."""
    url = f"amqp://guest:guest@127.0.0.1:{rabbitmq}//"
    worker = lab.worker(pool, **OFTEN, LAB_BROKER=url)
    lab.publish(["ok", 5], LAB_BROKER=url)
    worker.wait_for(lambda: returned(lab) >= 3 and lab.finished() >= 5)
    assert worker.stop() == 0
    assert lost(lab) == {}
    assert lab.counted() == lab.executions()
    with Connection(url) as connection, pytest.raises(NotFound):
        connection.default_channel.queue_declare("portless.canary.one@lab", passive=True)


@pytest.mark.parametrize("pool", ["prefork", "solo", "gevent"])
def test_canaries_return_through_a_broker_with_events(lab: Lab, redis: Redis, pool: str) -> None:
    """Redis feeds the worker's event loop: no row is left there, nor a key."""
    worker = lab.worker(pool, **OFTEN, LAB_BROKER=redis.address)
    worker.wait_for(lambda: lab.probe("ready")[0] == 0)
    worker.wait_for(lambda: returned(lab) >= 3)
    assert lab.probe("live", "--max-age", "5")[0] == 0
    assert worker.stop() == 0
    assert lost(lab) == {}
    assert not [key for key in redis.all_keys() if "canary" in key]


def test_a_broker_with_events_that_is_gone(lab: Lab, redis: Redis) -> None:
    """The canary is lost where it was to be published, and nobody restarts the worker for it."""
    worker = lab.worker("solo", **OFTEN, LAB_BROKER=redis.address)
    worker.wait_for(lambda: returned(lab) >= 1)
    redis.stop()
    worker.wait_for(lambda: lost(lab).get("publish", 0) >= 1)
    assert lab.probe("live", "--max-age", "5")[0] == 0
    assert lab.probe("ready")[0] == 1


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_canary_that_ran_and_was_not_acknowledged(lab: Lab, pool: str) -> None:
    """As where the role may do all but delete: everything else comes to pass and is not blamed."""
    worker = lab.worker(pool, **OFTEN, LAB_BROKER=f"portless+{lab.database}")
    worker.wait_for(lambda: returned(lab) >= 1)
    lab.execute(NO_DELETE)
    wait_for_loss(lab, worker, "acknowledge")
    worker.wait_for(lambda: "'acknowledge'" in lab.probe("ready")[1])
    assert lab.probe("live")[0] == 0
    assert set(lost(lab)) == {"acknowledge"}
    lab.execute("DROP TRIGGER refuse ON kombu_message")
    worker.wait_for(lambda: lab.probe("ready")[0] == 0)


def wait_for_loss(lab: Lab, worker: Worker, stage: str) -> None:
    """Until the canary is lost at this stage, for everybody to see."""
    worker.wait_for(lambda: lost(lab).get(stage, 0) >= 1)
    worker.wait_for(lambda: f"lost at the stage '{stage}'" in worker.log.read_text())


def test_a_task_that_never_ends_is_lost_in_execution(lab: Lab) -> None:
    """Begun and not ended, with a slot still free: whatever it is, it is not the broker."""
    worker = lab.worker("threads", **OFTEN, LAB_STUCK="portless.canary")
    wait_for_loss(lab, worker, "execute")
    worker.wait_for(lambda: lab.probe("ready")[0] == 1)
    assert "lost at the stage 'execute'" in lab.probe("ready")[1]
    assert lab.probe("live")[0] == 0
