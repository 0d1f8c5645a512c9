"""OTLP over HTTP: `POST /v1/metrics`, answered as the real collector answers it.

A request comes in, an answer goes out; between them the body is decompressed within its limit and
handed to the intake. Status codes, bodies and words are those that the OpenTelemetry Collector
0.161.0 gave; where more can be said than it says (what was refused of a request), OTLP's own place
for it is used (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from collector.errors import HTTP_STATUS, Refused, Unauthenticated
from collector.server import otlp_answers
from collector.server.messages import NOT_FOUND, Response, headers_of, plainly
from collector.server.unpack import TooLong, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine import Outcome
    from collector.server.messages import Request

PATH = "/v1/metrics"
PROTOBUF, JSON, TEXT = "application/x-protobuf", "application/json", "text/plain"

METHOD_NOT_ALLOWED = Response(405, TEXT, b"405 method not allowed, supported: [POST]")
UNSUPPORTED_MEDIA_TYPE = Response(
    415, TEXT, b"415 unsupported media type, supported: [application/json, application/x-protobuf]"
)

ACCEPTED = {
    PROTOBUF: Response(200, PROTOBUF, otlp_answers.ACCEPTED),
    JSON: Response(200, JSON, b'{"partialSuccess":{}}'),
}


class Accepting(Protocol):
    """What is needed of an intake."""

    def accept(self, body: bytes, now: float) -> Outcome:
        """Record protobuf."""

    def accept_json(self, body: bytes, now: float) -> Outcome:
        """Record JSON."""


class OtlpHttp:
    """The handler behind the receiver's server."""

    def __init__(self, intake: Accepting, body_bytes_max: int, clock: Callable[[], float]) -> None:
        self.body_bytes_max = body_bytes_max
        self._accept = {PROTOBUF: intake.accept, JSON: intake.accept_json}
        self._clock = clock

    def answer(self, request: Request) -> Response:
        """Record a request."""
        media_type = _media_type(request)
        if isinstance(media_type, Response):
            return media_type
        try:
            encoding = request.headers.get("content-encoding", "")
            body = unpack(request.body, encoding, self.body_bytes_max)
            outcome = self._accept[media_type](body, self._clock())
        except Refused as refusal:
            return _failure(refusal, media_type)
        return _partial(outcome, media_type) if outcome.refused else ACCEPTED[media_type]

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Say why a body was not read."""
        media_type = _media_type(request)
        if not isinstance(media_type, Response):
            return _failure(refusal, media_type)
        # What there is and is not, nobody is told who has not shown who it is.
        return plainly(refusal) if isinstance(refusal, Unauthenticated) else media_type


def _media_type(request: Request) -> str | Response:
    """Return PROTOBUF or JSON, or the answer for what is neither."""
    if request.path != PATH:
        return NOT_FOUND
    if request.method != "POST":
        return METHOD_NOT_ALLOWED
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type if media_type in ACCEPTED else UNSUPPORTED_MEDIA_TYPE


def _failure(refusal: Refused, media_type: str) -> Response:
    """Write a google.rpc.Status, in the request's own encoding."""
    if media_type == JSON:
        status = {"code": int(refusal.code), "message": refusal.message}
        body = json.dumps(status, separators=(",", ":"), ensure_ascii=False).encode(
            errors="replace"
        )
    else:
        body = otlp_answers.status(refusal, retry_info=False)
    headers = headers_of(refusal)
    limit = refusal.limit if isinstance(refusal, TooLong) else None
    return Response(HTTP_STATUS[refusal.code], media_type, body, headers, limit)


def _partial(outcome: Outcome, media_type: str) -> Response:
    """Tell how many points were refused, and why; OTLP clients log it and do not try again."""
    if media_type == JSON:
        count = sum(outcome.refused.values())
        success = {"rejectedDataPoints": str(count), "errorMessage": otlp_answers.why(outcome)}
        body = json.dumps({"partialSuccess": success}, separators=(",", ":")).encode()
        return Response(200, JSON, body)
    return Response(200, PROTOBUF, otlp_answers.answer(outcome))
