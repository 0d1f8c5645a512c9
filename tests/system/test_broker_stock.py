"""Kombu's own SQL transport: what its rows do not say, and what can be done all the same."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from click.testing import CliRunner, Result

from telemetry.cli import main
from tests.support import broker as brokers
from tests.support.broker import QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import Broker
    from tests.support.postgres import Postgres

# SQLAlchemy's, of the models of kombu's own transport.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

SWEEP = "UPDATE kombu_message SET visible = true, timestamp = NULL WHERE NOT visible"
"""What an audit proposed for old rows, of any age."""


@pytest.fixture(scope="module")
def database(server: Postgres) -> str:
    """One database for these tests."""
    return server.create(f"stock-{uuid.uuid4().hex}")


@pytest.fixture
def broker(database: str) -> Iterator[Broker]:
    """A broker with kombu's own tables, and no message in them."""
    with brokers.made(database) as made:
        with made.connect("sqla+") as connection:
            connection.default_channel.queue_declare(QUEUE)
            made.execute("DELETE FROM kombu_message")  # kombu's session has a lock
        yield made


def rows(broker: Broker) -> list[tuple[object, ...]]:
    """Every row of the table, and all that is in it but the message."""
    return broker.execute(
        "SELECT visible, timestamp IS NULL, version FROM kombu_message ORDER BY id"
    )


def test_the_timestamp_is_not_when_a_message_was_sent(broker: Broker) -> None:
    """It is NULL while the message waits, which is when its age would matter.

    It is set at the delivery, so `now() - min(timestamp)` is the age of the oldest delivery there
    ever was.
    """
    queue = broker.queue("sqla+")
    queue.put(1)
    assert rows(broker) == [(True, True, 1)]
    queue.get(timeout=20).ack()
    assert rows(broker) == [(False, False, 2)]


def test_invisible_does_not_mean_reserved(broker: Broker) -> None:
    """Held, acknowledged, rejected: three rows that cannot be told from each other."""
    queue = broker.queue("sqla+")
    for number in range(3):
        queue.put(number)
    messages = [queue.get(timeout=20) for _ in range(3)]
    messages[1].ack()
    messages[2].reject()
    assert rows(broker) == [(False, False, 2)] * 3
    messages[0].ack()


def test_a_sweep_of_old_rows_delivers_again_what_is_done(broker: Broker) -> None:
    """Why there is no automatic recovery for this transport."""
    queue = broker.queue("sqla+")
    queue.put("done")
    queue.get(timeout=20).ack()
    broker.execute(SWEEP)
    again = queue.get(timeout=20)
    assert again.payload == "done"
    again.ack()


def test_the_same_sweep_finds_nothing_on_the_acknowledging_transport(broker: Broker) -> None:
    """What is done has no row; invisible is what somebody holds."""
    queue = broker.queue()
    queue.put("done")
    queue.get(timeout=20).ack()
    broker.wait_for(lambda: not broker.rows())
    broker.execute(SWEEP)
    assert not broker.rows()


class Past:
    """Messages that a stock worker took, and what the result backend says of their tasks."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.app = Celery("past", broker=f"sqla+{broker.database}", backend=f"db+{broker.database}")
        self.app.conf.task_default_queue = QUEUE
        self.app.backend.store_result("first", None, "SUCCESS")  # makes the table
        broker.execute("DELETE FROM celery_taskmeta")

    def add(self, task_id: str, state: str | None, *, days: int = 2) -> None:
        """A task that was delivered, and its state, if one was recorded."""
        self.app.send_task(f"shop.{task_id}", task_id=task_id, args=["hunter2"])
        self._broker.execute(
            f"UPDATE kombu_message SET visible = false, version = 2,"
            f" timestamp = localtimestamp - interval '{days} days' WHERE visible"
        )
        if state is not None:
            self.app.backend.store_result(task_id, None, state)

    def close(self) -> None:
        """End the app's connections."""
        self.app.close()

    def left(self) -> list[tuple[object, ...]]:
        """The tasks of the rows that are left, and whether each waits."""
        found = self._broker.execute(
            "SELECT CAST(payload AS json) -> 'headers' ->> 'id', visible"
            " FROM kombu_message ORDER BY id"
        )
        return [(task_id, visible) for task_id, visible in found]


def command(broker: Broker, *arguments: str) -> Result:
    """Run `portless broker …`."""
    environ = {"CELERY_BROKER_URL": f"sqla+{broker.database}"}
    return CliRunner().invoke(main, ["broker", *arguments], env=environ)


