"""A receiver for exporters that push: it keeps what came, and answers what a test says."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import zstandard
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collector.server.messages import Response

if TYPE_CHECKING:
    from collector.errors import Refused
    from collector.server.messages import Request

OK = Response(200, "application/x-protobuf", b"")


def status(code: int, **headers: str) -> Response:
    """An answer without a body; `retry_after="1"` is the header Retry-After."""
    pairs = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Response(code, "text/plain", b"tenant-secret", pairs)


class Upstream:
    """The handler behind a server."""

    body_bytes_max = 20 * 1024 * 1024

    def __init__(self, *answers: Response) -> None:
        """`answers` come in their order, and then all is well."""
        self.answers = list(answers)
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else OK

    def refuse(self, request: Request, refusal: Refused) -> Response:  # noqa: ARG002
        return status(400)

    @property
    def messages(self) -> list[ExportMetricsServiceRequest]:
        """What came, unpacked."""
        return [unpacked(request) for request in self.requests]


def unpacked(request: Request) -> ExportMetricsServiceRequest:
    """Read a request's body as its headers say."""
    body = request.body
    encoding = request.headers.get("content-encoding", "")
    if encoding == "gzip":
        body = gzip.decompress(body)
    elif encoding == "zstd":
        body = zstandard.decompress(body)
    elif encoding in ("deflate", "zlib"):
        body = zlib.decompress(body)
    if request.headers["content-type"] == "application/json":
        return Parse(body, ExportMetricsServiceRequest())
    return ExportMetricsServiceRequest.FromString(body)
