"""What a configuration file can say, checked and frozen: the seam between YAML and rooms.

`plan.py` fills these from the file; servers, engine and exposition read them. Defaults are the
OpenTelemetry Collector's own. No parsing here, and no behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


class Endpoint(NamedTuple):
    """Where a server listens."""

    host: str
    """Empty means every interface."""
    port: int
    """0 lets the system choose a free one."""


@dataclass(frozen=True)
class Tls:
    """`tls` of a server."""

    cert_file: str
    """The server's certificate and those between it and its authority, as PEM."""
    key_file: str
    client_ca_file: str = ""
    """Authorities of clients, each of whom has to show a certificate; empty asks for none."""
    min_version: str = "1.2"
    max_version: str = "1.3"
    cipher_suites: tuple[str, ...] = ()
    """For TLS 1.2, by the names of the standards; empty means those that are safe."""
    reload_seconds: float = 0.0
    """After which the files are read anew; 0 means never."""
    reload_client_ca: bool = False
    """Whether `client_ca_file` is read anew whenever it changes."""


class Access(NamedTuple):
    """Who may speak to a server, and how."""

    tls: Tls | None = None
    authenticator: str = ""
    """The id of an extension; empty means that nobody is asked."""

    @property
    def is_open(self) -> bool:
        """Whether whoever reaches the server may use it."""
        return not self.authenticator and not (self.tls and self.tls.client_ca_file)


class Timeouts(NamedTuple):
    """How long an HTTP server waits; None is the server's own patience, which has an end too."""

    header_seconds: float | None = None
    """`read_header_timeout`: for the head of a request."""
    request_seconds: float | None = None
    """`read_timeout`: for a request from its first byte to its last."""
    response_seconds: float | None = None
    """`write_timeout`: for the client to take an answer."""
    idle_seconds: float | None = None
    """`keepalive::idle_timeout`: for the next request."""


@dataclass(frozen=True)
class BasicAuth:
    """`extensions.basicauth`: user names and hashed passwords, as lines of htpasswd."""

    file: str = ""
    inline: str = field(default="", repr=False)
    """Comes after the file's lines; of two with the same name the later counts."""


@dataclass(frozen=True)
class BearerTokenAuth:
    """`extensions.bearertokenauth`: one of some tokens in a header."""

    tokens: tuple[str, ...] = field(default=(), repr=False)
    file: str = ""
    """Read again whenever it changes; takes the place of `tokens`."""
    header: str = "Authorization"
    scheme: str = "Bearer"
    """What stands before the token; may be empty."""


Authenticator: TypeAlias = "BasicAuth | BearerTokenAuth"


@dataclass(frozen=True)
class OtlpHttp:
    """`receivers.otlp.protocols.http`."""

    endpoint: Endpoint = Endpoint("127.0.0.1", 4318)
    body_bytes_max: int = 20 * 1024 * 1024
    """Counts for the body on the wire and again after decompression."""
    access: Access = Access()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True)
class GrpcKeepalive:
    """`keepalive` of a gRPC server; where nothing is said, what grpc-go does.

    https://pkg.go.dev/google.golang.org/grpc/keepalive
    """

    idle_seconds_max: float = 300.0
    """Without a request; grpc-go has no end. Clients connect anew when they need to."""
    age_seconds_max: float | None = None
    """Of a connection; None means no end."""
    age_grace_seconds: float | None = None
    """For requests under way on a connection that is too old; None means no end."""
    ping_after_seconds: float = 7200.0
    """Of silence."""
    ping_seconds_max: float = 20.0
    """For a client to answer a ping."""
    ping_interval_seconds_min: float = 300.0
    """Between two pings of a client; one that pings faster is sent away."""
    ping_without_requests: bool = False
    """Whether clients may ping while no request is under way."""


@dataclass(frozen=True)
class OtlpGrpc:
    """`receivers.otlp.protocols.grpc`."""

    endpoint: Endpoint = Endpoint("127.0.0.1", 4317)
    message_bytes_max: int = 4 * 1024 * 1024
    """Counts for the message on the wire and again after decompression."""
    streams_max: int = 100
    """Requests at once on one connection; others wait with the client."""
    keepalive: GrpcKeepalive = GrpcKeepalive()
    access: Access = Access()


class Otlp(NamedTuple):
    """`receivers.otlp`; a protocol that is None is not spoken."""

    http: OtlpHttp | None = None
    grpc: OtlpGrpc | None = None


@dataclass(frozen=True)
class MemoryLimiter:
    """`processors.memory_limiter`: above `limit - spike` bytes requests are refused, retryably."""

    check_interval_seconds: float
    limit_bytes: int
    spike_bytes: int


class ResourceLabels(NamedTuple):
    """Which resource attributes become labels, by patterns with `*` and `?`."""

    included: tuple[str, ...] = ()
    """Empty means all, if some are excluded."""
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prometheus:
    """`exporters.prometheus`."""

    endpoint: Endpoint
    namespace: str = ""
    const_labels: tuple[tuple[str, str], ...] = ()
    metric_expiration_seconds: float = 300.0
    enable_open_metrics: bool = False
    without_scope_info: bool = False
    resource_labels: ResourceLabels = ResourceLabels()
    with_suffixes: bool = True
    """Whether names tell unit and type."""
    utf8_names: bool = False
    """Whether names stay as they are, for clients that take any UTF-8 in them."""
    send_timestamps: bool = False
    access: Access = Access()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True)
class HealthCheck:
    """`extensions.health_check`."""

    endpoint: Endpoint = Endpoint("127.0.0.1", 13133)
    path: str = "/"
    healthy_body: str | None = None
    """None answers the Collector's JSON with status and uptime."""
    unhealthy_body: str | None = None
    access: Access = Access()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True)
class SelfTelemetry:
    """`service.telemetry`: the collector's own log level and metrics."""

    log_level: str = "info"
    metrics: Endpoint | None = Endpoint("127.0.0.1", 8888)
    """None: no self-metrics server."""
