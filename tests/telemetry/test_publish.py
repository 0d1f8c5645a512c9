from __future__ import annotations

import time
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue

from telemetry.tasks.facts import Fact, Sent
from telemetry.tasks.publish import HEADER, Publisher, enqueued_at_seconds


@pytest.fixture
def app() -> Celery:
    """An app with a queue of the default exchange and one of another."""
    made = Celery("publish", broker="memory://")
    made.conf.task_default_queue = "lab"
    made.conf.task_queues = [Queue("lab"), Queue("eu", Exchange("shop"), routing_key="orders.eu")]
    return made


def test_a_task_is_stamped_and_counted_once_it_is_sent(app: Celery) -> None:
    """The message carries the time; the fact has the task's name and the queue's."""
    told: list[Fact] = []
    publisher = Publisher(told.append, [app])
    before = time.time()
    app.send_task("a.task")
    app.send_task("a.task", queue="eu", exchange="shop", routing_key="orders.eu")
    assert publisher
    assert told == [Sent("a.task", "lab"), Sent("a.task", "eu")]
    with app.connection_for_read() as connection:
        message: Any = connection.SimpleQueue("lab").get(timeout=10)
        stamp = enqueued_at_seconds(message.headers)
        assert stamp is not None
        assert before <= stamp <= time.time()


def test_a_task_that_could_not_be_sent_is_not_counted(app: Celery) -> None:
    """Counting comes after publishing."""
    told: list[Fact] = []
    publisher = Publisher(told.append, [app])
    with pytest.raises(Exception, match="not JSON serializable"):
        app.send_task("a.task", args=(object(),))
    assert publisher
    assert told == []


def test_a_publisher_s_failure_is_its_own(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    """What is wrong with the telemetry is logged once; the task is sent every time."""

    def broken(_fact: Fact) -> None:
        raise OSError("no space left for secret-value")

    publisher = Publisher(broken, [app])
    app.send_task("a.task")
    app.send_task("a.task")
    assert publisher
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("telem")]
    assert len(lines) == 1
    assert lines[0].startswith("telemetry failed in task_sent: OSError at ")
    assert "secret-value" not in caplog.text


@pytest.mark.parametrize(
    "value", [None, "1e9", float("nan"), float("inf"), -1, 0, 10**400, [1.0], {}]
)
def test_a_stamp_that_is_no_time_is_none(value: Any) -> None:
    """Headers come from outside."""
    assert enqueued_at_seconds({HEADER: value}) is None
    assert enqueued_at_seconds({}) is None
