"""The limits of a server, and what is counted when one of them is met."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from collector.self_metrics import Sample, counter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from collector.settings import Timeouts


class Limit(str, enum.Enum):
    """Why the server ended a connection or refused a request; a label of its own counters."""

    CONNECTIONS = "connections"
    """As many connections as allowed are open, and none of them is idle."""
    EVICTED = "evicted"
    """Idle or slow to ask for longest when there was no room for a new connection."""
    IDLE_SECONDS = "idle_seconds"
    """No request for long."""
    REQUEST_SECONDS = "request_seconds"
    """A request took too long to come in."""
    RESPONSE_SECONDS = "response_seconds"
    """An answer was not taken."""
    NETWORK = "network"
    """A client came from a network that `--allow-from` does not name."""
    TLS = "tls"
    """What came was no TLS, took too long to become it, or showed no trusted certificate."""
    AUTHENTICATION = "authentication"
    """A request did not show who sent it."""
    HEADER_SECONDS = "header_seconds"
    """The head of a request took too long to come in."""
    HEADER_BYTES = "header_bytes"
    BODY_BYTES = "body_bytes"
    """A body is longer than allowed as it comes."""
    UNPACKED_BYTES = "unpacked_bytes"
    """A body is longer than allowed once it is unpacked."""
    RATIO = "ratio"
    """A short body unpacks to a long one: 500 times its length, and more than 1 MiB."""
    BUFFERED_BYTES = "buffered_bytes"
    """All bodies that are just coming in are too much together."""
    MALFORMED = "malformed"
    """That was not HTTP/1."""
    REQUESTS = "requests"
    """More requests at once than the gRPC server takes."""
    UNREAD = "unread"
    """A gRPC message never came whole: longer than allowed, or who sent it gave up."""


HTTP_LIMITS = tuple(limit for limit in Limit if limit not in {Limit.REQUESTS, Limit.UNREAD})
GRPC_LIMITS = (
    Limit.NETWORK,
    Limit.AUTHENTICATION,
    Limit.REQUESTS,
    Limit.REQUEST_SECONDS,
    Limit.UNREAD,
    Limit.UNPACKED_BYTES,
    Limit.RATIO,
)
"""Connections, their idleness and the length of what comes are grpcio's to limit, and it counts
nothing; a message too long is one that was never read."""


@dataclass(frozen=True)
class Limits:
    """How much of everything one server takes."""

    connections_max: int
    header_bytes_max: int = 32 * 1024
    """The exporters of the SDKs send less than 1 kB; nginx and Apache stop at 32 and 64 kB."""
    buffered_bytes_max: int = 128 * 1024 * 1024
    """Bodies of some 10 kB from 10,000 connections at once, or six of the longest allowed."""
    header_seconds_max: float = 20.0
    """From a connection's beginning or a request's first byte to the end of its head."""
    request_seconds_max: float = 60.0
    """From a request's first byte to its last."""
    handshake_seconds_max: float = 10.0
    """For TLS to be spoken."""
    response_seconds_max: float = 30.0
    """For the client to take an answer; the real collector's `write_timeout`."""
    idle_seconds_max: float = 300.0
    """Above every usual interval of pushing and scraping, so that it is the client that closes."""
    linger_seconds: float = 2.0
    """How long input is thrown away after a refusal, so that the client reads why."""

    def patient(self, timeouts: Timeouts) -> Limits:
        """Return the same limits with what a file says of time."""
        head, request, response, idle = timeouts
        request_seconds = request or self.request_seconds_max
        return replace(
            self,
            header_seconds_max=head or min(self.header_seconds_max, request_seconds),
            request_seconds_max=max(request_seconds, head or 0.0),
            response_seconds_max=response or self.response_seconds_max,
            idle_seconds_max=idle or self.idle_seconds_max,
        )


def limited(server: str, limits: Iterable[Limit], counts: Counter[Limit]) -> list[Sample]:
    """Return how often a server's limits were met, for each of them from 0 on."""
    name, help_ = "portless_server_limited", "Connections ended or requests refused, by limit."
    return [
        counter(name, counts[limit], help_, server=server, limit=limit.value) for limit in limits
    ]
