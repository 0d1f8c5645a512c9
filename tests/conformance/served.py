"""A collector as a process of its own: started on free ports, spoken to, ended by pid.

A command and a configuration come in, something that posts and scrapes comes out. This file does
not know which collector it has started, nor what it should answer.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import zlib
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import grpc
import zstandard
from google.protobuf import json_format, text_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.conformance.cases import ROOT, Form, Request
from tests.support.prometheus_pb import families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

PATIENCE_SECONDS = 10.0
"""How long a process may take to start or to show what it was sent: a guard, not a promise."""

ACCEPT = {
    Form.TEXT: "text/plain;version=0.0.4",
    Form.OPENMETRICS: "application/openmetrics-text;version=1.0.0",
    Form.PROTOBUF: (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    ),
    Form.UTF8: "text/plain;version=0.0.4;escaping=allow-utf-8",
    Form.SELF: "text/plain;version=0.0.4",
}
MARK = "conformance_mark"
EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
PACK = {
    "": lambda body: body,
    "deflate": zlib.compress,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zstd": zstandard.compress,
}
GRPC_PACK = {
    "": grpc.Compression.NoCompression,
    "deflate": grpc.Compression.Deflate,
    "gzip": grpc.Compression.Gzip,
}


class Ports:
    """Five ports that are free now, by the environment variables of otel-collector.yaml."""

    def __init__(self) -> None:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
        numbers = [one.getsockname()[1] for one in sockets]
        self.otlp, self.grpc, self.prometheus, health, self.own = numbers
        for one in sockets:
            one.close()
        self.environ = {
            "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{self.otlp}",
            "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{self.grpc}",
            "PROMETHEUS_ENDPOINT": f"127.0.0.1:{self.prometheus}",
            "HEALTH_ENDPOINT": f"127.0.0.1:{health}",
            "SELF_METRICS_PORT": str(self.own),
        }


class Served:
    """A running collector.

    One that batches answers before it has looked: after each request it is sent a mark, a gauge
    that says how many there were, and what comes after a request has been seen when its mark is.
    The lines of the mark are left out of the exposition, and nothing else is.
    """

    def __init__(self, ports: Ports, *, batches: bool) -> None:
        self._ports = ports
        self._batches = batches
        self._posted = 0

    @property
    def endpoint(self) -> str:
        """Where to push over HTTP."""
        return f"http://127.0.0.1:{self._ports.otlp}"

    @property
    def target(self) -> str:
        """Where Prometheus scrapes."""
        return f"127.0.0.1:{self._ports.prometheus}"

    def wait(self, seconds: float) -> None:
        """Let time pass, which here takes that time."""
        time.sleep(seconds)

    def post(self, request: Request) -> str:
        """Send a request; the status of its answer, when whatever it changes can be read."""
        status = self._post(request)
        if self._batches:
            self._posted += 1
            self._post(_mark(self._posted))
            seen = re.compile(rf"^\w*{MARK}(\{{.*\}})? {self._posted}( 0)?$", re.MULTILINE)
            _wait_until(
                lambda: seen.search(self._get(Form.TEXT)) is not None, "the mark is exposed"
            )
        return status

    def scrape(self, form: Form) -> str:
        """The exposition without the lines of the mark."""
        if form is Form.PROTOBUF:
            return protobuf_text(self._fetch(form))
        lines = self._get(form).splitlines(keepends=True)
        return "".join(line for line in lines if MARK not in line)

    def _post(self, request: Request) -> str:
        if request.protocol == "grpc":
            return self._call(request)
        with closing(HTTPConnection("127.0.0.1", self._ports.otlp, PATIENCE_SECONDS)) as connection:
            headers = {"Content-Type": request.content_type, **dict(request.headers)}
            if request.encoding:
                headers["Content-Encoding"] = request.encoding
            pack = PACK.get(request.encoding, PACK[""])
            connection.request("POST", "/v1/metrics", pack(request.body), headers)
            return str(connection.getresponse().status)

    def _call(self, request: Request) -> str:
        packing = GRPC_PACK[request.encoding]
        body = request.body
        if request.content_type == "application/json":
            body = json_format.Parse(body, ExportMetricsServiceRequest()).SerializeToString()
        with grpc.insecure_channel(f"127.0.0.1:{self._ports.grpc}", compression=packing) as channel:
            export = channel.unary_unary(EXPORT, None, None)
            try:
                export(body, timeout=PATIENCE_SECONDS, metadata=request.headers)
            except grpc.RpcError as error:
                return str(error.code().name)
        return "OK"

    def _get(self, form: Form) -> str:
        return self._fetch(form).decode()

    def _fetch(self, form: Form) -> bytes:
        port = self._ports.own if form is Form.SELF else self._ports.prometheus
        with closing(HTTPConnection("127.0.0.1", port, PATIENCE_SECONDS)) as connection:
            connection.request("GET", "/metrics", headers={"Accept": ACCEPT[form]})
            return connection.getresponse().read()


def protobuf_text(page: bytes) -> str:
    """A page of protobuf as text, without the mark."""
    told = [family for family in families(page) if MARK not in family.name]
    return "".join(text_format.MessageToString(family) for family in told)


def _mark(number: int) -> Request:
    point = {"timeUnixNano": str(number), "asInt": str(number)}
    metric = {"name": MARK, "gauge": {"dataPoints": [point]}}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    return Request(json.dumps(body).encode(), "application/json")


@contextmanager
def serve(command: Sequence[str], config: Path, *, batches: bool) -> Iterator[Served]:
    """A collector that is ready; `command` is completed by the path of the configuration."""
    ports = Ports()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, str(config)],
            env=os.environ | ports.environ,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until(lambda: process.poll() is not None or _listens(ports), "it listens")
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"it ended at once: {log.read().decode()}")
            yield Served(ports, batches=batches)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def _listens(ports: Ports) -> bool:
    with suppress(ConnectionRefusedError):
        for port in (ports.otlp, ports.prometheus):
            socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
        return True
    return False


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE_SECONDS} s it is not true that {what}")
        time.sleep(0.01)
