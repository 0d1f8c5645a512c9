"""One HTTP/1 connection: bytes in, requests to the handler, answers out, in order.

httptools parses (llhttp, the parser of Node.js), but not a head that the client repeats; here are
the limits, the patience and the order of answers. What a request means, and how many others there
are, is not known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import unquote

import httptools

from collector.errors import Code, Refused
from collector.server import heads
from collector.server.answers import CONTINUE, SHORT_BYTES, head, plain, short
from collector.server.limits import Limit
from collector.server.messages import BODY_TOO_LARGE, Request
from collector.server.room import report

if TYPE_CHECKING:
    from collector.server.messages import Response
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
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[Pending] = deque()
        self._reading = False
        """A request is coming in."""
        self._closing = False
        """The last answer is written; what still comes in is thrown away."""
        self._paused = False
        """The client does not take what was written."""
        self._head: heads.Head | None = None
        """How the last request began, if the next one may begin so."""
        self._chunk = b""
        """What the parser is fed, while the next head it tells of is the one that stands first."""
        self._missing = 0
        """Bytes of a body still to come behind a head that was not parsed."""
        self._silent_bytes = 0
        """Fed to the parser since it last told of anything."""
        self._began = room.now
        self.deadline = room.now + room.limits.header_seconds_max
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._method, self._path = "", ""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._in_head = True
        self._body: list[bytes] = []
        self._body_bytes = 0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or say that there is no room."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")  # nothing where who came is gone again
        if not self._room.door.admits(peer[0] if peer else ""):
            self._room.counts[Limit.NETWORK] += 1
            self._closing = True
            self.abort()
        elif not self._room.enter(self):
            self._write(plain(503), "1.1", keep_alive=False, bare=False)
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget everything."""
        self._closing = True
        self._release()
        self._pending.clear()
        self._room.guests.discard(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Offer a place to read into; it is empty again when `buffer_updated` returns."""
        return self._room.inbound

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        data = bytes(self._room.inbound[:nbytes])
        while data and not self._closing:
            if self._missing:
                data = self._body_goes_on(data)
            elif self._head and not self._reading and (known := self._head.match(data)):
                length, at = known
                data = data[at:]
                self._begin_known(self._head, length)
            else:
                self._parse(data)
                break
        if self._paused and not self._closing:
            self._transport.pause_reading()

    def _begin_known(self, head: heads.Head, length: int) -> None:
        """Begin a request with a head like the one before, without the parser."""
        self.on_message_begin()
        self._method, self._path, self._headers = head.method, head.path, dict(head.headers)
        self._missing = length
        self._admit(length)
        if not length:
            self._complete("1.1", keep_alive=True)

    def _body_goes_on(self, data: bytes) -> bytes:
        """Take what belongs to the body from the beginning of `data`; return the rest."""
        piece, rest = data[: self._missing], data[self._missing :]
        self._missing -= len(piece)
        self.on_body(piece)
        if not self._missing:
            self._complete("1.1", keep_alive=True)
        return rest

    def _parse(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        self._head = None
        self._chunk = b"" if self._reading else data
        self._silent_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.leave()  # nothing else is spoken here; the request was answered
        except httptools.HttpParserCallbackError as error:
            report(error.__context__ or error)  # a fault of ours, not of who sent this
            self.abort()
        except httptools.HttpParserError:
            if not self._closing:
                self._limit(Limit.MALFORMED, plain(400))
        # Headers, and trailers behind a body, are kept by the parser until they are complete.
        if self._silent_bytes > self._room.limits.header_bytes_max and not self._closing:
            self._limit(Limit.HEADER_BYTES, plain(431))

    def pause_writing(self) -> None:
        """Answer no more until the client has read; so a page is not kept a thousand times."""
        self._paused = True
        self.deadline = self._room.now + self._room.limits.response_seconds_max

    def resume_writing(self) -> None:
        """Go on with what was asked meanwhile."""
        self._paused = False
        if self._closing:
            return
        self._answer()
        if not self._paused and not self._closing:
            self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._reading = True
        self._begin()
        self._began = self._room.now
        if not self._paused:
            self.deadline = self._began + self._room.limits.header_seconds_max

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._url += url
        self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._header_bytes += len(name) + len(value)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Refuse what can be refused before the body comes."""
        self._silent_bytes = 0
        if self._closing:
            return
        self._method = self._parser.get_method().decode("latin-1")
        self._path = _path(self._url)
        chunk, self._chunk = self._chunk, b""
        if self._header_bytes > self._room.limits.header_bytes_max:
            self._limit(Limit.HEADER_BYTES, plain(431))
        elif "host" not in self._headers and self._parser.get_http_version() == "1.1":
            self._limit(Limit.MALFORMED, plain(400))
        elif not self._admit(int(self._headers.get("content-length") or 0)):
            return
        elif "expect" in self._headers:
            if self._headers["expect"].lower() != "100-continue":
                self._refuse(plain(417))
            elif not self._pending:
                self._transport.write(CONTINUE)
        elif chunk and self._parser.get_http_version() == "1.1":
            self._head = heads.learn(chunk, self._method, self._path, self._headers)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._silent_bytes = 0
        if self._closing:
            return
        self._body.append(data)
        self._body_bytes += len(data)
        self._room.buffered_bytes += len(data)
        if self._body_bytes > self._room.handler.body_bytes_max:
            self._too_large()
        elif self._room.buffered_bytes > self._room.limits.buffered_bytes_max:
            refusal = Refused(Code.UNAVAILABLE, "too many request bodies at once")
            self._limit(Limit.BUFFERED_BYTES, self._refusal(refusal))

    def on_message_complete(self) -> None:
        """Answer the request, or keep it until its turn comes."""
        self._silent_bytes = 0
        if self._closing:
            return
        parser = self._parser
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        self._complete(parser.get_http_version(), keep_alive=keep_alive)

    # What both come to, the parser and the head that is known.

    def _admit(self, length: int) -> bool:
        """Refuse a request by its head; `length` is that of its body, 0 if it does not say."""
        self._in_head = False
        if not self._paused:
            self.deadline = self._began + self._room.limits.request_seconds_max
        try:
            self._room.door.check(self._headers)
        except Refused as refusal:
            self._limit(Limit.AUTHENTICATION, self._refusal(refusal))
            return False
        if length > self._room.handler.body_bytes_max:
            self._too_large()
            return False
        return True

    def _complete(self, version: str, *, keep_alive: bool) -> None:
        if self._closing:
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._pending.append(Pending(self._request(body), version, keep_alive))
        self._release()
        self._reading = False
        self._answer()

    # What the room calls.

    @property
    def idle(self) -> bool:
        """Whether no request is under way and every answer is on its way."""
        busy = self._reading or self._pending or self._closing
        return not busy and not self._transport.get_write_buffer_size()

    @property
    def asks_since(self) -> float:
        """Since when it is sending the head of a request; infinity where it is not."""
        asking = self._reading and self._in_head and not self._pending and not self._closing
        return self._began if asking else inf

    def leave(self) -> None:
        """Close when all that was written is sent."""
        self._closing = True
        self.deadline = self._room.now + self._room.limits.response_seconds_max
        self._transport.close()

    def expire(self) -> None:
        """End a connection that was waited for too long."""
        if self._transport.get_write_buffer_size():
            self._room.counts[Limit.RESPONSE_SECONDS] += 1
            self.abort()
        elif self._closing:
            self.abort()
        elif self._reading:
            limit = Limit.HEADER_SECONDS if self._in_head else Limit.REQUEST_SECONDS
            self._limit(limit, plain(408))
        else:
            self._room.counts[Limit.IDLE_SECONDS] += 1
            self.leave()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # Answers.

    def _answer(self) -> None:
        """Answer what is pending, in order, for as long as the client takes it."""
        while self._pending and not (self._paused or self._closing or self._transport.is_closing()):
            request, version, keep_alive = self._pending.popleft()
            response = self._room.answer(request)
            keep_alive = keep_alive and not self._room.draining
            self._write(response, version, keep_alive=keep_alive, bare=request.method == "HEAD")
            if not keep_alive:
                self.leave()
        if not self._paused and not self._closing and not self._reading:
            self.deadline = self._room.now + self._room.limits.idle_seconds_max

    def _limit(self, limit: Limit, response: Response) -> None:
        self._room.counts[limit] += 1
        self._refuse(response)

    def _refuse(self, response: Response) -> None:
        """Write a last answer, and go on reading for a moment.

        Closing at once would make the system reset the connection of a client that still sends, and
        the answer would be lost on its way.
        """
        if self._pending:
            self.abort()  # this answer would overtake others
            return
        self._closing = True
        self._release()
        method = self._parser.get_method() if self._url else self._method.encode()
        self._write(response, "1.1", keep_alive=False, bare=method == b"HEAD")
        self.deadline = self._room.now + self._room.limits.linger_seconds
        if self._transport.can_write_eof():
            with suppress(OSError):  # who is gone already does not read it
                self._transport.write_eof()

    def _too_large(self) -> None:
        refusal = Refused(Code.INVALID_ARGUMENT, BODY_TOO_LARGE)
        self._limit(Limit.BODY_BYTES, self._refusal(refusal))

    def _refusal(self, refusal: Refused) -> Response:
        return self._room.handler.refuse(self._request(b""), refusal)

    def _request(self, body: bytes) -> Request:
        return Request(self._method, self._path, self._headers, body)

    def _release(self) -> None:
        """Let go of the body."""
        self._room.buffered_bytes -= self._body_bytes
        self._body_bytes = 0
        self._body = []

    def _write(self, response: Response, version: str, *, keep_alive: bool, bare: bool) -> None:
        connection = "close" if not keep_alive else "keep-alive" if version == "1.0" else ""
        if len(response.body) <= SHORT_BYTES and not bare:
            self._transport.write(short(response, self._room.date, connection))
            return
        self._transport.write(head(response, self._room.date, connection))
        if not bare:
            # Of a view asyncio can send a part without a copy of the rest.
            self._transport.write(memoryview(response.body))


def _path(url: bytes) -> str:
    """Return a target's path; a proxy may have sent it with scheme and host."""
    target = url.decode("latin-1")
    if not target.startswith("/"):
        _, _, rest = target.partition("://")
        target = rest[rest.find("/") :] if "/" in rest else "/"
    return unquote(target.partition("?")[0].partition("#")[0])
