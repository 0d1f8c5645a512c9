"""The peers as running processes on loopback: pushed to, and asked what they have in the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil

from benchmarks.collectors import otelcol, ours, serving
from benchmarks.payload import INTERVAL, SECOND, START
from benchmarks.peers.turn import TENANT, WORKERS
from benchmarks.processes import Push, free_ports, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.peers.turn import Turn

BUILD = Path(__file__).with_name("build.sh")
START_SECONDS_MAX = 30
END_SECONDS_MAX = 30
MAPPING = """
mappings:
  # The tenant, the last part, is not taken over: increments of all tenants meet in one counter.
  - match: shop.*.*.*.*.*
    name: shop_${1}_total
    labels: {instance: $2, task_name: $3, queue_name: $4}
"""


class Shown(NamedTuple):
    """What a receiver has in the end."""

    started: float
    """The sum of the first counter."""
    series: int
    tenants: bool
    """Whether one is named."""


@dataclass
class Receiver:
    """A running peer."""

    process: psutil.Process
    push: Callable[[Turn], None]
    """Raises where it is refused."""
    shown: Callable[[int], Shown]
    """After this tick."""


@dataclass(frozen=True)
class Peer:
    """One that may be there."""

    name: str
    run: Callable[[str], AbstractContextManager[Receiver]]
    find: Callable[[bool], str | None]
    """Its binary, built if need be and if that is allowed; None where there is none."""


def _page(url: str) -> Shown:
    with urlopen(url) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith("shop_")]
    started = sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("shop_started_total{")
    )
    return Shown(started, len(lines), any(TENANT in line for line in lines))


@contextmanager
def _collector(command: list[str]) -> Iterator[Receiver]:
    with serving(command) as served:
        yield Receiver(
            served.process,
            lambda turn: served.post(turn.otlp, connections=WORKERS),
            lambda _: _page(served.scrape_url),
        )


@contextmanager
def _running(command: Sequence[str], ready: str) -> Iterator[psutil.Process]:
    child = subprocess.Popen(
        command,
        env=os.environ | {"GOMAXPROCS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(ready, child)
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(END_SECONDS_MAX)


def _wait(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            urlopen(url).close()
        except URLError:  # also a 503
            if time.monotonic() > deadline or child.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def _pushgateway(binary: str) -> Iterator[Receiver]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [binary, f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="]
    with _running(command, f"{url}/-/ready") as process:
        yield Receiver(
            process,
            lambda turn: send(port, turn.text, WORKERS),
            lambda _: _page(f"{url}/metrics"),
        )


@contextmanager
def _statsd_exporter(binary: str) -> Iterator[Receiver]:
    port, web = free_ports(2)
    with tempfile.TemporaryDirectory() as directory:
        mapping = Path(directory) / "mapping.yml"
        mapping.write_text(MAPPING)
        command = [
            binary,
            f"--statsd.listen-tcp=127.0.0.1:{port}",
            "--statsd.listen-udp=",  # would lose lines without telling anybody
            f"--statsd.mapping-config={mapping}",
            "--statsd.cache-size=10000",  # of its choices the one that is quick here
            f"--web.listen-address=127.0.0.1:{web}",
        ]
        url = f"http://127.0.0.1:{web}/metrics"
        with _running(command, url) as process:
            yield Receiver(process, lambda turn: _lines(port, turn), lambda _: _page(url))


def _lines(port: int, turn: Turn) -> None:
    """Send each worker's lines on a connection of its own."""

    def worker(lines: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.sendall(lines)

    sending = [threading.Thread(target=worker, args=(lines,)) for lines in turn.statsd.values()]
    for thread in sending:
        thread.start()
    for thread in sending:
        thread.join()


@contextmanager
def _prometheus(binary: str) -> Iterator[Receiver]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "prometheus.yml"
        config.write_text("{}\n")
        command = [
            binary,
            "--web.enable-otlp-receiver",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with _running(command, f"{url}/-/ready") as process:
            yield Receiver(
                process,
                lambda turn: send(port, _to_prometheus(turn), WORKERS),
                lambda tick: _stored(url, tick),
            )


def _to_prometheus(turn: Turn) -> list[Push]:
    line = "POST /api/v1/otlp/v1/metrics"
    return [Push(line, "application/x-protobuf", body) for body in turn.otlp]


def _stored(url: str, tick: int) -> Shown:
    def asked(expression: str) -> float:
        query = urlencode({"query": expression, "time": (START + tick * INTERVAL) / SECOND})
        with urlopen(f"{url}/api/v1/query?{query}") as answer:
            found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    ours_only = '{__name__=~"shop_.*"}'
    named = asked(f'count({{__name__=~"shop_.*",tenant_id=~"{TENANT}.*"}})')
    return Shown(asked("sum(shop_started_total)"), int(asked(f"count({ours_only})")), named > 0)


def _installed(*names: str) -> Callable[[bool], str | None]:
    return lambda _: next(filter(None, map(shutil.which, names)), None)


def _built(name: str) -> Callable[[bool], str | None]:
    """Find what build.sh makes or has made; why it cannot stands on standard error."""

    def find(build: bool) -> str | None:
        command = [str(BUILD), name, *([] if build else ["there"])]
        made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        return made.stdout.strip() or None

    return find


def version(binary: str) -> str:
    """Return the version that a binary tells, or nothing."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d[\d.]*\d)", told.stdout + told.stderr)
    return found[1] if found else ""


PEERS = (
    Peer("embedded collector", lambda _: _collector(ours()), lambda _: sys.executable),
    Peer("OpenTelemetry Collector", lambda binary: _collector([binary]), lambda _: otelcol()[0]),
    Peer("Prometheus' OTLP receiver", _prometheus, _built("prometheus")),
    Peer("pushgateway", _pushgateway, _installed("prometheus-pushgateway", "pushgateway")),
    Peer("statsd_exporter", _statsd_exporter, _built("statsd_exporter")),
)
