"""OTLP over HTTP: `POST /v1/metrics`, answered as the real collector answers it.

A request comes in, an answer goes out; between them the body is decompressed within its limit and
handed to the intake. Status codes, bodies and words are those that the OpenTelemetry Collector
0.161.0 gave; where more can be said than it says (what was refused of a request), OTLP's own place
for it is used (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Protocol

from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from collector.errors import HTTP_STATUS, Code, Malformed, Refused
from collector.server.messages import BODY_TOO_LARGE, NOT_FOUND, Response

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
RETRY_AFTER = (("Retry-After", "5"),)
"""Seconds: some checks of the memory limiter, and what workers wait between two pushes."""

GZIP_MEMBERS_MAX = 16
"""Exporters send one; a body of a million empty ones would cost more than it could ever say."""

ACCEPTED = {
    PROTOBUF: Response(200, PROTOBUF, b"\x0a\x00"),
    JSON: Response(200, JSON, b'{"partialSuccess":{}}'),
}
"""The real collector's answers: a partial success that is there and empty."""


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
            body = self._decompressed(request)
            outcome = self._accept[media_type](body, self._clock())
        except Refused as refusal:
            return _failure(refusal, media_type)
        return _partial(outcome, media_type) if outcome.refused else ACCEPTED[media_type]

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Say why a body was not read."""
        media_type = _media_type(request)
        return media_type if isinstance(media_type, Response) else _failure(refusal, media_type)

    def _decompressed(self, request: Request) -> bytes:
        encoding = request.headers.get("content-encoding", "")
        if not encoding:
            return request.body
        if encoding == "gzip":
            return gunzip(request.body, self.body_bytes_max)
        raise Malformed(f"unsupported Content-Encoding: {encoding}")


def _media_type(request: Request) -> str | Response:
    """Return PROTOBUF or JSON, or the answer for what is neither."""
    if request.path != PATH:
        return NOT_FOUND
    if request.method != "POST":
        return METHOD_NOT_ALLOWED
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type if media_type in ACCEPTED else UNSUPPORTED_MEDIA_TYPE


def gunzip(body: bytes, bytes_max: int) -> bytes:
    """Decompress the members of a gzip file; no more than one byte over the limit is unpacked.

    Raises Refused where there is more, and Malformed where this is no gzip.
    """
    parts: list[bytes] = []
    room = bytes_max
    while body:
        if len(parts) == GZIP_MEMBERS_MAX:
            raise Malformed(f"gzip: more than {GZIP_MEMBERS_MAX} members")
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            part = unpacker.decompress(body, room + 1)
        except zlib.error:
            raise Malformed("gzip: invalid header or checksum") from None
        room -= len(part)
        if room < 0:
            raise Refused(Code.INVALID_ARGUMENT, BODY_TOO_LARGE)
        if not unpacker.eof:
            raise Malformed("unexpected EOF")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def _failure(refusal: Refused, media_type: str) -> Response:
    """Write a google.rpc.Status, in the request's own encoding."""
    if media_type == JSON:
        status = {"code": int(refusal.code), "message": refusal.message}
        body = json.dumps(status, separators=(",", ":"), ensure_ascii=False).encode(
            errors="replace"
        )
    else:
        body = Status(code=int(refusal.code), message=refusal.message).SerializeToString()
    headers = RETRY_AFTER if refusal.retryable else ()
    return Response(HTTP_STATUS[refusal.code], media_type, body, headers)


def _partial(outcome: Outcome, media_type: str) -> Response:
    """Tell how many points were refused, and why; OTLP clients log it and do not try again."""
    count = sum(outcome.refused.values())
    reasons = sorted((reason.value, points) for reason, points in outcome.refused.items())
    message = ", ".join(f"{reason}: {points}" for reason, points in reasons)
    if media_type == JSON:
        success = {"rejectedDataPoints": str(count), "errorMessage": message}
        body = json.dumps({"partialSuccess": success}, separators=(",", ":")).encode()
        return Response(200, JSON, body)
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = count
    answer.partial_success.error_message = message
    return Response(200, PROTOBUF, answer.SerializeToString())
