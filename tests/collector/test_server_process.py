"""The collector as users meet it: a process, started on a file, spoken to, ended by a signal."""

from __future__ import annotations

import gzip
import json
import math
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from prometheus_client.parser import text_string_to_metric_families

from collector.exposition.negotiate import PROTOBUF_FORMAT
from tests.collector.otlp import Request
from tests.collector.serving import PATIENCE_SECONDS, Client, eventually, request
from tests.support.prometheus_pb import families

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROTOBUF, JSON = "application/x-protobuf", "application/json"
ANY_PORT = {
    "OTLP_HTTP_ENDPOINT": "127.0.0.1:0",
    "OTLP_GRPC_ENDPOINT": "127.0.0.1:0",
    "PROMETHEUS_ENDPOINT": "127.0.0.1:0",
    "HEALTH_ENDPOINT": "127.0.0.1:0",
    "SELF_METRICS_PORT": "0",
}


class Collector:
    """A running collector."""

    def __init__(self, process: subprocess.Popen[str], ports_file: Path, log: Path) -> None:
        self.process = process
        self._log = log
        eventually(lambda: ports_file.exists() or process.poll() is not None)
        assert process.poll() is None, self.log()
        self.addresses: dict[str, str] = json.loads(ports_file.read_text())

    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text()

    def port(self, server: str) -> int:
        """Where one of its servers listens."""
        return int(self.addresses[server].rpartition(":")[2])

    def post(self, body: bytes, content_type: str = PROTOBUF, **headers: str) -> int:
        """Push a body and return the status."""
        fields = {name.replace("_", "-"): text for name, text in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port("otlp_http"), PATIENCE_SECONDS)
        connection.request("POST", "/v1/metrics", body, {"Content-Type": content_type, **fields})
        status = connection.getresponse().status
        connection.close()
        return status

    def get(self, server: str, path: str = "/metrics") -> tuple[int, str]:
        """Ask one of its servers."""
        connection = HTTPConnection("127.0.0.1", self.port(server), PATIENCE_SECONDS)
        connection.request("GET", path)
        response = connection.getresponse()
        found = response.status, response.read().decode()
        connection.close()
        return found

    def exposed(self, name: str) -> float:
        """The sum over all series of a name in the exposition."""
        return _total(self.get("prometheus")[1], name)

    def counted(self, name: str, **labels: str) -> float:
        """One of its own numbers."""
        return _total(self.get("self_metrics")[1], name, **labels)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


def _total(page: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        # The parser gives every counter a _total, also those that have none.
        if sample.name.removesuffix("_total") == name.removesuffix("_total")
        and labels.items() <= sample.labels.items()
    )


@contextmanager
def running(folder: Path, config: str | None = None, *arguments: str) -> Iterator[Collector]:
    """Run a collector, by default with the repository's configuration, on free ports."""
    file = ROOT / "otel-collector.yaml"
    if config is not None:
        file = folder / "config.yaml"
        file.write_text(config)
    command = [sys.executable, "-m", "collector", "run", "--config", str(file)]
    ports_file, log = folder / "ports.json", folder / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "--ports-file", str(ports_file), *arguments],
            cwd=ROOT,
            env={**os.environ, **ANY_PORT},
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        )
    try:
        yield Collector(process, ports_file, log)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector with the repository's configuration."""
    with running(tmp_path) as one:
        yield one


def jobs(value: int, tenant: str = "t1", **attributes: str) -> bytes:
    """Return a push of one counter."""
    pairs = {"task_name": "a", "tenant_id": tenant, **attributes}
    return Request().counter("jobs", pairs, value).bytes()


def test_what_is_pushed_is_exposed_redacted_and_summed(collector: Collector) -> None:
    """The whole river: two tenants in, one series out, the counts kept."""
    assert collector.post(jobs(10, "tenant-a")) == 200
    assert collector.post(jobs(5, "tenant-b")) == 200
    assert collector.exposed("jobs_total") == 15
    assert "tenant" not in collector.get("prometheus")[1]
    assert collector.counted("otelcol_receiver_accepted_metric_points") == 2


def test_the_sdks_exporter_is_understood(collector: Collector) -> None:
    """OpenTelemetry's own client, compressing, is content with the answer."""
    endpoint = f"http://{collector.addresses['otlp_http']}/v1/metrics"
    exporter = OTLPMetricExporter(endpoint, compression=Compression.Gzip)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("test").create_counter("jobs").add(3, {"task_name": "a"})
    assert provider.force_flush()
    assert collector.exposed("jobs_total") == 3
    provider.shutdown()


