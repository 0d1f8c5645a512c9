from __future__ import annotations

import pytest
from celery import Celery
from kombu import Exchange, Queue, binding

from telemetry.tasks.facts import UNKNOWN
from telemetry.tasks.publish import bindings
from telemetry.tasks.routes import REMEMBERED_MAX, Routes

app = Celery("routes", broker="memory://")
app.conf.task_queues = [
    Queue("lab"),
    Queue("eu", Exchange("shop"), routing_key="orders.eu"),
    Queue("audit", Exchange("logs", type="topic"), routing_key="audit.#"),
    Queue("errors", Exchange("logs", type="topic"), routing_key="*.error"),
    Queue("all", Exchange("news", type="fanout")),
    Queue("two", bindings=[binding(Exchange("a"), "x"), binding(Exchange("b"), "y")]),
]


@pytest.mark.parametrize(
    ("exchange", "routing_key", "queue_name"),
    [
        ("", "lab", "lab"),
        ("", "eu", "eu"),
        ("shop", "orders.eu", "eu"),
        ("logs", "audit", "audit"),
        ("logs", "audit.login.failed", "audit"),
        ("logs", "web.error", "errors"),
        ("news", "anything", "all"),
        ("a", "x", "two"),
        ("b", "y", "two"),
        ("", "nobody", UNKNOWN),
        ("shop", "orders.us", UNKNOWN),
        ("logs", "a.b.error", UNKNOWN),
        ("", "", UNKNOWN),
    ],
)
def test_a_message_is_in_the_queue_that_it_was_routed_to(
    exchange: str, routing_key: str, queue_name: str
) -> None:
    """By the app's own bindings, and never in a default queue by accident."""
    assert Routes(lambda: bindings(app))[exchange, routing_key] == queue_name


def test_a_queue_that_is_added_later_is_known() -> None:
    """Consumers can be added while a worker runs."""
    late = Celery("late", broker="memory://")
    routes = Routes(lambda: bindings(late))
    assert routes["", "new"] == UNKNOWN
    late.amqp.queues.add(Queue("new"))
    assert routes["", "new"] == "new"


def test_routing_keys_without_end_are_not_remembered() -> None:
    """A topic's keys may hold an order's number each."""
    routes = Routes(lambda: bindings(app))
    for number in range(REMEMBERED_MAX + 100):
        assert routes["logs", f"audit.{number}"] == "audit"
    assert len(routes) == REMEMBERED_MAX
