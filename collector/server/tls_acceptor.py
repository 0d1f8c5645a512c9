"""Accepts connections that have to speak TLS, and joins those that do to the server's protocol.

asyncio's own server makes no difference between a connection and one that is trusted; here those
that only shake hands are counted and limited, a network that is not allowed does not even get to
that, and who speaks plain HTTP is told so, in the real collector's words.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from collector.server.limits import Limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.server.room import Room
    from collector.server.tls import Certificates

log = logging.getLogger(__name__)

HANDSHAKE = b"\x16"
"""How TLS begins (https://www.rfc-editor.org/rfc/rfc8446#section-5.1)."""
PLAIN_HTTP = (
    b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n"
    b"Client sent an HTTP request to an HTTPS server.\n"
)
PAUSE_SECONDS = 1.0
"""When there is no descriptor for another connection; as long as asyncio waits."""


class TlsAcceptor:
    """The accepting end of a server."""

    def __init__(
        self, room: Room, certificates: Certificates, protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._room = room
        self._certificates = certificates
        self._protocol = protocol
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self, listening: socket.socket, backlog: int) -> None:
        """Accept from now on."""
        listening.settimeout(0)  # the loop waits
        listening.listen(backlog)
        self._listening = listening
        self._loop = asyncio.get_running_loop()
        self._resume()

    def close(self) -> None:
        """Accept no more, and let go of those that only shake hands."""
        if self._listening.fileno() < 0:
            return  # it is closed already
        self._loop.remove_reader(self._listening)
        if self._pause:
            self._pause.cancel()
        for task in self._handshakes:
            task.cancel()
        self._listening.close()

    def _resume(self) -> None:
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        """Take a connection; between its coming and its handshake nothing waits that could end."""
        try:
            client, peer = self._listening.accept()
        except BlockingIOError:  # who came is gone again
            return
        except OSError as error:  # no descriptor is left
            self._room.counts[Limit.CONNECTIONS] += 1
            log.warning("a connection could not be taken: %s", error.strerror)
            self._loop.remove_reader(self._listening)
            self._pause = self._loop.call_later(PAUSE_SECONDS, self._resume)
            return
        client.setblocking(False)  # noqa: FBT003 - the loop waits
        limit = self._refusal(peer[0])
        if limit:
            self._room.counts[limit] += 1
            client.close()
            return
        task = self._loop.create_task(self._welcome(client))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
        # One that is cancelled before its first step never gets to closing anything.
        task.add_done_callback(lambda done: client.close() if done.cancelled() else None)

    def _refusal(self, host: str) -> Limit | None:
        if not self._room.door.admits(host):
            return Limit.NETWORK
        if len(self._handshakes) >= self._room.limits.connections_max:
            return Limit.CONNECTIONS
        return None

    async def _welcome(self, client: socket.socket) -> None:
        """Shake hands; whatever is wrong with that ends the connection, counted."""
        seconds = self._room.limits.handshake_seconds_max
        try:
            await asyncio.wait_for(self._shake_hands(client), seconds)
        except (OSError, asyncio.TimeoutError):  # what TLS raises is an OSError too
            self._room.counts[Limit.TLS] += 1
            client.close()

    async def _shake_hands(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await _readable(client)
        first = client.recv(1, socket.MSG_PEEK)
        if first != HANDSHAKE:
            if first:
                client.send(PLAIN_HTTP)
                client.recv(65_536)  # what is left unread would reset the connection
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        context = self._certificates.context
        await loop.connect_accepted_socket(self._protocol, client, ssl=context)


async def _readable(client: socket.socket) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(client, told.set)
    try:
        await told.wait()
    finally:
        loop.remove_reader(client)