def test_it_says_where_it_listens(collector: Collector) -> None:
    """To people in a line, to programs in a file."""
    assert collector.process.stdout
    line = collector.process.stdout.readline()
    where = ", ".join(f"{name} {address}" for name, address in collector.addresses.items())
    assert line == f"ready: {where}\n"
    assert list(collector.addresses) == [
        "otlp_http",
        "otlp_grpc",
        "prometheus",
        "health_check",
        "self_metrics",
    ]


def test_its_servers_answer(collector: Collector) -> None:
    """Each on its own port."""
    assert collector.get("health_check", "/")[0] == 200
    assert collector.get("prometheus") == (200, "")
    assert collector.get("self_metrics")[0] == 200
    assert collector.get("otlp_http", "/v1/metrics")[0] == 405
    assert collector.get("otlp_http", "/metrics")[0] == 404


def test_it_tells_what_it_takes_of_the_machine(collector: Collector) -> None:
    """As the real collector does, so that its dashboards and alerts find it."""
    page = collector.get("self_metrics")[1]
    for name, type_ in (("cpu_seconds", "counter"), ("uptime", "counter"), ("memory_rss", "gauge")):
        assert f"# TYPE otelcol_process_{name} {type_}\n" in page
    assert collector.counted("otelcol_process_cpu_seconds") > 0
    assert collector.counted("otelcol_process_uptime") > 0
    assert collector.counted("otelcol_process_memory_rss") > 1 << 20


def test_its_own_numbers_come_in_the_format_that_is_asked_for(collector: Collector) -> None:
    """Protobuf is what it says it is: a Prometheus that wants native histograms asks for it."""
    asked = urllib.request.Request(
        f"http://{collector.addresses['self_metrics']}/metrics",
        headers={"Accept": PROTOBUF_FORMAT.content_type},
    )
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Content-Type"] == PROTOBUF_FORMAT.content_type
        names = {family.name for family in families(answer.read())}
    assert "otelcol_receiver_accepted_metric_points" in names


BAD = {
    "garbage": (b"\xff\xff\xff", PROTOBUF, {}, 400),
    "words": (b"garbage", PROTOBUF, {}, 400),
    "cut off": (jobs(1)[:-1], PROTOBUF, {}, 400),
    "bad JSON": (b"{bad", JSON, {}, 400),
    "JSON that is no request": (b'{"resourceMetrics": 5}', JSON, {}, 400),
    "half a surrogate": (b'{"resourceMetrics": [{"schemaUrl": "\\ud800"}]}', JSON, {}, 400),
    "deep JSON": (b"[" * 100_000, JSON, {}, 400),
    "protobuf as JSON": (jobs(1), JSON, {}, 400),
    "JSON as protobuf": (b'{"resourceMetrics": []}', PROTOBUF, {}, 400),
    "wrong type": (jobs(1), "text/plain", {}, 415),
    "unknown encoding": (jobs(1), PROTOBUF, {"content_encoding": "br"}, 400),
    "broken gzip": (b"abc", PROTOBUF, {"content_encoding": "gzip"}, 400),
    "a bomb": (
        gzip.compress(bytes(64 * 1024 * 1024)),
        PROTOBUF,
        {"content_encoding": "gzip"},
        400,
    ),
    "a bomb as JSON": (
        gzip.compress(b" " * 64 * 1024 * 1024),
        JSON,
        {"content_encoding": "gzip"},
        400,
    ),
}


def test_bad_requests_leave_what_was_accepted(collector: Collector) -> None:
    """Each is answered, none is counted as data, and the process serves on."""
    assert collector.post(jobs(7)) == 200
    for what, (body, content_type, headers, status) in BAD.items():
        assert collector.post(body, content_type, **headers) == status, what
        assert collector.exposed("jobs_total") == 7, what
    with Client(collector.port("otlp_http")) as client:
        assert client.ask(b"garbage\r\n\r\n").status == 400
    with Client(collector.port("prometheus")) as client:
        assert client.ask(b"\x16\x03\x01 TLS\r\n\r\n").status == 400
    assert collector.post(jobs(8)) == 200
    assert collector.exposed("jobs_total") == 8
    limited = "portless_server_limited"
    assert collector.counted(limited, limit="malformed", server="otlp_http") == 1
    assert collector.counted(limited, limit="malformed", server="prometheus") == 1
    assert "ERROR" not in collector.log()


