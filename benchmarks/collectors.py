"""The collectors under measurement, each a process of its own with the repository's YAML."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import grpc
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = Path(__file__).parents[1] / "otel-collector.yaml"
EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
START_SECONDS_MAX = 30


@dataclass
class Served:
    """A running collector."""

    process: psutil.Process
    otlp_port: int
    grpc_port: int
    scrape_url: str

    def cpu_seconds(self) -> float:
        """User and system time of the whole process so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return int(self.process.memory_info().rss)

    def post(self, bodies: list[bytes], encoding: str = "") -> None:
        """Push bodies one after the other over one connection. Raises on any answer but 200."""
        header = f"Content-Encoding: {encoding}\r\n" if encoding else ""
        with socket.create_connection(("127.0.0.1", self.otlp_port)) as wire:
            answers = wire.makefile("rb")
            for body in bodies:
                head = (
                    "POST /v1/metrics HTTP/1.1\r\nHost: localhost\r\n"
                    f"Content-Type: application/x-protobuf\r\n{header}"
                    f"Content-Length: {len(body)}\r\n\r\n"
                )
                wire.sendall(head.encode() + body)
                _read_ok(answers)

    def call(self, messages: list[bytes]) -> None:
        """Push messages one after the other over one gRPC connection. Raises on any refusal."""
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            export = channel.unary_unary(EXPORT, None, None)
            for message in messages:
                export(message)

    def scrape(self) -> bytes:
        """Fetch the exposition, uncompressed."""
        with urlopen(self.scrape_url) as answer:
            return bytes(answer.read())


def _read_ok(answers: object) -> None:
    status = answers.readline()
    size = 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    answers.read(size)
    if b" 200 " not in status:
        raise RuntimeError(f"a push was answered with {status!r}")


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


@contextmanager
def serving(command: list[str]) -> Iterator[Served]:
    """Run a collector on the repository's YAML for the length of a `with` block."""
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
        [*command, "--config", str(CONFIG)],
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


def ours() -> list[str]:
    """Return the command of the embedded collector."""
    return [sys.executable, "-m", "collector", "run"]


def otelcol() -> list[str]:
    """Return the command of the real collector. Raises SystemExit where there is none."""
    binary = os.environ.get("OTELCOL")
    if not binary:
        raise SystemExit("set OTELCOL to a built collector, or use `make bench`")
    return [binary]
