"""OTLP/JSON -> the same request in protobuf, so that everything behind it has one form to read.

JSON is what a person posts with curl and what cases and replays are written in; nobody sends it in
bulk, so it takes the standard converter's way
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from collector.errors import Malformed

IDS = {"traceId": 16, "spanId": 8, "trace_id": 16, "span_id": 8}
"""Bytes of an exemplar's ids."""
TEMPORALITIES = ("aggregationTemporality", "aggregation_temporality")


def to_protobuf(body: bytes) -> bytes:
    """Convert an ExportMetricsServiceRequest from JSON.

    Unknown fields are ignored, as the specification asks; unknown names of a temporality are not,
    as the Collector has it.
    Raises Malformed; its text never repeats what the body holds.
    """
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(tree, dict):
        raise Malformed("the body is not a JSON object")
    message = ExportMetricsServiceRequest()
    try:
        json_format.ParseDict(_prepared(tree), message, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError):
        raise Malformed("the JSON body is not an OTLP ExportMetricsServiceRequest") from None
    return bytes(message.SerializeToString())


def _prepared(value: Any) -> Any:
    """Write ids as the converter reads them, and refuse what it would pass over in silence."""
    if isinstance(value, list):
        return [_prepared(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    names = {key.replace("_", "").lower() for key in value}
    if len(names) < len(value):
        raise Malformed(
            "a field stands twice in the JSON body, perhaps in camelCase and snake_case"
        )
    for key in TEMPORALITIES:
        if isinstance(value.get(key), str) and value[key] not in AggregationTemporality.keys():  # noqa: SIM118 - no dict
            raise Malformed("an aggregationTemporality in the JSON body has an unknown name")
    return {
        key: [_with_ids(exemplar) for exemplar in _prepared(inner)]
        if key == "exemplars" and isinstance(inner, list)
        else _prepared(inner)
        for key, inner in value.items()
    }


def _with_ids(exemplar: Any) -> Any:
    """Turn an exemplar's ids from hexadecimal, as OTLP has them, to base64."""
    if not isinstance(exemplar, dict):
        return exemplar
    result = dict(exemplar)
    for key, size in IDS.items():
        try:
            id_ = bytes.fromhex(result.get(key, ""))
        except (TypeError, ValueError):
            raise Malformed("an id in the JSON body is not hexadecimal") from None
        if len(id_) not in (0, size):
            raise Malformed("an id in the JSON body has another length")
        if id_:
            result[key] = b64encode(id_).decode()
    return result
