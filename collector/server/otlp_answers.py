"""What an OTLP request is answered with in protobuf, over HTTP as over gRPC.

An outcome or a refusal comes in, bytes go out
(https://opentelemetry.io/docs/specs/otlp/#full-success). Sockets and status lines are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from collector.errors import RETRY_AFTER_SECONDS

if TYPE_CHECKING:
    from collector.engine import Outcome
    from collector.errors import Refused

ACCEPTED = b"\x0a\x00"
"""The real collector's answer: a partial success that is there and empty."""


def answer(outcome: Outcome) -> bytes:
    """Write the response to a request that was recorded."""
    if not outcome.refused:
        return ACCEPTED
    response = ExportMetricsServiceResponse()
    response.partial_success.rejected_data_points = sum(outcome.refused.values())
    response.partial_success.error_message = why(outcome)
    return response.SerializeToString()


def why(outcome: Outcome) -> str:
    """Tell how many points were refused for which reason; clients log it."""
    reasons = sorted((reason.value, points) for reason, points in outcome.refused.items())
    return ", ".join(f"{reason}: {points}" for reason, points in reasons)


def status(refusal: Refused, *, retry_info: bool) -> bytes:
    """Write a google.rpc.Status; with `retry_info` it says when to come back, if ever."""
    told = Status(code=int(refusal.code), message=refusal.message)
    if retry_info and refusal.retryable:
        info = RetryInfo()
        info.retry_delay.seconds = RETRY_AFTER_SECONDS
        told.details.add().Pack(info)
    written: bytes = told.SerializeToString()
    return written