def test_recovery_is_refused_unless_somebody_answers_for_it(broker: Broker) -> None:
    """The refusal says why, what to do first, and what makes it unnecessary."""
    with closing(Past(broker)) as past:
        past.add("begun", "STARTED")
        refused = command(broker, "recover")
        assert refused.exit_code == 2
        for words in ("runs finished tasks again", "--dry-run", "--workers-stopped", "portless+"):
            assert words in refused.output.replace("\n", " ")
        assert past.left() == [("begun", False)]


def test_recovery_restores_what_began_and_never_ended(broker: Broker) -> None:
    """Of a task that was delivered twice the later message; nothing of which nothing is known."""
    with closing(Past(broker)) as past:
        past.add("begun", "STARTED")
        past.add("ended", "SUCCESS")
        past.add("unheard", None)
        past.add("retried", "RETRY")
        past.add("retried", None)
        past.app.send_task("shop.waits", task_id="waits")
        past.app.backend.store_result("waits", None, "RETRY")
        listed = command(broker, "recover", "--dry-run")
        assert listed.exit_code == 0, listed.output
        assert [line.split()[1:] for line in listed.output.splitlines()[:-1]] == [
            ["shop.begun", "begun"],
            ["shop.retried", "retried"],
        ]
        assert "5 delivered: 1 done, 2 to restore, 1 of which nothing is recorded" in listed.output
        assert not any(visible for task_id, visible in past.left() if task_id != "waits")
        chosen = command(broker, "recover", "--workers-stopped", "--task", "shop.begun")
        assert "1 restored" in chosen.output
        rest = command(broker, "recover", "--workers-stopped")
        assert "1 restored" in rest.output
        assert past.left() == [
            ("begun", True),
            ("ended", False),
            ("unheard", False),
            ("retried", False),
            ("retried", True),
            ("waits", True),
        ]
        assert "hunter2" not in listed.output + chosen.output


def test_pruning_deletes_what_has_ended_and_nothing_else(broker: Broker) -> None:
    """Not what is young, not what waits to be tried again, not what nobody knows of."""
    with closing(Past(broker)) as past:
        for number in range(3):
            past.add(f"ended-{number}", "FAILURE" if number else "SUCCESS")
        past.add("young", "SUCCESS", days=0)
        past.add("begun", "STARTED")
        past.add("unheard", None)
        past.add("sent-again", "SUCCESS")
        past.app.send_task("shop.sent-again", task_id="sent-again")
        broker.execute(
            "INSERT INTO kombu_message (id, visible, timestamp, payload, version, queue_id)"
            " SELECT nextval('message_id_sequence'), false, '2020-01-01', 'no message', 2,"
            " min(queue_id) FROM kombu_message"
        )
        before = len(broker.rows())
        tried = command(broker, "prune", "--dry-run")
        assert tried.exit_code == 0, tried.output
        assert "3 could be deleted; 4 of that age stay" in tried.output
        assert len(broker.rows()) == before
        pruned = command(broker, "prune")
        assert "3 deleted; 4 of that age stay" in pruned.output
        assert len(broker.rows()) == before - 3
        broker.execute("DELETE FROM kombu_message WHERE payload = 'no message'")
        left = [task_id for task_id, _ in past.left()]
        assert left == ["young", "begun", "unheard", "sent-again", "sent-again"]
        assert "3 deleted" not in command(broker, "prune").output


def test_what_cannot_be_proven_or_reached_is_said_without_a_secret(broker: Broker) -> None:
    """No results, results elsewhere, no SQL broker, no server: one sentence each."""
    broker.execute("DROP TABLE IF EXISTS celery_taskmeta")
    with closing(Past(broker)) as past:
        past.add("ended", "SUCCESS")
        broker.execute("DROP TABLE celery_taskmeta")
        missing = command(broker, "prune")
        assert missing.exit_code == 1
        assert "UndefinedTable" in missing.output
        elsewhere = command(broker, "prune", "--results", "redis://:hunter2@host")
        assert "nothing can be proven" in elsewhere.output
        other = command(broker, "prune", "--broker", "redis://:hunter2@host")
        assert "is no SQL database" in other.output
        away = command(broker, "prune", "-b", "sqla+postgresql+psycopg2://u:hunter2@/x?host=/no")
        assert "OperationalError" in away.output
        for result in (missing, elsewhere, other, away):
            assert "hunter2" not in result.output
            assert "Traceback" not in result.output
