"""What one client sends -> its requests, one after the other, or why one was refused.

httptools parses (llhttp, the parser of Node.js), but not a head that the client repeats; here are
the limits of what comes in. What is answered and when, and how long one waits, the connection
knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

import httptools

from collector.errors import Code, Refused
from collector.server import heads
from collector.server.answers import plain
from collector.server.limits import Limit
from collector.server.messages import BODY_TOO_LARGE, Request
from collector.server.room import report

if TYPE_CHECKING:
    from collector.server.messages import Response
    from collector.server.room import Room


class Taker(Protocol):
    """Whom an inbox tells what came."""

    closing: bool
    """What still comes in is thrown away."""

    def begins(self) -> None:
        """A request has begun; its head is coming in."""

    def goes_on(self) -> None:
        """The head was good, the body is coming in."""

    def invites(self) -> None:
        """The client waits to hear that it may send the body."""

    def takes(self, request: Request, version: str, *, keep_alive: bool) -> None:
        """A request came in whole."""

    def refuses(self, response: Response, limit: Limit | None = None) -> None:
        """A request was refused; nothing more is taken."""

    def leave(self) -> None:
        """Nothing more is to come from this client."""

    def abort(self) -> None:
        """Something of ours is broken."""


class Inbox:
    """The requests of one client."""

    def __init__(self, room: Room, taker: Taker) -> None:
        self._room = room
        self._taker = taker
        self._parser = httptools.HttpRequestParser(self)
        self.reading = False
        """A request is coming in."""
        self._known: heads.Head | None = None
        """How the last request began, if the next one may begin so."""
        self._chunk = b""
        """What the parser is fed, while the next head it tells of is the one that stands first."""
        self._missing = 0
        """Bytes of a body still to come behind a head that was not parsed."""
        self._silent_bytes = 0
        """Fed to the parser since it last told of anything."""
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._method, self._path = "", ""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self.in_head = True
        """The head of the request is coming in, not its body."""
        self._body: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        while data and not self._taker.closing:
            if self._missing:
                data = self._body_goes_on(data)
            elif self._known and not self.reading and (found := self._known.match(data)):
                length, at = found
                data = data[at:]
                self._begin_known(self._known, length)
            else:
                self._parse(data)
                break

    @property
    def is_bare(self) -> bool:
        """Whether the request under way is one that is answered without a body."""
        method = self._parser.get_method() if self._url else self._method.encode()
        return bool(method == b"HEAD")

    def release(self) -> None:
        """Let go of the body."""
        self._room.buffered_bytes -= self._body_bytes
        self._body_bytes = 0
        self._body = []

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
        self._known = None
        self._chunk = b"" if self.reading else data
        self._silent_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._taker.leave()  # nothing else is spoken here; the request was answered
        except httptools.HttpParserCallbackError as error:
            report(error.__context__ or error)  # a fault of ours, not of who sent this
            self._taker.abort()
        except httptools.HttpParserError:
            if not self._taker.closing:
                self._malformed()
        # Headers, and trailers behind a body, are kept by the parser until they are complete.
        if self._silent_bytes > self._room.limits.header_bytes_max and not self._taker.closing:
            self._taker.refuses(plain(431), Limit.HEADER_BYTES)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.reading = True
        self._begin()
        self._taker.begins()

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
        if self._taker.closing:
            return
        self._method = self._parser.get_method().decode("latin-1")
        self._path = _path(self._url)
        chunk, self._chunk = self._chunk, b""
        if self._header_bytes > self._room.limits.header_bytes_max:
            self._taker.refuses(plain(431), Limit.HEADER_BYTES)
        elif "host" not in self._headers and self._parser.get_http_version() == "1.1":
            self._malformed()
        elif not self._admit(int(self._headers.get("content-length") or 0)):
            return
        elif "expect" in self._headers:
            if self._headers["expect"].lower() != "100-continue":
                self._taker.refuses(plain(417))
            else:
                self._taker.invites()
        elif chunk and self._parser.get_http_version() == "1.1":
            self._known = heads.learn(chunk, self._method, self._path, self._headers)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._silent_bytes = 0
        if self._taker.closing:
            return
        self._body.append(data)
        self._body_bytes += len(data)
        self._room.buffered_bytes += len(data)
        if self._body_bytes > self._room.handler.body_bytes_max:
            self._too_large()
        elif self._room.buffered_bytes > self._room.limits.buffered_bytes_max:
            refusal = Refused(Code.UNAVAILABLE, "too many request bodies at once")
            self._taker.refuses(self._refusal(refusal), Limit.BUFFERED_BYTES)

    def on_message_complete(self) -> None:
        """Hand the request on."""
        self._silent_bytes = 0
        parser = self._parser
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        self._complete(parser.get_http_version(), keep_alive=keep_alive)

    # What both come to, the parser and the head that is known.

    def _admit(self, length: int) -> bool:
        """Refuse a request by its head; `length` is that of its body, 0 if it does not say."""
        self.in_head = False
        self._taker.goes_on()
        try:
            self._room.door.check(self._headers)
        except Refused as refusal:
            self._taker.refuses(self._refusal(refusal), Limit.AUTHENTICATION)
            return False
        if length > self._room.handler.body_bytes_max:
            self._too_large()
            return False
        return True

    def _complete(self, version: str, *, keep_alive: bool) -> None:
        if self._taker.closing:
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = self._request(body)
        self.release()
        self.reading = False
        self._taker.takes(request, version, keep_alive=keep_alive)

    def _malformed(self) -> None:
        self._taker.refuses(plain(400), Limit.MALFORMED)

    def _too_large(self) -> None:
        refusal = Refused(Code.INVALID_ARGUMENT, BODY_TOO_LARGE)
        self._taker.refuses(self._refusal(refusal), Limit.BODY_BYTES)

    def _refusal(self, refusal: Refused) -> Response:
        return self._room.handler.refuse(self._request(b""), refusal)

    def _request(self, body: bytes) -> Request:
        return Request(self._method, self._path, self._headers, body)


def _path(url: bytes) -> str:
    """Return a target's path; a proxy may have sent it with scheme and host."""
    target = url.decode("latin-1")
    if not target.startswith("/"):
        _, _, rest = target.partition("://")
        target = rest[rest.find("/") :] if "/" in rest else "/"
    return unquote(target.partition("?")[0].partition("#")[0])
