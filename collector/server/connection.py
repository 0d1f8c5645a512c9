"""One HTTP/1 connection: requests to the handler, answers out, in order, and patience.

How requests are read is the inbox's part; what they mean, and how many other connections there are,
is not known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, NamedTuple, cast

from collector.server.answers import CONTINUE, SHORT_BYTES, head, plain, short
from collector.server.inbox import Inbox
from collector.server.limits import Limit

if TYPE_CHECKING:
    from collector.server.messages import Request, Response
    from collector.server.room import Room


class Pending(NamedTuple):
    """A request that waits for its answer."""

    request: Request
    version: str
    keep_alive: bool


class Connection(asyncio.BufferedProtocol):
    """The protocol of one client's connection."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._inbox = Inbox(room, self)
        self._pending: deque[Pending] = deque()
        self.closing = False
        """The last answer is written; what still comes in is thrown away."""
        self._paused = False
        """The client does not take what was written."""
        self._began = room.now
        self.deadline = room.now + room.limits.header_seconds_max

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or say that there is no room."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")  # nothing where who came is gone again
        if not self._room.door.admits(peer[0] if peer else ""):
            self._room.counts[Limit.NETWORK] += 1
            self.closing = True
            self.abort()
        elif not self._room.enter(self):
            self._write(plain(503), "1.1", keep_alive=False, bare=False)
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget everything."""
        self.closing = True
        self._inbox.release()
        self._pending.clear()
        self._room.guests.discard(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Offer a place to read into; it is empty again when `buffer_updated` returns."""
        return self._room.inbound

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self._inbox.feed(bytes(self._room.inbound[:nbytes]))
        if self._paused and not self.closing:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Answer no more until the client has read; so a page is not kept a thousand times."""
        self._paused = True
        self.deadline = self._room.now + self._room.limits.response_seconds_max

    def resume_writing(self) -> None:
        """Go on with what was asked meanwhile."""
        self._paused = False
        if self.closing:
            return
        self._answer()
        if not self._paused and not self.closing:
            self._transport.resume_reading()

    # What the inbox calls.

    def begins(self) -> None:
        """See `Taker`, as for all that follows."""
        self._began = self._room.now
        self._wait(self._room.limits.header_seconds_max)

    def goes_on(self) -> None:
        """Give the body as long as the whole request may take."""
        self._wait(self._room.limits.request_seconds_max)

    def _wait(self, seconds: float) -> None:
        """Have patience with the request, unless what is waited for is that answers are read."""
        if not self._paused:
            self.deadline = self._began + seconds

    def invites(self) -> None:
        """Say so, unless an answer would have to come first."""
        if not self._pending:
            self._transport.write(CONTINUE)

    def takes(self, request: Request, version: str, *, keep_alive: bool) -> None:
        """Answer it, or keep it until its turn comes."""
        self._pending.append(Pending(request, version, keep_alive))
        self._answer()

    def refuses(self, response: Response, limit: Limit | None = None) -> None:
        """Write a last answer, and go on reading for a moment.

        Closing at once would make the system reset the connection of a client that still sends, and
        the answer would be lost on its way.
        """
        if limit:
            self._room.counts[limit] += 1
        if self._pending:
            self.abort()  # this answer would overtake others
            return
        self.closing = True
        self._inbox.release()
        self._write(response, "1.1", keep_alive=False, bare=self._inbox.is_bare)
        self.deadline = self._room.now + self._room.limits.linger_seconds
        if self._transport.can_write_eof():
            with suppress(OSError):  # who is gone already does not read it
                self._transport.write_eof()

    # What the room calls.

    @property
    def idle(self) -> bool:
        """Whether no request is under way and every answer is on its way."""
        busy = self._inbox.reading or self._pending or self.closing
        return not busy and not self._transport.get_write_buffer_size()

    @property
    def asks_since(self) -> float:
        """Since when it is sending the head of a request; infinity where it is not."""
        inbox = self._inbox
        asking = inbox.reading and inbox.in_head and not self._pending and not self.closing
        return self._began if asking else inf

    def leave(self) -> None:
        """Close when all that was written is sent."""
        self.closing = True
        self.deadline = self._room.now + self._room.limits.response_seconds_max
        self._transport.close()

    def expire(self) -> None:
        """End a connection that was waited for too long."""
        if self._transport.get_write_buffer_size():
            self._room.counts[Limit.RESPONSE_SECONDS] += 1
            self.abort()
        elif self.closing:
            self.abort()
        elif self._inbox.reading:
            limit = Limit.HEADER_SECONDS if self._inbox.in_head else Limit.REQUEST_SECONDS
            self.refuses(plain(408), limit)
        else:
            self._room.counts[Limit.IDLE_SECONDS] += 1
            self.leave()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # Answers.

    def _answer(self) -> None:
        """Answer what is pending, in order, for as long as the client takes it."""
        while self._pending and not (self._paused or self.closing or self._transport.is_closing()):
            request, version, keep_alive = self._pending.popleft()
            response = self._room.answer(request)
            keep_alive = keep_alive and not self._room.draining
            self._write(response, version, keep_alive=keep_alive, bare=request.method == "HEAD")
            if not keep_alive:
                self.leave()
        if not (self._paused or self.closing or self._inbox.reading):
            self.deadline = self._room.now + self._room.limits.idle_seconds_max

    def _write(self, response: Response, version: str, *, keep_alive: bool, bare: bool) -> None:
        connection = "close" if not keep_alive else "keep-alive" if version == "1.0" else ""
        if len(response.body) <= SHORT_BYTES and not bare:
            self._transport.write(short(response, self._room.date, connection))
            return
        self._transport.write(head(response, self._room.date, connection))
        if not bare:
            # Of a view asyncio can send a part without a copy of the rest.
            self._transport.write(memoryview(response.body))
