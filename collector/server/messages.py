"""What an HTTP server and the handler behind it tell each other; they know no more than this."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from collector.errors import HTTP_STATUS, RETRY_AFTER_SECONDS, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.errors import Refused
    from collector.server.limits import Limit

PLAIN = "text/plain; charset=utf-8"
BODY_TOO_LARGE = "http: request body too large"
"""The real collector's words, for a body as it came and for what is packed in it."""


class Request(NamedTuple):
    """A request that came in whole."""

    method: str
    path: str
    """Decoded, without the query."""
    headers: Mapping[str, str]
    """Names in lower case; the values of a name that came twice are joined by a comma."""
    body: bytes


class Response(NamedTuple):
    """An answer; the server adds date, length and what it decides about the connection."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    limit: Limit | None = None
    """The limit that the request met, for the server to count."""


NOT_FOUND = Response(404, PLAIN, b"404 page not found\n", (("X-Content-Type-Options", "nosniff"),))
"""Go's answer for a path that nobody serves."""


def plainly(refusal: Refused) -> Response:
    """Answer a refusal with its text."""
    text = refusal.message.encode()
    return Response(HTTP_STATUS[refusal.code], PLAIN, text, headers_of(refusal))


def headers_of(refusal: Refused) -> tuple[tuple[str, str], ...]:
    """Return what a refusal has to say besides its text."""
    if isinstance(refusal, Unauthenticated):
        return (("WWW-Authenticate", refusal.challenge),)
    return (("Retry-After", str(RETRY_AFTER_SECONDS)),) if refusal.retryable else ()


class Handler(Protocol):
    """What stands behind a server."""

    body_bytes_max: int
    """Longer bodies are not read."""

    def answer(self, request: Request) -> Response:
        """Answer a request; at once, since everything else waits meanwhile."""

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Answer a request whose body was not read; `request.body` is empty."""
