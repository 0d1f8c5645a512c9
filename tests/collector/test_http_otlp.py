"""OTLP over HTTP is answered as the OpenTelemetry Collector 0.161.0 answered the same requests."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from collector.engine import Outcome
from collector.errors import Code, Malformed, Reason, Refused
from collector.server.limits import Limit
from collector.server.messages import Request, Response
from collector.server.otlp_http import OtlpHttp

BODY_BYTES_MAX = 1_000_000
NOW = 7.0
PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Recorder:
    """An engine that keeps what it is given, and answers as it is told."""

    def __init__(self, outcome: Outcome | Refused | None = None) -> None:
        self._outcome = outcome or Outcome(1, {})
        self.got: list[tuple[str, bytes, float]] = []

    def accept(self, body: bytes, now: float) -> Outcome:
        """Take protobuf."""
        return self._take("protobuf", body, now)

    def accept_json(self, body: bytes, now: float) -> Outcome:
        """Take JSON."""
        return self._take("json", body, now)

    def _take(self, form: str, body: bytes, now: float) -> Outcome:
        if isinstance(self._outcome, Refused):
            raise self._outcome
        self.got.append((form, body, now))
        return self._outcome


def ask(
    content_type: str | None = PROTOBUF,
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/v1/metrics",
    encoding: str | None = None,
    engine: Recorder | None = None,
) -> Response:
    """Send a request to a handler and return its answer."""
    given = {"content-type": content_type, "content-encoding": encoding}
    headers = {name: text for name, text in given.items() if text is not None}
    handler = OtlpHttp(engine or Recorder(), BODY_BYTES_MAX, lambda: NOW)
    return handler.answer(Request(method, path, headers, body))


def failure(response: Response) -> tuple[int, int, str]:
    """Return HTTP status, code and message of a failure, from either encoding."""
    if response.content_type == JSON:
        found = json.loads(response.body)
        return response.status, found["code"], found["message"]
    status = Status.FromString(response.body)
    return response.status, status.code, status.message


def test_protobuf_is_recorded_and_answered_in_protobuf() -> None:
    """The answer is a partial success that is there and empty."""
    engine = Recorder()
    assert ask(PROTOBUF, b"abc", engine=engine) == Response(200, PROTOBUF, b"\x0a\x00")
    assert engine.got == [("protobuf", b"abc", NOW)]


def test_json_is_recorded_and_answered_in_json() -> None:
    """Likewise."""
    engine = Recorder()
    assert ask(JSON, b"{}", engine=engine) == Response(200, JSON, b'{"partialSuccess":{}}')
    assert engine.got == [("json", b"{}", NOW)]


@pytest.mark.parametrize("content_type", ["Application/JSON; charset=utf-8", " application/json "])
def test_a_content_type_may_be_written_in_other_ways(content_type: str) -> None:
    """In any case, with parameters."""
    assert ask(content_type).content_type == JSON


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/json, text/plain"])
def test_another_content_type_is_not_supported(content_type: str | None) -> None:
    """415, with what is."""
    supported = b"supported: [application/json, application/x-protobuf]"
    text = b"415 unsupported media type, " + supported
    assert ask(content_type) == Response(415, "text/plain", text)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_not_allowed(method: str) -> None:
    """405, whatever else is wrong with it."""
    text = b"405 method not allowed, supported: [POST]"
    assert ask(None, method=method) == Response(405, "text/plain", text)


@pytest.mark.parametrize("path", ["/", "/v1/metrics/", "/v1/traces", "/v1/logs", "/metrics"])
def test_another_path_is_not_found(path: str) -> None:
    """404, for any method."""
    for method in ("GET", "POST"):
        response = ask(path=path, method=method)
        assert (response.status, response.body) == (404, b"404 page not found\n")


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_malformed_body_is_a_bad_request(content_type: str) -> None:
    """400 with a google.rpc.Status in the request's own encoding."""
    response = ask(content_type, engine=Recorder(Malformed("unexpected EOF")))
    assert response.content_type == content_type
    assert failure(response) == (400, 3, "unexpected EOF")


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_refusal_for_now_may_be_tried_again(content_type: str) -> None:
    """503, and when to come back; a bad request has no such header."""
    refusal = Refused(Code.UNAVAILABLE, "data refused due to high memory usage")
    response = ask(content_type, engine=Recorder(refusal))
    assert failure(response) == (503, 14, "data refused due to high memory usage")
    assert response.headers == (("Retry-After", "5"),)
    assert ask(content_type, encoding="br").headers == ()


