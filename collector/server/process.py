"""The collector as a process: everything built from a plan, started, ticked, drained.

Here are the only clock, the signals and the loop. All sockets are bound before it says that it is
ready, and SIGTERM or SIGINT lets what is under way be answered first. What a request or a metric is
remains unknown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import time
from contextlib import ExitStack
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from collector import self_metrics
from collector.river import River
from collector.server import memory
from collector.server.health_http import HealthHttp
from collector.server.http_server import HttpServer
from collector.server.limits import Limits
from collector.server.listening import ListenError, address, is_loopback, listen
from collector.server.metrics_http import MetricsHttp
from collector.server.otlp_http import OtlpHttp
from collector.settings import HealthCheck

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from collector.engine import Engine
    from collector.fields.component_id import ComponentId
    from collector.plan import Plan
    from collector.self_metrics import Sample
    from collector.server.messages import Handler
    from collector.settings import Endpoint, Otlp

    Ready = Callable[[Mapping[str, str]], None]

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
DRAIN_SECONDS = 5.0
"""Less than the ten that Docker waits after SIGTERM, and the thirty of Kubernetes."""
WORKERS_MAX = 10_000
"""Connections of those who push; each costs some kB and a file descriptor."""
SCRAPERS_MAX = 128
"""Connections of those who look, for each of the servers where one can."""
SPARE_FILES = 64 + 3 * SCRAPERS_MAX
"""Descriptors that are kept from workers."""


class Clock:
    """Seconds since 1970 by a clock that never goes back."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Tell the time."""
        return self._start + time.monotonic()


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


