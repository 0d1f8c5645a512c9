"""OTLP as protobuf, as JSON and as a gRPC message, down to the page that shows it."""

from __future__ import annotations

from collections import Counter

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from collector.errors import Code, Malformed, Refused
from collector.exposition.negotiate import (
    OPEN_METRICS_FORMAT,
    PROTOBUF_FORMAT,
    TEXT_FORMAT,
)
from collector.plan import load
from collector.server.otlp_grpc import OtlpGrpc
from collector.wire.otlp_json import to_protobuf
from collector.wire.point import Wanted
from collector.wire.reader import Reader
from tests.collector.pipeline import Pipeline
from tests.collector.test_wire import decoded, learnt
from tests.support.prometheus_pb import families

MESSAGE_BYTES_MAX = 1 << 20
FORMATS = (TEXT_FORMAT, OPEN_METRICS_FORMAT, PROTOBUF_FORMAT)
OPEN = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:4318"}}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:9464", enable_open_metrics: true, send_timestamps: true}
service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}}
"""
"""Without rules: every attribute is on the page, and so is every mistake with one."""

_PLAN = load("fuzz.yaml", OPEN, {})
_EVERYBODYS = Reader()
"""One for all inputs: a shape that was learnt from one must not spoil another."""


def otlp(body: bytes) -> None:
    """The learnt way, the plain one and the standard decoder agree on all of it, or refuse it."""
    try:
        expected = decoded(body)
    except DecodeError:
        for reader in (_EVERYBODYS, Reader()):
            with pytest.raises(Malformed):
                reader.read(body, 0)
        _same_pages(body, is_refused=True)
        return
    own = Reader()
    for reader in (_EVERYBODYS, own, own):
        assert learnt(reader, body) == expected
    _same_pages(body, is_refused=False)


def _same_pages(body: bytes, *, is_refused: bool) -> None:
    """Post it three times, which is as often as the ways to know it differ, and read the page.

    One engine is made to forget the bytes after each; nobody can tell.
    """
    remembers, forgets = Pipeline(_PLAN), Pipeline(_PLAN)
    for _ in range(3):
        outcomes = []
        forgets.engine._reader = Reader(Wanted(exemplars=True, times=True))
        for one in (remembers, forgets):
            if is_refused:
                with pytest.raises(Malformed):
                    one.accept(body, 0)
            else:
                outcomes.append(one.accept(body, 0))
        assert outcomes[:1] == outcomes[1:]
        assert _pages(remembers) == _pages(forgets)
    assert not is_refused or remembers.engine.accepted == 0


def _pages(running: Pipeline) -> list[bytes]:
    """Every format of the page, each of which can be read."""
    running.tick(0)
    pages = [running.scrape(one) for one in FORMATS]
    list(families(pages[2]))
    assert pages[1].endswith(b"# EOF\n")
    return pages


def json(body: bytes) -> None:
    """It is converted to what the decoder takes, or is Malformed in words that do not repeat it."""
    try:
        converted = to_protobuf(body)
    except Malformed:
        return
    ExportMetricsServiceRequest.FromString(converted)
    running = Pipeline(_PLAN)
    running.accept_json(body, 0)
    _pages(running)


_GRPC = OtlpGrpc(Pipeline(_PLAN).intake, MESSAGE_BYTES_MAX, lambda: 0.0, Counter())
_GRPC_CODES = {Code.INTERNAL, Code.RESOURCE_EXHAUSTED}


def grpc(message: bytes) -> None:
    """It is answered with a response, or refused with a code that the real collector has for it."""
    try:
        answer = _GRPC.export(message)
    except Refused as refusal:
        assert refusal.code in _GRPC_CODES
    else:
        ExportMetricsServiceResponse.FromString(answer)
