"""The collectors under measurement, each a process of its own with the repository's YAML."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import grpc
import psutil

from benchmarks.processes import Push, cpu_seconds, free_ports, send

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = Path(__file__).parents[1] / "otel-collector.yaml"
EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
START_SECONDS_MAX = 30
CONNECTIONS = 10
"""Workers that push at the same moment."""


@dataclass
class Served:
    """A running collector."""

    process: psutil.Process
    otlp_port: int
    grpc_port: int
    scrape_url: str

    def cpu_seconds(self) -> float:
        """User and system time of the whole process so far."""
        return cpu_seconds(self.process)

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return int(self.process.memory_info().rss)

    def post(self, bodies: list[bytes], encoding: str = "", connections: int = CONNECTIONS) -> None:
        """Push bodies as several workers do at once. Raises RuntimeError on any answer but 200."""
        sent = [
            Push("POST /v1/metrics", "application/x-protobuf", body, encoding) for body in bodies
        ]
        send(self.otlp_port, sent, connections)

    def call(self, messages: list[bytes]) -> None:
        """Push messages one after the other over one gRPC connection. Raises on any refusal."""
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            export = channel.unary_unary(EXPORT, None, None)
            for message in messages:
                export(message)

    def scrape(self, encoding: str = "identity") -> bytes:
        """Fetch the exposition; its bytes are as they came."""
        asked = Request(self.scrape_url, headers={"Accept-Encoding": encoding})
        with urlopen(asked) as answer:
            return bytes(answer.read())


@contextmanager
def serving(command: list[str], config: Path = CONFIG) -> Iterator[Served]:
    """Run a collector for the length of a `with` block, on the repository's YAML by default."""
    otlp, rpc, scrape, health, own = free_ports(5)
    environment = os.environ | {
        "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{otlp}",
        "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{rpc}",
        "PROMETHEUS_ENDPOINT": f"127.0.0.1:{scrape}",
        "HEALTH_ENDPOINT": f"127.0.0.1:{health}",
        "SELF_METRICS_PORT": str(own),
        "GOMAXPROCS": "1",
    }
    child = subprocess.Popen(
        [*command, "--config", str(config)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{scrape}/metrics"
        served = Served(psutil.Process(child.pid), otlp, rpc, url)
        _wait(served)
        yield served
    finally:
        child.terminate()
        child.wait(10)


def _wait(served: Served) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            served.scrape()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def ours(*options: str) -> list[str]:
    """Return the command of the embedded collector."""
    return [sys.executable, "-m", "collector", "run", *options]


def otelcol() -> list[str]:
    """Return the command of the real collector. Raises SystemExit where there is none."""
    binary = os.environ.get("OTELCOL")
    if not binary:
        raise SystemExit("set OTELCOL to a built collector, or use `make bench`")
    return [binary]
