"""A broker in Redis: the lists that kombu keeps, one for each priority of a queue.

Comes in: kombu's channel, which knows the server, also by its sentinels, and the prefix of keys.
Goes out: a `Look`, by one round trip that reads. A queue is as long as its lists together, without
what workers have taken and not acknowledged; the next message of each list is at its end. A list
without messages does not exist in Redis, so a queue that is not there is empty.

kombu's own passive declaration is not asked: it looks for lists without the prefix of keys.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

from telemetry.broker.channel import ANSWER_SECONDS, CONNECT_SECONDS, ChannelBroker
from telemetry.broker.heads import Waiting
from telemetry.broker.readings import Look, Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from telemetry.broker.channel import Connection


class RedisBroker(ChannelBroker):
    """The lists of one database."""

    limits: ClassVar[Mapping[str, Any]] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
    }

    def __init__(self, connection: Connection, queue_names: Callable[[], Iterable[str]]) -> None:
        super().__init__(connection, queue_names)
        self._heads: dict[str, tuple[bytes, int]] = {}
        """Of each list a digest of its last message, and the message's place."""
        self._places = 0

    def ask(self, queues: Sequence[str]) -> Look:
        """Ask for everything at once."""
        lists = {queue: self._lists(queue) for queue in queues}
        pipeline = self.channel.client.pipeline(transaction=False)
        pipeline.time()
        for key in (key for keys in lists.values() for key in keys):
            pipeline.llen(key)  # kombu's client puts the prefix to this one
            pipeline.execute_command("LINDEX", f"{self.channel.global_keyprefix}{key}", -1)
        (seconds, microseconds), *answers = pipeline.execute()
        told = iter(answers)
        seen = []
        for queue, keys in lists.items():
            found = [(key, int(next(told)), next(told)) for key in keys]
            heads = [self._waiting(key, payload) for key, _, payload in found]
            length = sum(length for _, length, _ in found)
            seen.append(Queue(queue, length, tuple(head for head in heads if head is not None)))
        return Look(self.name, seconds + microseconds / 1e6, tuple(seen), self._places)

    def _lists(self, queue: str) -> list[str]:
        """The keys of a queue, without the prefix; the highest priority has the bare name."""
        separator, steps = self.channel.sep, self.channel.priority_steps
        return [f"{queue}{separator}{step}" if step else queue for step in steps]

    def _waiting(self, key: str, payload: str | bytes | None) -> Waiting | None:
        """The message at the end of a list; its place grows whenever that is another one."""
        if payload is None:
            self._heads.pop(key, None)
            return None
        text = payload if isinstance(payload, bytes) else payload.encode()
        digest = blake2b(text, digest_size=16).digest()
        known, place = self._heads.get(key, (b"", 0))
        if known != digest:
            self._places += 1
            place = self._places
            self._heads[key] = (digest, place)
        return Waiting(place, payload)
