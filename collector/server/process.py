"""The collector as a process: everything built from a plan, started, ticked, drained.

Here are the only clock, the signals and the loop. All sockets are bound before it says that it is
ready, and SIGTERM or SIGINT lets what is under way be answered first. What a request or a metric is
remains unknown.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from collector import self_metrics
from collector.river import River
from collector.server import keeping, memory
from collector.server.health_http import HealthHttp
from collector.server.listening import ListenError, address, host_of, is_loopback, listen
from collector.server.places import SCRAPERS_MAX, Builder, date
from collector.server.push.build import pushers
from collector.server.usage import Usage
from collector.settings import HealthCheck

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from collector.engine import Engine
    from collector.exposition.negotiate import Format
    from collector.journal.journal import StateDir
    from collector.plan import Plan
    from collector.server.door import Allowed
    from collector.server.places import Place
    from collector.server.seats import Seat

    Ready = Callable[[Mapping[str, str]], None]

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
DRAIN_SECONDS = 5.0
"""Less than the ten that Docker waits after SIGTERM, and the thirty of Kubernetes."""
WORKERS_MAX = 10_000
"""Connections of those who push; each costs some kB and a file descriptor."""
SPARE_FILES = 64 + 3 * SCRAPERS_MAX
"""Descriptors that are kept from workers."""


class Clock:
    """Seconds since 1970 by a clock that never goes back."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Tell the time."""
        return self._start + time.monotonic()


class Sizes(NamedTuple):
    """How much there may be."""

    streams_max: int
    """Streams of each pipeline."""
    workers_max: int
    """Connections that those may open who push."""


class Extras(NamedTuple):
    """What is said on the command line and in no configuration."""

    state_dir: StateDir | None = None
    page: Seat | None = None
    """Where the page for browsers is served, and who is asked there."""


NO_EXTRAS = Extras()


class Collector:
    """All pipelines, with the servers before and behind them."""

    def __init__(self, plan: Plan, sizes: Sizes, allowed: Allowed, extras: Extras) -> None:
        """Raises ListenError, and StateDirError."""
        self._clock = Clock()
        self._usage = Usage()
        self._river = River(plan, sizes.streams_max, extras.state_dir)
        self._health = HealthHttp(plan.health_check or HealthCheck(), self._clock)
        build = Builder(plan, self._river, self._clock, allowed)
        self._places = [
            *build.ways_in(sizes.workers_max),
            *build.ways_out(),
            *build.windows(self._health, self._self_metrics),
        ]
        self._page = None
        if extras.page:
            self._page, place = build.page(extras.page)
            self._places.append(place)
        allowed.refuse_unknown(place.server.name for place in self._places)
        self._watches = _watches(self._river.engines)
        self._pushers = pushers(plan, self._river, self._clock)

    def _self_metrics(self, form: Format) -> bytes:
        samples = [*self._usage.samples(), *self._river.self_metrics()]
        for place in self._places:
            samples += place.server.samples()
        for pusher in self._pushers:
            samples += pusher.self_metrics()
        return self_metrics.render(samples, form)

    async def run(self, ready: Ready) -> None:
        """Serve until a signal comes. Raises ListenError."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._river.restore(self._clock())
        ready(await self._start())
        repeated = [(TICK_SECONDS, self._tick), *self._watches]
        work: list[Coroutine[None, None, object]] = [_every(*one) for one in repeated]
        work += [pusher.run() for pusher in self._pushers]
        work += [keeping.write_states(self._river, self._clock), keeping.sync(self._river)]
        tasks = [asyncio.ensure_future(one) for one in [stop.wait(), *work]]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await self._drain()
        self._river.close()
        for task in done:
            task.result()  # a fault in the ticking ends the process, and is shown

    async def _start(self) -> dict[str, str]:
        """Bind all, then accept everywhere; return the addresses by the servers' names."""
        with ExitStack() as closing:
            opened = (listen(place.seat.endpoint, place.seat.path) for place in self._places)
            sockets = [closing.enter_context(listening) for listening in opened]
            _refuse_open(zip(self._places, sockets))
            self._open_pushers()
            closing.pop_all()  # all of them are bound: they stay open
        addresses = {}
        for place, listening in zip(self._places, sockets):
            addresses[place.server.name] = address(listening)
            await place.server.start(listening)
        self._health.available_since = self._clock()
        if self._page:
            self._page.addresses = addresses
        return addresses

    def _open_pushers(self) -> None:
        for pusher in self._pushers:
            try:
                pusher.open()
            except OSError as error:
                what = f"{error.filename}: {error.strerror}"
                raise ListenError(f"exporters::{pusher.name}: {what}") from None

    def _tick(self) -> None:
        now, today = time.monotonic(), date()
        for place in self._places:
            place.server.tick(now, today)
        self._river.tick(self._clock())

    async def _drain(self) -> None:
        log.info("draining")
        self._health.available_since = None
        await asyncio.gather(*(place.server.drain(DRAIN_SECONDS) for place in self._places))
        # What was recorded while draining is pushed, too.
        await asyncio.gather(*(pusher.close(DRAIN_SECONDS) for pusher in self._pushers))
        log.info("stopped")


def run(
    plan: Plan,
    streams_max: int,
    ready: Ready,
    allowed: Allowed,
    extras: Extras = NO_EXTRAS,
) -> None:
    """Run a plan until SIGTERM or SIGINT; `ready` is told the address of every server by name.

    Raises ListenError where an endpoint cannot be had, or would be open to other machines and
    `allowed` does not say that it may; StateDirError where the state directory cannot be used.
    """
    for warning in plan.warnings:
        log.warning(warning)
    workers_max = max(1, min(WORKERS_MAX, _files_max() - SPARE_FILES))
    sizes = Sizes(streams_max, workers_max)
    asyncio.run(Collector(plan, sizes, allowed, extras).run(ready))


def _refuse_open(bound: Iterable[tuple[Place, socket.socket]]) -> None:
    """Raise ListenError for servers that other machines reach and that ask nobody who is there."""
    refused = [
        place.seat.refusal(address(listening))
        for place, listening in bound
        if place.is_open and not is_loopback(host_of(listening))
    ]
    if refused:
        raise ListenError("\n".join(refused))


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


async def _every(seconds: float, action: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        action()
