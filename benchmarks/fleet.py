"""CPU and memory of agents and gateways, a point and a stream: deploy/otelcol's files, in one run.

One agent hands what it gets to one gateway, which writes to a store that takes everything. The
embedded collector gets the same bytes by turns. docs/scale.md calculates with this table.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import psutil

from benchmarks.collectors import otelcol, ours, serving
from benchmarks.payload import counters, histograms
from benchmarks.processes import Push, cpu_seconds, send, until_idle
from benchmarks.table import Table
from tests.support.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    Make: TypeAlias = Callable[[str, int, int], bytes]

POINTS = 300
"""Of a push."""
WORKERS = 5
TICKS = 60
"""Pushes of each worker in a turn."""
TURNS = 4
"""The first one warms all of them up."""
FILLING = 200
"""Workers whose streams are new, for what a stream takes of memory."""
EMBEDDED, AGENT, GATEWAY = "embedded collector", "agent", "gateway"


class _Store(BaseHTTPRequestHandler):
    """Takes whatever is written to it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read it and say so."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


class Way(NamedTuple):
    """Where to push, and whoever works for it."""

    port: int
    processes: dict[str, psutil.Process]

    def push(self, bodies: Sequence[bytes]) -> dict[str, float]:
        """Push until all are idle; CPU seconds of each. Raises RuntimeError on a refusal."""
        before = {name: cpu_seconds(process) for name, process in self.processes.items()}
        pushes = [Push("POST /v1/metrics", "application/x-protobuf", body) for body in bodies]
        send(self.port, pushes, WORKERS)
        for process in self.processes.values():
            until_idle(process)
        return {name: cpu_seconds(each) - before[name] for name, each in self.processes.items()}

    def resident_bytes(self) -> dict[str, int]:
        """Memory of each."""
        return {name: each.memory_info().rss for name, each in self.processes.items()}


def _nanoseconds(ways: Sequence[Way], make: Make, ticks: int) -> dict[str, float]:
    """Return what a point costs each."""
    spent: dict[str, list[float]] = defaultdict(list)
    for turn in range(TURNS):
        span = range(1 + turn * ticks, 1 + (turn + 1) * ticks)
        bodies = [make(f"worker-{at}", tick, POINTS) for tick in span for at in range(WORKERS)]
        for way in ways:
            for name, cpu in way.push(bodies).items():
                spent[name].append(cpu / (len(bodies) * POINTS) * 1e9)
    return {name: statistics.median(costs[1:]) for name, costs in spent.items()}


def _stream_bytes(ways: Sequence[Way], workers: int) -> dict[str, float]:
    """Return by how much each grows for a stream that is pushed twice."""
    grown: dict[str, float] = {}
    for way in ways:
        before = way.resident_bytes()
        for tick in (1, 2):
            way.push([counters(f"new-{worker}", tick, POINTS) for worker in range(workers)])
        for name, after in way.resident_bytes().items():
            grown[name] = (after - before[name]) / (workers * POINTS)
    return grown


def table(short: bool) -> Table:
    """Measure; a short run takes a tenth of the time."""
    return Table(
        f"Many machines: agent and gateway of deploy/otelcol, {POINTS} points a push",
        ("piece", "counters", "to embedded", "histograms of 15 buckets", "to embedded", "a stream"),
        _rows(*((TICKS // 10, FILLING // 10) if short else (TICKS, FILLING))),
    )


def _rows(ticks: int, filling: int) -> Iterator[Sequence[str]]:
    with _running() as ways:
        memory = _stream_bytes(ways, filling)  # first, while there is no garbage of others
    with _running() as ways:
        count = _nanoseconds(ways, counters, ticks)
        distribution = _nanoseconds(ways, histograms, ticks)
        for name in count:
            yield (
                name,
                f"{count[name]:,.0f} ns/point",
                f"{count[name] / count[EMBEDDED]:.1f}",
                f"{distribution[name]:,.0f} ns/point",
                f"{distribution[name] / distribution[EMBEDDED]:.1f}",
                f"{memory[name]:,.0f} B",
            )


@contextmanager
def _running() -> Iterator[Sequence[Way]]:
    with ExitStack() as ending:
        store = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
        ending.callback(store.server_close)
        ending.callback(store.shutdown)
        Thread(target=store.serve_forever, daemon=True).start()
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        url = f"http://127.0.0.1:{store.server_port}/api/v1/write"
        fleet = Fleet(otelcol()[0], directory, url, 1, GOMAXPROCS="1")
        ending.callback(fleet.close)
        served = ending.enter_context(serving(ours()))
        (gateway,), (agent,) = fleet.gateways, fleet.agents
        fleet_processes = {
            AGENT: psutil.Process(agent.command.process.pid),
            GATEWAY: psutil.Process(gateway.process.pid),
        }
        yield (
            Way(served.otlp_port, {EMBEDDED: served.process}),
            Way(agent.port, fleet_processes),
        )
