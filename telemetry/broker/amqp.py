"""A broker that speaks AMQP, such as RabbitMQ, asked by declaring its queues passively.

Comes in: kombu's channel. Goes out: a `Look` with lengths: what waits, without what workers hold.
Passively declared means that nothing is made: a queue that nobody has declared is told as missing.
AMQP shows no message without taking it, so there is no age.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any, ClassVar

from amqp.exceptions import NotFound

from telemetry.broker.channel import ANSWER_SECONDS, ChannelBroker
from telemetry.broker.readings import Look, Queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.broker.blind import Reason


class AmqpBroker(ChannelBroker):
    """The queues of one virtual host."""

    limits: ClassVar[Mapping[str, Any]] = {
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
    }

    def ask(self, queues: Sequence[str]) -> Look:
        """Ask for one after the other."""
        blind: set[Reason] = set()
        seen = []
        for queue in queues:
            try:
                declared = self.open().queue_declare(queue, passive=True)
            except NotFound:
                self.channel = None  # the broker has closed it
                blind.add("missing")
            else:
                seen.append(Queue(queue, int(declared.message_count), None))
        return Look(self.name, time(), tuple(seen), blind=frozenset(blind))
