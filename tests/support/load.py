"""A producer as users write it: `python -m tests.support.load '<JSON>'` publishes and exits.

The JSON is a list of messages, `[task, times, options]`, the options those of Celery's `send_task`.
What it publishes through Celery it also writes on standard output, a line each with the task's name
and the queue's: the truth for `celery.task.sent`. Two names stand for messages that are no tasks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.support.app import app

APP = "tests.support.app."
NO_TASKS: dict[str, dict[str, Any]] = {
    "(undecodable)": {
        "body": "{",
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {"task": f"{APP}ok", "id": "undecodable"},
    },
    "(foreign)": {"body": {"hello": "world"}, "serializer": "json"},
}


def publish(task: str, number: int, **options: Any) -> None:
    """Send a task through Celery, one of the app's or one that nobody knows."""
    if task == "ok":
        options.setdefault("args", (f"tenant-{number % 3}", number + 0.25))
    known = f"{APP}{task}" in app.tasks
    app.send_task(f"{APP}{task}" if known else f"{task}-{number}", **options)
    sys.stdout.write(f"{task} {options.get('queue', 'lab')}\n")


def publish_raw(**message: Any) -> None:
    """Put a message into the queue past Celery."""
    with app.amqp.producer_pool.acquire() as producer:
        producer.publish(message.pop("body"), exchange="", routing_key="lab", **message)


if __name__ == "__main__":
    for name, times, *rest in json.loads(sys.argv[1]):
        for count in range(times):
            if name in NO_TASKS:
                publish_raw(**NO_TASKS[name])
            else:
                publish(name, count, **(rest[0] if rest else {}))
