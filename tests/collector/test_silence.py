"""No value of a label, and no secret, is ever told: not in an answer, a log or a number of its own.

Whatever can be refused is pushed with a marked value in every place where one can stand, and all
that the collector says is searched for the mark.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collector.errors import Reason
from tests.collector.serving import PATIENCE_SECONDS, Client, request
from tests.collector.test_grpc import EXPORT
from tests.collector.test_server_process import JSON, PROTOBUF, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.collector.serving import Reply

MARK = "acme-7f3a"
CONFIG = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}, grpc: {endpoint: "127.0.0.1:0"}}}
processors:
  metrics_transform:
    transforms:
      - include: good
        action: update
        operations: [{action: aggregate_labels, label_set: [a], aggregation_type: sum}]
  redaction: {allowed_keys: [a, a.b, a_b, le, "_", service.name, service.instance.id]}
exporters:
  prometheus: {endpoint: "127.0.0.1:0", without_scope_info: true}
service:
  telemetry:
    logs: {level: debug}
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]}
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [metrics_transform, redaction]
      exporters: [prometheus]
"""
ELSEWHERE = {
    Reason.CONFLICTING_AGGREGATION,
    Reason.COUNT_RANGE,
    Reason.DUPLICATE_SERIES,
    Reason.LABEL_COUNT,
    Reason.NAME_COLLISION,
    Reason.RULE_FAILED,
    Reason.STREAM_LIMIT,
    Reason.TOO_LATE,
}
"""Reasons that need more than a request, or are refused where one of those above is."""
NUMBER = {"timeUnixNano": "5", "startTimeUnixNano": "1", "asInt": "1"}
LASTING = {"aggregationTemporality": 2}
SUM = {**LASTING, "isMonotonic": True}


def pushed(metric: dict[str, object], *attributes: tuple[str, str]) -> bytes:
    """Return a request in JSON with the mark around and in it."""
    pairs = [{"key": key, "value": {"stringValue": text}} for key, text in attributes]
    marked = {"key": "marked", "value": {"stringValue": MARK}}  # keys are told, by how many
    for kind in ("sum", "gauge", "histogram", "summary"):
        for point in metric.get(kind, {}).get("dataPoints", []):  # type: ignore[attr-defined]
            point["attributes"] = [marked, *pairs]
    scope = {"name": MARK, "version": MARK, "attributes": [marked]}
    outer = {
        "resource": {"attributes": [marked]},
        "scopeMetrics": [{"scope": scope, "metrics": [metric]}],
    }
    return json.dumps({"resourceMetrics": [outer]}).encode()


def refused() -> Iterator[bytes]:
    """Requests of which points are refused, for nearly every reason."""

    def sums(name: str, **fields: object) -> dict[str, object]:
        return {
            "name": name,
            "description": MARK,
            "sum": {**SUM, "dataPoints": [{**NUMBER, **fields}]},
        }

    yield pushed(sums("good"), ("a", MARK))
    yield pushed(sums("negative", asInt="-1"))
    yield pushed(sums("nan", asInt=None, asDouble="NaN"))
    yield pushed({**sums("x"), "sum": {"dataPoints": [dict(NUMBER)]}})
    yield pushed(sums("twice"), ("a", MARK), ("a", MARK))
    yield pushed(sums("pair"), ("a.b", MARK), ("a_b", MARK))
    yield pushed(sums("empty"), ("_", MARK))
    yield pushed(sums("long"), ("a", MARK * 1000))
    yield pushed(sums("huge"), ("a", MARK * 10_000))
    yield pushed(sums(""), ("a", MARK))
    yield pushed({"name": "good_total", "gauge": {"dataPoints": [dict(NUMBER)]}}, ("a", MARK))
    point = {"timeUnixNano": "5", "startTimeUnixNano": "1", "count": "3", "sum": 1}
    bad = {"dataPoints": [{**point, "bucketCounts": ["1"], "explicitBounds": [1, 2]}]}
    yield pushed({"name": "h", "histogram": {**LASTING, **bad}}, ("a", MARK))
    good = {"dataPoints": [{**point, "bucketCounts": ["1", "2"], "explicitBounds": [1]}]}
    yield pushed({"name": "le", "histogram": {**LASTING, **good}}, ("le", MARK))
    quantiles = [{"quantile": 7, "value": 1}]
    yield pushed({"name": "s", "summary": {"dataPoints": [{**point, "quantileValues": quantiles}]}})


def in_protobuf(body: bytes) -> bytes:
    """Return a request in JSON as protobuf."""
    return json_format.Parse(body, ExportMetricsServiceRequest()).SerializeToString()


def broken(body: bytes) -> Iterator[tuple[bytes, str, str]]:
    """Bodies that are none, with what they say they are."""
    yield body[:-9], JSON, ""
    yield body.replace(b'"asInt": "1"', f'"asInt": "{MARK}"'.encode()), JSON, ""
    yield body.replace(b'"key"', b'"\xff"'), JSON, ""
    yield in_protobuf(body)[:-3], PROTOBUF, ""
    yield MARK.encode() * 9, PROTOBUF, ""
    yield body, f"text/{MARK}", ""
    yield gzip.compress(body)[:-3], JSON, "gzip"


def test_nothing_of_what_is_refused_is_told(tmp_path: Path) -> None:
    """Neither over HTTP nor gRPC, in no answer, log line or own number."""
    said: list[bytes] = []

    def hear(reply: Reply) -> None:
        said.append(reply.body + repr(reply.headers).encode())

    with running(tmp_path, CONFIG) as collector:
        for body in refused():
            for content_type, sent in ((JSON, body), (PROTOBUF, in_protobuf(body))):
                with Client(collector.port("otlp_http")) as client:
                    push = request(target="/v1/metrics", body=sent, content_type=content_type)
                    hear(client.ask(push))
            for sent, content_type, encoding in broken(body):
                more = {"content_encoding": encoding} if encoding else {}
                with Client(collector.port("otlp_http")) as client:
                    push = request(
                        target="/v1/metrics", body=sent, content_type=content_type, **more
                    )
                    reply = client.ask(push)
                    assert reply.status in {200, 400, 415}
                    hear(reply)
        with grpc.insecure_channel(collector.addresses["otlp_grpc"]) as channel:
            export = channel.unary_unary(EXPORT, None, None)
            for body in refused():
                said.append(export(in_protobuf(body), timeout=PATIENCE_SECONDS))
                try:
                    export(in_protobuf(body)[:-3], timeout=PATIENCE_SECONDS)
                except grpc.RpcError as error:
                    said.append(f"{error.details()} {error.trailing_metadata()}".encode())
        own = collector.get("self_metrics")[1]
        said += [own.encode(), collector.log().encode()]
        reasons = {
            reason
            for reason in Reason
            if collector.counted("portless_refused_points", reason=reason.value)
        }
    assert set(Reason) - reasons == ELSEWHERE
    assert b"partial" in b"".join(said) or b"negative: 1" in b"".join(said)
    for text in said:
        assert MARK.encode() not in text
