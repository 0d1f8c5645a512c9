"""A plan and its river -> every server with its door, each at its place in the configuration.

Nothing listens yet. Here is what belongs together: which handler stands behind which endpoint, how
many connections it may have, and who is let in.
"""

from __future__ import annotations

import os
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from collector.server import seats
from collector.server.auth import authenticator
from collector.server.door import Allowed, Door
from collector.server.http_server import HttpServer
from collector.server.limits import Limits
from collector.server.listening import ListenError
from collector.server.metrics_http import MetricsHttp
from collector.server.otlp_http import OtlpHttp
from collector.server.page_http import PageHttp
from collector.server.tls import Certificates
from collector.settings import Timeouts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from collector.exposition.negotiate import Format
    from collector.fields.component_id import ComponentId
    from collector.plan import Plan
    from collector.river import River
    from collector.self_metrics import Sample
    from collector.server.auth import Authenticator
    from collector.server.health_http import HealthHttp
    from collector.server.messages import Handler
    from collector.server.seats import Seat
    from collector.settings import Otlp, OtlpGrpc

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
    """A server and where it sits."""

    server: Server
    seat: Seat
    is_open: bool
    """Whether it may be used by whoever reaches it, and nobody has allowed that."""


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
            settings = outlet.settings
            handler = MetricsHttp(outlet.scrape, open_metrics=settings.enable_open_metrics)
            yield self._http(seats.prometheus(id_, settings), handler, settings.timeouts)

    def windows(
        self, health: HealthHttp, self_metrics: Callable[[Format], bytes]
    ) -> Iterator[Place]:
        """Make the servers by which the collector itself is watched."""
        check = self._plan.health_check
        if check:
            yield self._http(seats.health_check(check), health, check.timeouts)
        endpoint = self._plan.self_telemetry.metrics
        if endpoint:
            handler = MetricsHttp(self_metrics, open_metrics=False)
            yield self._http(seats.self_metrics(endpoint), handler, Timeouts())

    def page(self, seat: Seat) -> tuple[PageHttp, Place]:
        """Make the page for browsers and its server. Raises ListenError."""
        if not self._river.prometheus:
            raise ListenError("--page: it shows what a prometheus exporter exposes; there is none")
        asked = seat.access.authenticator
        if asked and asked not in self._authenticators:
            there_are = ", ".join(self._authenticators) or "none"
            raise ListenError(
                f"--page-auth: there is no authenticator {asked}, there are: {there_are}"
            )
        by_address = not asked and not self._allowed.may_be_open(seat.name)
        handler = PageHttp(self._river, self._clock, by_address=by_address)
        return handler, self._http(seat, handler, Timeouts())

    def _protocols(self, id_: ComponentId, otlp: Otlp, connections_max: int) -> Iterator[Place]:
        http, grpc = otlp
        if http:
            intake = self._river.intake(id_, "http")
            handler = OtlpHttp(intake, http.body_bytes_max, self._clock)
            yield self._http(seats.otlp_http(id_, http), handler, http.timeouts, connections_max)
        if grpc:
            yield self._grpc(id_, grpc, connections_max)

    def _grpc(self, id_: ComponentId, settings: OtlpGrpc, connections_max: int) -> Place:
        # What grpcio logs to standard error can quote what it was sent; it is asked not to.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        seat = seats.otlp_grpc(id_, settings)
        try:
            from collector.server.grpc_server import GrpcServer  # noqa: PLC0415 - may be missing
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "grpc":
                raise
            what = "needs grpcio: pip install 'portless[collector]', or remove this protocol"
            raise ListenError(f"{seat.path}: {what}") from None
        intake, now = self._river.intake(id_, "grpc"), time.monotonic()
        door = self._door(seat)
        server = GrpcServer(seat.name, intake, settings, connections_max, self._clock, now, door)
        return Place(server, seat, seat.is_open(self._allowed))

    def _http(
        self,
        seat: Seat,
        handler: Handler,
        timeouts: Timeouts,
        connections_max: int = SCRAPERS_MAX,
    ) -> Place:
        door, now = self._door(seat), time.monotonic()
        limits = Limits(connections_max=connections_max).patient(timeouts)
        server = HttpServer(seat.name, handler, limits, now, date(), door)
        return Place(server, seat, seat.is_open(self._allowed))

    def _door(self, seat: Seat) -> Door:
        tls, id_ = seat.access.tls, seat.access.authenticator
        certificates = Certificates(tls, seat.path, time.monotonic()) if tls else None
        asked = self._authenticators[id_] if id_ else None
        return Door(self._allowed.networks_of(seat.name), certificates, asked)


def date() -> str:
    """Return the value of the Date header now."""
    return formatdate(time.time(), usegmt=True)
