"""The queue of a worker's canary: declared with its consumer, written to, emptied, taken away.

Comes in: an app and a node name. Goes out: messages on the queue `portless.canary.NODE`, each
through a connection to the broker of its own. Exactly the rows of this queue are deleted: an SQL
broker keeps those that were delivered for ever, and a queue that nobody consumes from would fill
up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue

from telemetry.health import canary_task
from telemetry.health.asking import Channel, channel

if TYPE_CHECKING:
    from celery import Celery

EXPIRES_SECONDS = 3600.0
"""RabbitMQ deletes the queue of a worker that has not come back for so long."""
CONNECT_SECONDS = 5.0
PREFIX = "portless.canary."


class CanaryQueue:
    """One worker's."""

    def __init__(self, app: Celery, node: str) -> None:
        self.node = node
        self.name = f"{PREFIX}{node}"
        self._app: Any = app  # its published type lacks half of what is used here

    def select(self) -> None:
        """Have the worker consume from it, whatever -Q says, after every new connection too."""
        queue = Queue(self.name, routing_key=self.name, auto_delete=True, expires=EXPIRES_SECONDS)
        self._app.amqp.queues.select_add(queue)
        # Celery has bound it to the application's own exchange. The default one needs no binding:
        # SQL brokers keep bindings in each process, and Redis would keep it for ever.
        queue.exchange = Exchange("")

    def publish(self, token: str) -> None:
        """Put one message into it, and nothing beside it. Raises whatever the broker does.

        No signal of publishing is sent: it is no task of the application's.
        """
        message = self._app.amqp.as_task_v2(token, canary_task.NAME, (token,), ignore_result=True)
        with channel(self._app, CONNECT_SECONDS) as (connection, own):
            own.queue_purge(self.name)
            connection.Producer(own).publish(
                message.body,
                exchange="",
                routing_key=self.name,
                serializer=self._app.conf.task_serializer,
                headers=message.headers,
                retry=False,
                **message.properties,
            )

    def purge(self) -> None:
        """Delete what is left of its messages."""
        with channel(self._app, CONNECT_SECONDS) as (_, own):
            own.queue_purge(self.name)

    def remove(self) -> None:
        """Delete it. Nobody consumes from it any more."""
        with channel(self._app, CONNECT_SECONDS) as (_, own):
            own.queue_purge(self.name)
            own.queue_delete(self.name)
            _forget(own, self.name)


def _forget(own: Channel, name: str) -> None:
    """Delete the queue's own row, which kombu's SQL transport leaves, in its own session."""
    queue_cls = getattr(own, "queue_cls", None)
    if queue_cls is not None:
        own.session.query(queue_cls).filter(queue_cls.name == name).delete()
        own.session.commit()
