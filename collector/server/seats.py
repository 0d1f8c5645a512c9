"""Where a plan's servers sit: what each is called, where it listens, and who may come in.

In: a plan. Out: a seat for every server, and a word against those that other machines reach and
that ask nobody who is there. Nothing is bound here, so that a file can be judged before it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collector.server.listening import is_loopback, resolved
from collector.settings import Access, Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.fields.component_id import ComponentId
    from collector.plan import Plan
    from collector.server.door import Allowed
    from collector.settings import Endpoint, HealthCheck, OtlpGrpc, OtlpHttp


PAGE = "page"


class Seat(NamedTuple):
    """Where a server sits."""

    name: str
    """By which options and its own numbers know it."""
    path: str
    """Of what it belongs to in the configuration."""
    endpoint: Endpoint
    access: Access
    ask: str = "`auth` or `tls` with client_ca_file"
    """What would have it ask who is there."""

    def is_open(self, allowed: Allowed) -> bool:
        """Whether it may be used by whoever reaches it, and nobody has allowed that."""
        return self.access.is_open and not allowed.may_be_open(self.name)

    def refusal(self, address: str) -> str:
        """Say what is wrong with being open at an address that other machines reach."""
        return (
            f"{self.path}: {address} can be reached from other machines, and nobody is asked who "
            f"is there: add {self.ask}, listen on 127.0.0.1, or start with "
            f"--allow-open={self.name}"
        )


def otlp_http(id_: ComponentId, settings: OtlpHttp) -> Seat:
    """Seat the HTTP server of a receiver."""
    path = f"receivers::{id_}::protocols::http"
    return Seat(str(id_._replace(type="otlp_http")), path, settings.endpoint, settings.access)


def otlp_grpc(id_: ComponentId, settings: OtlpGrpc) -> Seat:
    """Seat the gRPC server of a receiver."""
    path = f"receivers::{id_}::protocols::grpc"
    return Seat(str(id_._replace(type="otlp_grpc")), path, settings.endpoint, settings.access)


def prometheus(id_: ComponentId, settings: Prometheus) -> Seat:
    """Seat the server of an exporter that is scraped."""
    return Seat(str(id_), f"exporters::{id_}", settings.endpoint, settings.access)


def health_check(settings: HealthCheck) -> Seat:
    """Seat the server that says whether the collector is well."""
    return Seat("health_check", "extensions::health_check", settings.endpoint, settings.access)


def self_metrics(endpoint: Endpoint) -> Seat:
    """Seat the server of the collector's own metrics, of which a file says only where it is."""
    return Seat("self_metrics", "service::telemetry::metrics", endpoint, Access())


def page(endpoint: Endpoint, authenticator: str) -> Seat:
    """Seat the page for browsers, which the command line asks for and no file."""
    access = Access(authenticator=authenticator)
    return Seat(PAGE, "--page", endpoint, access, "--page-auth=EXTENSION")


def seats(plan: Plan) -> Iterator[Seat]:
    """Yield the seats of all servers that a plan has, in the order in which they are bound."""
    for id_, otlp in plan.receivers.items():
        if otlp.http:
            yield otlp_http(id_, otlp.http)
        if otlp.grpc:
            yield otlp_grpc(id_, otlp.grpc)
    for id_, exporter in plan.exporters.items():
        if isinstance(exporter, Prometheus):
            yield prometheus(id_, exporter)
    if plan.health_check:
        yield health_check(plan.health_check)
    if plan.self_telemetry.metrics:
        yield self_metrics(plan.self_telemetry.metrics)


def refusals(plan: Plan, allowed: Allowed) -> Iterator[str]:
    """Yield what `run` would say against servers that are open; raises ListenError as it does."""
    found = list(seats(plan))
    # Whether there is a page is said where the file is run: here it may be named.
    page_named = [PAGE] if PAGE in allowed.open else []
    allowed.refuse_unknown([*(seat.name for seat in found), *page_named])
    for seat in found:
        if seat.is_open(allowed):
            host, address = resolved(seat.endpoint)
            if host and not is_loopback(host):
                yield seat.refusal(address)
