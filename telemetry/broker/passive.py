"""A broker of Redis or AMQP, asked for the length of its queues by declaring them passively.

Comes in: a connection of kombu's and the names of queues. Goes out: a `Look`, or `Unseen` with the
reason. kombu knows the rest: the lists of each priority in Redis, the prefix of keys, sentinels.
Passively declared means that nothing is made. AMQP shows no message without taking it, so there is
no age; in Redis the end of a list is looked at.
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from amqp.exceptions import NotFound
from kombu.exceptions import ChannelError

from telemetry.broker.blind import Reason, Unseen, reason
from telemetry.broker.heads import Waiting
from telemetry.broker.readings import Look, Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# kombu's own objects; their published types leave out most of what is used here.
Connection: TypeAlias = Any
Channel: TypeAlias = Any

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 3
ANSWER_SECONDS = 2
LIMITS: dict[str, dict[str, Any]] = {
    "redis": {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS},
    "amqp": {"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS},
}
"""Transport options without which a broker that does not answer would be waited for, by driver."""


class PassiveBroker:
    """The queues of one broker; `look` connects when it has to."""

    def __init__(self, connection: Connection, queue_names: Callable[[], Iterable[str]]) -> None:
        self._driver = connection.get_transport_cls().driver_type
        options = {**LIMITS[self._driver], **(connection.transport_options or {})}
        self._connection = connection.clone(
            transport_options=options, connect_timeout=CONNECT_SECONDS
        )
        self.name = _name(self._connection)
        self._queue_names = queue_names
        self._channel: Channel = None
        self._heads: dict[str, tuple[bytes, int]] = {}
        self._places = 0

    def look(self) -> Look:
        """Look once. Raises `Unseen`."""
        try:
            return self._look()
        except Exception as error:
            logger.debug("the broker could not be read", exc_info=True)
            self.close()
            raise Unseen(reason(error), self.name) from error

    def close(self) -> None:
        """End the connection."""
        self._channel = None
        try:
            self._connection.close()
        except Exception:
            logger.debug("a connection that was lost could not be closed", exc_info=True)

    def _look(self) -> Look:
        blind: set[Reason] = set()
        queues = []
        for name in sorted(set(self._queue_names())):
            length = self._length(name)
            if length is None:
                blind.add("missing")
                continue
            heads = self._next(name) if self._driver == "redis" else None
            queues.append(Queue(name, length, heads))
        return Look(self.name, self._now(), tuple(queues), self._places, blind=frozenset(blind))

    def _open(self) -> Channel:
        if self._channel is None:
            self._channel = self._connection.channel()
        return self._channel

    def _length(self, name: str) -> int | None:
        """How many wait in a queue; None where there is no such queue."""
        try:
            return int(self._open().queue_declare(name, passive=True).message_count)
        except (NotFound, ChannelError) as error:
            if getattr(error, "code", getattr(error, "reply_code", 404)) not in {404, "404"}:
                raise
            if self._driver == "redis":  # an empty list is none
                return 0
            self._channel = None  # the broker closes a channel that asked for what is not there
            return None

    def _next(self, name: str) -> tuple[Waiting, ...]:
        """The message at the end of each priority's list."""
        channel = self._open()
        found = []
        for step in channel.priority_steps:
            key = f"{name}{channel.sep}{step}" if step else name
            prefixed = f"{channel.global_keyprefix}{key}"
            payload = channel.client.execute_command("LINDEX", prefixed, -1)
            if payload is None:
                self._heads.pop(key, None)
            else:
                found.append(Waiting(self._place(key, payload), payload))
        return tuple(found)

    def _place(self, key: str, payload: str | bytes) -> int:
        """A number that grows whenever another message has come to the end of a list."""
        text = payload if isinstance(payload, bytes) else payload.encode()
        digest = blake2b(text, digest_size=16).digest()
        known = self._heads.get(key)
        if known is None or known[0] != digest:
            self._places += 1
            known = self._heads[key] = (digest, self._places)
        return known[1]

    def _now(self) -> float:
        if self._driver != "redis":
            return time()
        seconds, microseconds = self._open().client.time()
        return float(seconds) + float(microseconds) / 1e6


def _name(connection: Connection) -> str:
    """A name for the broker from its address, without user and password."""
    options = connection.transport_options or {}
    port = connection.port or connection.get_transport_cls().default_port
    host = options.get("master_name") or f"{connection.hostname or 'localhost'}:{port}"
    return f"{host}/{str(connection.virtual_host or '').strip('/')}"
