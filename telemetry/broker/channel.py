"""A broker that is asked through a channel of kombu's: what Redis and AMQP have in common.

Comes in: a connection of kombu's, not opened, and the names of queues, since such a broker has no
list of them that anybody may read. Goes out: a `Look`, or `Unseen` with the reason. The connection
is a copy with limits of its own. It knows no metric; what is asked is a subclass's business.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias
from urllib.parse import parse_qs, urlsplit

from telemetry.broker.blind import Unseen, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from telemetry.broker.readings import Look

# kombu's own objects; their published types leave out most of what is used here.
Connection: TypeAlias = Any
Channel: TypeAlias = Any

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 3
ANSWER_SECONDS = 2


class ChannelBroker:
    """The queues of one broker; `look` connects when it has to."""

    limits: ClassVar[Mapping[str, Any]] = {}
    """Transport options without which a broker that does not answer would be waited for."""

    def __init__(self, connection: Connection, queue_names: Callable[[], Iterable[str]]) -> None:
        options = {**self.limits, **(connection.transport_options or {})}
        self._connection = connection.clone(
            transport_options=options, connect_timeout=CONNECT_SECONDS
        )
        self._queue_names = queue_names
        self.name = _name(self._connection)
        self.channel: Channel = None

    def look(self) -> Look:
        """Look once. Raises `Unseen`."""
        try:
            self.open()
            return self.ask(sorted(set(self._queue_names())))
        except Exception as error:
            logger.debug("the broker could not be read", exc_info=True)
            self.close()
            raise Unseen(reason(error), self.name) from error

    def ask(self, queues: Sequence[str]) -> Look:
        """Look at these; the channel is open."""
        raise NotImplementedError

    def open(self) -> Channel:
        """The channel, connected now if it was not."""
        if self.channel is None:
            self.channel = self._connection.channel()
        return self.channel

    def close(self) -> None:
        """End the connection."""
        self.channel = None
        try:
            self._connection.close()
        except Exception:
            logger.debug("a connection that was lost could not be closed", exc_info=True)


def _name(connection: Connection) -> str:
    """A name for the broker from its address, without user and password.

    Behind sentinels the address is any of theirs; the name of the master is one for all.
    """
    host, inside = str(connection.hostname or "localhost"), str(connection.virtual_host or "")
    if "://" in host:  # a socket's: kombu keeps the rest of the address here, the password too
        parts = urlsplit(host)
        return "/".join(
            [parts.path.rpartition("/")[2], *parse_qs(parts.query).get("virtual_host", ())]
        )
    port = connection.port or connection.get_transport_cls().default_port
    options = connection.transport_options or {}
    return f"{options.get('master_name') or f'{host}:{port}'}/{inside.strip('/')}"
