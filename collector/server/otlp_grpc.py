"""OTLP over gRPC: one message of `MetricsService/Export`, answered as by the real collector.

A message comes in as it was on the wire, packed or not; the response goes out as bytes, or Refused
with the code and the words that the OpenTelemetry Collector 0.161.0 has. Calls, connections and
metadata are not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from collector.errors import Code, Malformed, Refused
from collector.server import otlp_answers
from collector.server.unpack import TooLong, unpack

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from collector.engine import Outcome
    from collector.server.limits import Limit

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
METHOD = f"/{SERVICE}/Export"

GZIP = b"\x1f\x8b"
"""How a packed message begins. No protobuf does: the wire type of these bytes does not exist."""


class Accepting(Protocol):
    """What is needed of an engine."""

    def accept(self, body: bytes, now: float) -> Outcome:
        """Record protobuf."""


class OtlpGrpc:
    """The service behind the receiver's gRPC server."""

    def __init__(
        self,
        engine: Accepting,
        message_bytes_max: int,
        clock: Callable[[], float],
        limited: Counter[Limit],
    ) -> None:
        """`limited` counts what limits refuse."""
        self.message_bytes_max = message_bytes_max
        self._engine = engine
        self._clock = clock
        self._limited = limited

    def export(self, message: bytes) -> bytes:
        """Record a message. Raises Refused."""
        try:
            body = self._unpacked(message)
            outcome = self._engine.accept(body, self._clock())
        except Malformed as error:
            text = f"grpc: error unmarshalling request: {error.message}"
            raise Refused(Code.INTERNAL, text) from None
        return otlp_answers.answer(outcome)

    def _unpacked(self, message: bytes) -> bytes:
        if not message.startswith(GZIP):
            return message
        try:
            return unpack(message, "gzip", self.message_bytes_max)
        except TooLong as error:
            self._limited[error.limit] += 1
            text = f"grpc: received message after decompression larger than max {error.bytes_max}"
            raise Refused(Code.RESOURCE_EXHAUSTED, text) from None


def unimplemented(method: str) -> Refused:
    """Say, as grpc-go does, that nobody serves a method; `method` is a call's path."""
    service, _, name = method.removeprefix("/").rpartition("/")
    if service == SERVICE:
        return Refused(Code.UNIMPLEMENTED, f"unknown method {name} for service {service}")
    return Refused(Code.UNIMPLEMENTED, f"unknown service {service}")