def test_a_body_too_long_is_refused_and_counted(collector: Collector) -> None:
    """By its length alone, and nothing of it is kept."""
    with Client(collector.port("otlp_http")) as client:
        head = request(target="/v1/metrics", content_type=PROTOBUF, content_length="999999999")
        assert client.ask(head).status == 400
    assert collector.counted("portless_server_limited", limit="body_bytes") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(collector: Collector, number: int) -> None:
    """Exit code 0, and nothing alarming in the log."""
    assert collector.post(jobs(1)) == 200
    assert collector.end(number) == 0
    assert "Traceback" not in collector.log()
    assert "ERROR" not in collector.log()


def test_a_request_under_way_is_recorded_before_it_ends(collector: Collector) -> None:
    """SIGTERM lets it come in and be answered; new connections are not taken."""
    body = jobs(3)
    whole = request(target="/v1/metrics", body=body, content_type=PROTOBUF)
    with (
        Client(collector.port("otlp_http")) as client,
        Client(collector.port("prometheus")) as idle,
    ):
        client.send(whole[:-5])
        idle.ask(request("GET", "/metrics"))
        eventually(
            lambda: collector.counted("portless_server_connections", server="otlp_http") == 1
        )
        collector.process.terminate()
        assert idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            Client(collector.port("otlp_http"))
        client.send(whole[-5:])
        reply = client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert collector.process.wait(PATIENCE_SECONDS) == 0


def test_a_port_in_use_ends_it_with_one_clear_line(tmp_path: Path) -> None:
    """Exit code 1, before anything is said to be ready; the other ports are free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "collector", "run", "--ports-file", str(tmp_path / "ports")],
            cwd=ROOT,
            env={**os.environ, **ANY_PORT, "PROMETHEUS_ENDPOINT": address},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.returncode == 1
    message = f"exporters::prometheus: cannot listen on {address}: address already in use\n"
    assert (ended.stdout, ended.stderr) == ("", message)
    assert not (tmp_path / "ports").exists()


CONFIG = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:0", max_request_body_size: 1000}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:0", metric_expiration: 1s, enable_open_metrics: true}
service:
  telemetry: {logs: {level: LEVEL}, metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
"""


def test_silent_series_vanish(tmp_path: Path) -> None:
    """After `metric_expiration`, because somebody tells the engine the time."""
    with running(tmp_path, CONFIG.replace("LEVEL", "info")) as collector:
        assert collector.post(jobs(1)) == 200
        assert collector.exposed("jobs_total") == 1
        eventually(lambda: collector.get("prometheus") == (200, ""))
        assert list(collector.addresses) == ["otlp_http", "prometheus"]


def test_the_configured_body_limit_holds(tmp_path: Path) -> None:
    """On the wire and behind gzip."""
    with running(tmp_path, CONFIG.replace("LEVEL", "info")) as collector:
        large = jobs(1, x="y" * 1000)
        assert collector.post(large) == 400
        assert collector.post(gzip.compress(large), content_encoding="gzip") == 400
        assert collector.post(jobs(1)) == 200


def test_the_limit_on_streams_is_told(tmp_path: Path) -> None:
    """Further ones are refused and counted; the first ones go on."""
    with running(tmp_path, None, "--max-streams", "2") as collector:
        for number in range(3):
            assert collector.post(jobs(1, task_name=str(number))) == 200
        assert collector.post(jobs(5, task_name="0")) == 200
        assert collector.exposed("jobs_total") == 6
        assert collector.counted("portless_refused_points", reason="stream_limit") == 1


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warn", True), ("error", False)])
def test_the_log_has_the_configured_level(tmp_path: Path, level: str, *, shown: bool) -> None:
    """What is hardly meant is warned of at the start."""
    config = CONFIG.replace("LEVEL", level).replace(
        "service:", "extensions: {health_check: {}}\nservice:"
    )
    with running(tmp_path, config) as collector:
        assert collector.end() == 0
        log = collector.log()
    assert ("extensions::health_check: configured, but " in log) is shown
    assert ("INFO draining" in log) is (level == "info")
    assert "receivers::otlp" not in log


def test_memory_above_the_limit_refuses_for_now(tmp_path: Path) -> None:
    """503 and when to come back; what is exposed stays exposed."""
    limiter = "processors: {memory_limiter: {check_interval: 100ms, limit_mib: 2}}"
    pipeline = "metrics: {receivers: [otlp], processors: [memory_limiter], exporters"
    config = CONFIG.replace("LEVEL", "info").replace("exporters:", f"{limiter}\nexporters:", 1)
    config = config.replace("metrics: {receivers: [otlp], exporters", pipeline)
    with running(tmp_path, config) as collector:
        eventually(lambda: collector.post(jobs(1)) == 503)
        assert collector.get("prometheus")[0] == 200
        assert "requests are refused" in collector.log()
