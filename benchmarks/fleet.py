"""CPU and memory of agents and gateways, a point and a stream: deploy/otelcol's files, in one run.

One agent hands what it gets to one gateway, which writes to a store that takes everything. The
embedded collector gets the same bytes by turns. docs/scale.md calculates with this table.
"""

from __future__ import annotations

import statistics
import tempfile
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import psutil

from benchmarks.collectors import otelcol, ours, serving
from benchmarks.payload import counters, histograms
from benchmarks.processes import Push, cpu_seconds, send, until_idle
from benchmarks.table import Table
from tests.support.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


class System:
    """All three as processes, and how to push to them."""

    def __init__(self, fleet: Fleet, embedded: psutil.Process, port: int) -> None:
        (gateway,), (agent,) = fleet.gateways, fleet.agents
        self.processes = {
            EMBEDDED: embedded,
            AGENT: psutil.Process(agent.command.process.pid),
            GATEWAY: psutil.Process(gateway.process.pid),
        }
        self._ports = (port, agent.port)

    def push(self, bodies: Sequence[bytes]) -> None:
        """Push to one after the other, until all are idle. Raises RuntimeError on a refusal."""
        pushes = [Push("POST /v1/metrics", "application/x-protobuf", body) for body in bodies]
        for port in self._ports:
            send(port, pushes, WORKERS)
            for process in self.processes.values():
                until_idle(process)

    def nanoseconds(self, make: Callable[[str, int, int], bytes], ticks: int) -> dict[str, float]:
        """Return what a point costs each."""
        spent: dict[str, list[float]] = {name: [] for name in self.processes}
        for turn in range(TURNS):
            span = range(1 + turn * ticks, 1 + (turn + 1) * ticks)
            bodies = [make(f"worker-{at}", tick, POINTS) for tick in span for at in range(WORKERS)]
            before = {name: cpu_seconds(process) for name, process in self.processes.items()}
            self.push(bodies)
            for name, process in self.processes.items():
                cost = cpu_seconds(process) - before[name]
                spent[name].append(cost / (len(bodies) * POINTS) * 1e9)
        return {name: statistics.median(costs[1:]) for name, costs in spent.items()}

    def stream_bytes(self, workers: int) -> dict[str, float]:
        """Return by how much each grows for a stream, pushed twice."""
        before = {name: each.memory_info().rss for name, each in self.processes.items()}
        for tick in (1, 2):
            self.push([counters(f"new-{worker}", tick, POINTS) for worker in range(workers)])
        return {
            name: (each.memory_info().rss - before[name]) / (workers * POINTS)
            for name, each in self.processes.items()
        }


def table(short: bool) -> Table:
    """Measure; a short run takes a tenth of the time."""
    return Table(
        f"Many machines: agent and gateway of deploy/otelcol, {POINTS} points a push",
        ("piece", "counters", "to embedded", "histograms of 15 buckets", "to embedded", "a stream"),
        _rows(*((TICKS // 10, FILLING // 10) if short else (TICKS, FILLING))),
    )


def _rows(ticks: int, filling: int) -> Iterator[Sequence[str]]:
    with _system() as system:
        memory = system.stream_bytes(filling)  # first, as long as there is no garbage of others
        count = system.nanoseconds(counters, ticks)
        distribution = system.nanoseconds(histograms, ticks)
        for name in system.processes:
            yield (
                name,
                f"{count[name]:,.0f} ns/point",
                f"{count[name] / count[EMBEDDED]:.1f}",
                f"{distribution[name]:,.0f} ns/point",
                f"{distribution[name] / distribution[EMBEDDED]:.1f}",
                f"{memory[name]:,.0f} B",
            )


@contextmanager
def _system() -> Iterator[System]:
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
        yield System(fleet, served.process, served.otlp_port)
