"""Bytes on a connection of the HTTP server, once with heads that are remembered, once without.

The connections are real (a pair of sockets, asyncio's own transports) and so are the answers.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from collector.server.connection import Connection
from collector.server.messages import PLAIN, Request, Response
from collector.server.room import Room
from tests.collector.echo import LIMITS, Echo
from tests.collector.serving import DATE

STEP = 16
"""An input's first byte says how many times this many bytes are sent at once; 0 for all of them."""
_LOOP = asyncio.new_event_loop()


class _Faults(logging.Handler):
    """Where the server reports what must not happen."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


_LOG = logging.getLogger("collector.server.room")
_FAULTS = _Faults()


class Plain(Echo):
    """An echo of a request with all its headers, which never fails and is never long."""

    def answer(self, request: Request) -> Response:
        """Say all that the request is."""
        self.asked.append(request)
        told = repr((request.method, request.path, sorted(request.headers.items())))
        return Response(200, PLAIN, told.encode("latin-1", "replace") + request.body)


class Forgetful(Connection):
    """A connection that parses every head."""

    @property
    def _head(self) -> None:  # type: ignore[override]
        return None

    @_head.setter
    def _head(self, head: object) -> None:
        pass


def http(data: bytes) -> None:
    """Every request is understood as the parser has it; nothing is a fault of ours."""
    size = STEP * data[0] if data and data[0] else len(data) + 1
    sent = [data[at : at + size] for at in range(1, len(data), size)]
    _LOG.addHandler(_FAULTS)  # here alone: other tests have faults on purpose
    try:
        known, parsed = (
            _LOOP.run_until_complete(_talk(kind, sent)) for kind in (Connection, Forgetful)
        )
    finally:
        _LOG.removeHandler(_FAULTS)
    assert known == parsed


async def _talk(kind: type[Connection], pieces: list[bytes]) -> tuple[bytes, list[Request], dict]:
    """Send the pieces and end; return what was answered, what was asked, and the limits met."""
    loop = asyncio.get_running_loop()
    echo = Plain()
    room = Room(echo, LIMITS, 0.0, DATE)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    transport, _ = await loop.connect_accepted_socket(lambda: kind(room), theirs)
    reading = loop.create_task(_read(ours))
    for piece in pieces:
        with suppress(BrokenPipeError, ConnectionResetError):
            await loop.sock_sendall(ours, piece)
        await asyncio.sleep(0)
    with suppress(OSError):
        ours.shutdown(socket.SHUT_WR)
    answered = await reading
    transport.abort()
    ours.close()
    await asyncio.sleep(0)  # the transport tells its protocol that it is lost
    assert not room.guests
    assert room.buffered_bytes == 0
    return answered, echo.asked, dict(room.counts)


async def _read(ours: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    parts = []
    with suppress(ConnectionResetError):
        while part := await loop.sock_recv(ours, 1 << 16):
            parts.append(part)
    return b"".join(parts)