def test_what_was_refused_of_a_request_is_told() -> None:
    """How many points, for which reasons; nothing of what they held."""
    outcome = Outcome(4, {Reason.TYPE_CONFLICT: 1, Reason.NEGATIVE: 2})
    message = "negative: 2, type_conflict: 1"
    response = ask(PROTOBUF, engine=Recorder(outcome))
    told = ExportMetricsServiceResponse.FromString(response.body).partial_success
    assert (response.status, told.rejected_data_points, told.error_message) == (200, 3, message)
    response = ask(JSON, engine=Recorder(outcome))
    success = {"rejectedDataPoints": "3", "errorMessage": message}
    assert (response.status, json.loads(response.body)) == (200, {"partialSuccess": success})


PACKED = {
    "gzip": gzip.compress(b"abc"),
    "zlib": zlib.compress(b"abc"),
    "deflate": zlib.compress(b"abc"),
    "zstd": zstandard.compress(b"abc"),
}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_packed_body_is_unpacked(content_type: str, encoding: str) -> None:
    """In every encoding that the real collector takes but snappy."""
    engine = Recorder()
    assert ask(content_type, PACKED[encoding], encoding=encoding, engine=engine).status == 200
    assert [body for _, body, _ in engine.got] == [b"abc"]


@pytest.mark.parametrize("encoding", ["br", "snappy", "identity", "GZIP", "gzip, gzip"])
def test_another_encoding_is_refused_by_name(encoding: str) -> None:
    """In the real collector's words."""
    message = f"unsupported Content-Encoding: {encoding}"
    assert failure(ask(encoding=encoding)) == (400, 3, message)
    assert failure(ask(JSON, encoding=encoding)) == (400, 3, message)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_broken_packed_body_is_a_bad_request(content_type: str, encoding: str) -> None:
    """Nothing of it reaches the engine."""
    engine = Recorder()
    broken = PACKED[encoding][:-2]
    response = ask(content_type, broken, encoding=encoding, engine=engine)
    assert failure(response) == (400, 3, "unexpected EOF")
    assert not engine.got


@pytest.mark.parametrize(
    ("packed", "limit"),
    [
        (zstandard.compress(bytes(BODY_BYTES_MAX + 1)), Limit.UNPACKED_BYTES),
        (gzip.compress(bytes(BODY_BYTES_MAX + 1)), Limit.UNPACKED_BYTES),
    ],
)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_bomb_is_refused_and_counted(content_type: str, packed: bytes, limit: Limit) -> None:
    """As a body too long, and nothing of it reaches the engine."""
    engine = Recorder()
    encoding = "gzip" if packed.startswith(b"\x1f") else "zstd"
    response = ask(content_type, packed, encoding=encoding, engine=engine)
    assert failure(response) == (400, 3, "http: request body too large")
    assert response.limit is limit
    assert not engine.got


@pytest.mark.parametrize(
    ("path", "method", "content_type", "status"),
    [
        ("/v1/metrics", "POST", PROTOBUF, 400),
        ("/v1/metrics", "POST", "text/plain", 415),
        ("/v1/metrics", "PUT", PROTOBUF, 405),
        ("/", "POST", PROTOBUF, 404),
    ],
)
def test_a_body_that_was_not_read_is_answered_as_if_it_had_been(
    path: str, method: str, content_type: str, status: int
) -> None:
    """What is wrong besides its length is said first."""
    handler = OtlpHttp(Recorder(), BODY_BYTES_MAX, lambda: NOW)
    request = Request(method, path, {"content-type": content_type}, b"")
    refusal = Refused(Code.INVALID_ARGUMENT, "http: request body too large")
    response = handler.refuse(request, refusal)
    assert response.status == status
    if status == 400:
        assert failure(response) == (400, 3, "http: request body too large")
