"""A plan and its river -> every server with its door, each at its place in the configuration.

Nothing listens yet. Here is what belongs together: which handler stands behind which endpoint, how
many connections it may have, and who is let in.
"""

from __future__ import annotations

import os
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from collector.server.auth import authenticator
from collector.server.door import Allowed, Door
from collector.server.http_server import HttpServer
from collector.server.limits import Limits
from collector.server.listening import ListenError
from collector.server.metrics_http import MetricsHttp
from collector.server.otlp_http import OtlpHttp
from collector.server.tls import Certificates
from collector.settings import Access, Timeouts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from collector.fields.component_id import ComponentId
    from collector.plan import Plan
    from collector.river import River
    from collector.self_metrics import Sample
    from collector.server.auth import Authenticator
    from collector.server.health_http import HealthHttp
    from collector.server.messages import Handler
    from collector.settings import Endpoint, Otlp, OtlpGrpc

SCRAPERS_MAX = 128
"""Connections of those who look, for each of the servers where one can."""


class Server(Protocol):
    """What is served of an endpoint, whatever it speaks."""

    name: str
    """A label of its numbers."""

    async def start(self, listening: socket.socket) -> None:
        """Accept from now on."""

    def tick(self, now: float, date: str) -> None:
        """Tell the time, about once a second: seconds of any steady clock, and the Date header."""

    async def drain(self, seconds: float) -> None:
        """Stop to accept, answer what is under way, close everything after `seconds` at most."""

    def samples(self) -> list[Sample]:
        """Return the server's own numbers."""


class Place(NamedTuple):
    """A server and where it belongs."""

    server: Server
    endpoint: Endpoint
    path: str
    """Of the endpoint's component in the configuration."""
    is_open: bool
    """Whether it may be used by whoever reaches it, and nobody has allowed that."""


class HttpSettings(Protocol):
    """What the settings of all HTTP servers say."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""

    @property
    def access(self) -> Access:
        """Who may come in."""

    @property
    def timeouts(self) -> Timeouts:
        """How long it waits."""


class Unguarded(NamedTuple):
    """The settings of a server of which a file says only where it listens."""

    endpoint: Endpoint
    access: Access = Access()
    timeouts: Timeouts = Timeouts()


class Builder:
    """Makes servers; all of them raise ListenError where a file or a library is missing."""

    def __init__(
        self, plan: Plan, river: River, clock: Callable[[], float], allowed: Allowed
    ) -> None:
        """`clock` tells the engine's time."""
        self._plan = plan
        self._river = river
        self._clock = clock
        self._allowed = allowed
        self._authenticators: Mapping[str, Authenticator] = {
            id_: authenticator(id_, settings) for id_, settings in plan.authenticators.items()
        }

    def ways_in(self, connections_max: int) -> Iterator[Place]:
        """Make the receivers' servers, which share the connections that may be open."""
        receivers = self._plan.receivers
        spoken = sum(protocol is not None for otlp in receivers.values() for protocol in otlp)
        for id_, otlp in receivers.items():
            yield from self._protocols(id_, otlp, connections_max // max(1, spoken))

    def ways_out(self) -> Iterator[Place]:
        """Make the servers of the exporters that are scraped."""
        for id_, outlet in self._river.prometheus.items():
            handler = MetricsHttp(outlet.scrape, open_metrics=outlet.settings.enable_open_metrics)
            yield self._http(str(id_), handler, outlet.settings, f"exporters::{id_}")

    def windows(self, health: HealthHttp, self_metrics: Callable[[], bytes]) -> Iterator[Place]:
        """Make the servers by which the collector itself is watched."""
        if self._plan.health_check:
            path = "extensions::health_check"
            yield self._http("health_check", health, self._plan.health_check, path)
        endpoint = self._plan.self_telemetry.metrics
        if endpoint:
            handler = MetricsHttp(lambda _: self_metrics(), open_metrics=False)
            path = "service::telemetry::metrics"
            yield self._http("self_metrics", handler, Unguarded(endpoint), path)

    def _protocols(self, id_: ComponentId, otlp: Otlp, connections_max: int) -> Iterator[Place]:
        path = f"receivers::{id_}::protocols"
        if otlp.http:
            intake = self._river.intake(id_, "http")
            handler = OtlpHttp(intake, otlp.http.body_bytes_max, self._clock)
            name = str(id_._replace(type="otlp_http"))
            yield self._http(name, handler, otlp.http, f"{path}::http", connections_max)
        if otlp.grpc:
            yield self._grpc(id_, otlp.grpc, f"{path}::grpc", connections_max)

    def _grpc(self, id_: ComponentId, settings: OtlpGrpc, path: str, connections_max: int) -> Place:
        # What grpcio logs to standard error can quote what it was sent; it is asked not to.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        try:
            from collector.server.grpc_server import GrpcServer  # noqa: PLC0415 - may be missing
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "grpc":
                raise
            what = "needs grpcio: pip install 'portless[collector]', or remove this protocol"
            raise ListenError(f"{path}: {what}") from None
        intake, now = self._river.intake(id_, "grpc"), time.monotonic()
        name = str(id_._replace(type="otlp_grpc"))
        door = self._door(name, path, settings.access)
        server = GrpcServer(name, intake, settings, connections_max, self._clock, now, door)
        return self._place(server, settings.endpoint, path, settings.access)

    def _http(
        self,
        name: str,
        handler: Handler,
        settings: HttpSettings,
        path: str,
        connections_max: int = SCRAPERS_MAX,
    ) -> Place:
        door, now = self._door(name, path, settings.access), time.monotonic()
        limits = Limits(connections_max=connections_max).patient(settings.timeouts)
        server = HttpServer(name, handler, limits, now, date(), door)
        return self._place(server, settings.endpoint, path, settings.access)

    def _door(self, name: str, path: str, access: Access) -> Door:
        tls = Certificates(access.tls, path, time.monotonic()) if access.tls else None
        asked = self._authenticators[access.authenticator] if access.authenticator else None
        return Door(self._allowed.networks_of(name), tls, asked)

    def _place(self, server: Server, endpoint: Endpoint, path: str, access: Access) -> Place:
        is_open = access.is_open and not self._allowed.may_be_open(server.name)
        return Place(server, endpoint, path, is_open)


def date() -> str:
    """Return the value of the Date header now."""
    return formatdate(time.time(), usegmt=True)
