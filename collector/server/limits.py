"""The limits of an HTTP server, and what is counted when one of them is met."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Limit(str, enum.Enum):
    """Why the server ended a connection or refused a request; a label of its own counters."""

    CONNECTIONS = "connections"
    """As many connections as allowed are open, and none of them is idle."""
    EVICTED = "evicted"
    """Idle for longest when there was no room for a new connection."""
    IDLE_SECONDS = "idle_seconds"
    """No request for long."""
    REQUEST_SECONDS = "request_seconds"
    """A request took too long to come in."""
    RESPONSE_SECONDS = "response_seconds"
    """An answer was not taken."""
    HEADER_BYTES = "header_bytes"
    BODY_BYTES = "body_bytes"
    BUFFERED_BYTES = "buffered_bytes"
    """All bodies that are just coming in are too much together."""
    MALFORMED = "malformed"
    """That was not HTTP/1."""


@dataclass(frozen=True)
class Limits:
    """How much of everything one server takes."""

    connections_max: int
    header_bytes_max: int = 32 * 1024
    """The exporters of the SDKs send less than 1 kB; nginx and Apache stop at 32 and 64 kB."""
    buffered_bytes_max: int = 128 * 1024 * 1024
    """Bodies of some 10 kB from 10,000 connections at once, or six of the longest allowed."""
    request_seconds_max: float = 60.0
    """From the first byte to the last; net/http in the real collector waits as long for headers."""
    response_seconds_max: float = 30.0
    """For the client to take an answer; the real collector's `write_timeout`."""
    idle_seconds_max: float = 300.0
    """Above every usual interval of pushing and scraping, so that it is the client that closes."""
    linger_seconds: float = 2.0
    """How long input is thrown away after a refusal, so that the client reads why."""
