"""A server on a bound socket: accepts connections into its room, drains them at the end.

In: a socket and a handler. Out: numbers about itself. It has no clock but the one that it is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from collector.self_metrics import Sample, gauge
from collector.server.connection import Connection
from collector.server.door import OPEN, Door
from collector.server.limits import HTTP_LIMITS, limited
from collector.server.room import Room
from collector.server.tls_acceptor import TlsAcceptor

if TYPE_CHECKING:
    import socket

    from collector.server.limits import Limits
    from collector.server.messages import Handler

BACKLOG = 1024
"""Connections that wait to be accepted: after a restart all workers come at once."""


class HttpServer:
    """One HTTP server of the collector."""

    def __init__(
        self, name: str, handler: Handler, limits: Limits, now: float, date: str, door: Door = OPEN
    ) -> None:
        """`name` is a label of its numbers; `now` and `date` as for `tick`."""
        self.name = name
        self._room = Room(handler, limits, now, date, door)

    async def start(self, listening: socket.socket) -> None:
        """Accept connections from now on."""
        self._server: asyncio.AbstractServer | TlsAcceptor
        certificates = self._room.door.certificates
        if certificates:
            self._server = TlsAcceptor(self._room, certificates, self._connection)
            self._server.start(listening, BACKLOG)
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=listening, backlog=BACKLOG)

    def _connection(self) -> Connection:
        return Connection(self._room)

    def tick(self, now: float, date: str) -> None:
        """Tell the time, about once a second: seconds of any steady clock, and the Date header."""
        self._room.tick(now, date)

    async def drain(self, seconds: float) -> None:
        """Stop to accept, answer what is under way, close everything after `seconds` at most."""
        self._server.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._room.drain() and loop.time() < end:  # noqa: ASYNC110 - over in milliseconds
            await asyncio.sleep(0.01)
        for guest in list(self._room.guests):
            guest.abort()

    def samples(self) -> list[Sample]:
        """Return the server's own numbers, for every limit from 0 on."""
        return [
            gauge(
                "portless_server_connections",
                len(self._room.guests),
                "Connections open.",
                server=self.name,
            ),
            *limited(self.name, HTTP_LIMITS, self._room.counts),
        ]