class Collector:
    """All pipelines, with the servers before and behind them."""

    def __init__(self, plan: Plan, streams_max: int, workers_max: int) -> None:
        """`workers_max` is how many connections those may open who push."""
        self._clock = Clock()
        self._river = River(plan, streams_max)
        self._health = HealthHttp(plan.health_check or HealthCheck(), self._clock)
        self._places = [*self._ways_in(plan, workers_max), *self._ways_out()]
        if plan.health_check:
            endpoint = plan.health_check.endpoint
            server = _server("health_check", self._health)
            self._places.append(Place(server, endpoint, "extensions::health_check"))
        if plan.self_telemetry.metrics:
            mine = MetricsHttp(lambda _: self._self_metrics(), open_metrics=False)
            server = _server("self_metrics", mine)
            endpoint = plan.self_telemetry.metrics
            self._places.append(Place(server, endpoint, "service::telemetry::metrics"))
        self._watches = _watches(self._river.engines)

    def _ways_in(self, plan: Plan, connections_max: int) -> list[Place]:
        """Make the receivers' servers, which share the connections that may be open.

        Raises ListenError where grpcio is missing.
        """
        spoken = sum(protocol is not None for otlp in plan.receivers.values() for protocol in otlp)
        each = connections_max // max(1, spoken)
        of_each = [self._protocols(id_, otlp, each) for id_, otlp in plan.receivers.items()]
        return [place for places in of_each for place in places]

    def _protocols(self, id_: ComponentId, otlp: Otlp, connections_max: int) -> Iterator[Place]:
        path = f"receivers::{id_}::protocols"
        if otlp.http:
            intake = self._river.intake(id_, "http")
            handler = OtlpHttp(intake, otlp.http.body_bytes_max, self._clock)
            name = str(id_._replace(type="otlp_http"))
            server = _server(name, handler, connections_max)
            yield Place(server, otlp.http.endpoint, f"{path}::http")
        if otlp.grpc:
            # What grpcio logs to standard error can quote what it was sent; it is asked not to.
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")
            try:
                from collector.server.grpc_server import GrpcServer  # noqa: PLC0415 - may be missing
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "grpc":
                    raise
                what = "needs grpcio: pip install 'portless[collector]', or remove this protocol"
                raise ListenError(f"{path}::grpc: {what}") from None
            intake = self._river.intake(id_, "grpc")
            name = str(id_._replace(type="otlp_grpc"))
            now = time.monotonic()
            grpc = GrpcServer(name, intake, otlp.grpc, connections_max, self._clock, now)
            yield Place(grpc, otlp.grpc.endpoint, f"{path}::grpc")

    def _ways_out(self) -> list[Place]:
        """Make the servers of the exporters that are scraped."""
        places = []
        for id_, outlet in self._river.prometheus.items():
            settings = outlet.settings
            handler = MetricsHttp(outlet.scrape, open_metrics=settings.enable_open_metrics)
            place = Place(_server(str(id_), handler), settings.endpoint, f"exporters::{id_}")
            places.append(place)
        return places

    def _self_metrics(self) -> bytes:
        samples = self._river.self_metrics()
        for place in self._places:
            samples += place.server.samples()
        return self_metrics.render(samples)

    async def run(self, ready: Ready) -> None:
        """Serve until a signal comes. Raises ListenError."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ready(await self._start())
        repeated = [(TICK_SECONDS, self._tick), *self._watches]
        work: list[Coroutine[None, None, object]] = [_every(*one) for one in repeated]
        tasks = [asyncio.ensure_future(one) for one in [stop.wait(), *work]]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await self._drain()
        for task in done:
            task.result()  # a fault in the ticking ends the process, and is shown

    async def _start(self) -> dict[str, str]:
        """Bind all, then accept everywhere; return the addresses by the servers' names."""
        with ExitStack() as closing:
            opened = (listen(place.endpoint, place.path) for place in self._places)
            sockets = [closing.enter_context(listening) for listening in opened]
            closing.pop_all()  # all of them are bound: they stay open
        addresses = {}
        for place, listening in zip(self._places, sockets):
            addresses[place.server.name] = address(listening)
            if not is_loopback(listening):
                text = "%s: %s can be reached from other machines, without authentication"
                log.warning(text, place.path, address(listening))
            await place.server.start(listening)
        self._health.available_since = self._clock()
        return addresses

    def _tick(self) -> None:
        now, date = time.monotonic(), _date()
        for place in self._places:
            place.server.tick(now, date)
        self._river.tick(self._clock())

    async def _drain(self) -> None:
        log.info("draining")
        self._health.available_since = None
        await asyncio.gather(*(place.server.drain(DRAIN_SECONDS) for place in self._places))
        log.info("stopped")


def run(plan: Plan, streams_max: int, ready: Ready) -> None:
    """Run a plan until SIGTERM or SIGINT; `ready` is told the address of every server by name.

    Raises ListenError where an endpoint cannot be had.
    """
    for warning in plan.warnings:
        log.warning(warning)
    workers_max = max(1, min(WORKERS_MAX, _files_max() - SPARE_FILES))
    asyncio.run(Collector(plan, streams_max, workers_max).run(ready))


def _server(name: str, handler: Handler, connections_max: int = SCRAPERS_MAX) -> HttpServer:
    limits = Limits(connections_max=connections_max)
    return HttpServer(name, handler, limits, time.monotonic(), _date())


def _watches(engines: Iterable[Engine]) -> list[tuple[float, Callable[[], None]]]:
    """Return what has to look at the memory: seconds between two looks, and the look."""
    watches: list[tuple[float, Callable[[], None]]] = []
    for engine in engines:
        limiter = engine.pipeline.memory_limiter
        if limiter:
            watch = memory.MemoryWatch(limiter, engine, memory.used_bytes)
            watches.append((limiter.check_interval_seconds, watch.check))
    if watches and not memory.can_be_measured():
        log.warning("memory_limiter: this system does not tell what a process uses; no limit")
        return []
    return watches


def _files_max() -> int:
    """Allow the process as many open files as it may allow itself, and return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def _date() -> str:
    return formatdate(time.time(), usegmt=True)


async def _every(seconds: float, action: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        action()
