"""`grpc` below `protocols`: OTLP over gRPC.

In: its section. Out: `settings.OtlpGrpc`; the settings of a gRPC server (`configgrpc.ServerConfig`)
that nothing here can follow are refused by name. It opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import access
from collector.settings import GrpcKeepalive, OtlpGrpc, Tls

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.settings import Access

_MIB = 1024 * 1024
_MESSAGE_MIB_MOST = 2**31 // _MIB - 1
"""Below what a gRPC message can be long."""


def read(section: Section) -> OtlpGrpc:
    """Read the settings; 0 is the default everywhere, as in the Collector.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/configgrpc
    """
    default = OtlpGrpc()
    section.only("transport", "tcp")
    section.only("include_metadata", value=False)
    section.elsewhere("dialer", "middlewares", "read_buffer_size", "write_buffer_size")
    message_mib = section.whole("max_recv_msg_size_mib", most=_MESSAGE_MIB_MOST)
    return OtlpGrpc(
        endpoint=section.endpoint("endpoint", default.endpoint),
        message_bytes_max=message_mib * _MIB or default.message_bytes_max,
        streams_max=section.whole("max_concurrent_streams", most=2**31 - 1) or default.streams_max,
        keepalive=_keepalive(section.section("keepalive")),
        access=_access(section),
    )


def _access(section: Section) -> Access:
    """Read who may come in; grpcio lets nobody choose what TLS does from 1.2 on."""
    tls = section.section("tls")
    tls.only("max_version", Tls.max_version)
    tls.only("min_version", Tls.min_version)
    tls.elsewhere("cipher_suites")
    return access.read(section)


def _keepalive(section: Section) -> GrpcKeepalive:
    default = GrpcKeepalive()
    server, policy = section.section("server_parameters"), section.section("enforcement_policy")
    return GrpcKeepalive(
        idle_seconds_max=_seconds(server, "max_connection_idle") or default.idle_seconds_max,
        age_seconds_max=_seconds(server, "max_connection_age") or None,
        age_grace_seconds=_seconds(server, "max_connection_age_grace") or None,
        ping_after_seconds=_seconds(server, "time") or default.ping_after_seconds,
        ping_seconds_max=_seconds(server, "timeout") or default.ping_seconds_max,
        ping_interval_seconds_min=_seconds(policy, "min_time") or default.ping_interval_seconds_min,
        ping_without_requests=policy.flag("permit_without_stream"),
    )


def _seconds(section: Section, key: str) -> float:
    seconds = section.seconds(key)
    if seconds < 0:
        section.mistake(key, "must not be negative")
    return seconds
