"""A gRPC server's settings in the words of grpcio: limits, keepalive, and what it leaves alone.

In: settings with seconds and bytes. Out: names and whole numbers, as grpcio takes them; it is not
imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.settings import OtlpGrpc as Settings

HANDSHAKE_SECONDS_MAX = 10
"""For a connection to say what it speaks."""
METADATA_BYTES_MAX = 32 * 1024
"""As the HTTP server's headers."""
_INT_MAX = 2**31 - 1
_IDENTITY_AND_GZIP = 0b101
"""As bits of grpcio's algorithms; the real collector knows no deflate here either."""


def server_options(settings: Settings, connections_max: int) -> list[tuple[str, int]]:
    """Write the settings as grpcio's (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html).

    Messages are not unpacked by grpcio: older ones do it without any limit.
    """
    keepalive = settings.keepalive
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", connections_max),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS_MAX * 1000),
        ("grpc.max_concurrent_streams", settings.streams_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
        ("grpc.max_connection_idle_ms", _milliseconds(keepalive.idle_seconds_max)),
        ("grpc.max_connection_age_ms", _milliseconds(keepalive.age_seconds_max)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(keepalive.age_grace_seconds)),
        ("grpc.keepalive_time_ms", _milliseconds(keepalive.ping_after_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(keepalive.ping_seconds_max)),
        # without this one the connection stays open (grpcio 1.85)
        ("grpc.http2.ping_timeout_ms", _milliseconds(keepalive.ping_seconds_max)),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            _milliseconds(keepalive.ping_interval_seconds_min),
        ),
        ("grpc.keepalive_permit_without_calls", int(keepalive.ping_without_requests)),
    ]


def _milliseconds(seconds: float | None) -> int:
    """Write a duration, or grpcio's number for one without end."""
    return _INT_MAX if seconds is None else min(max(1, round(seconds * 1000)), _INT_MAX)
