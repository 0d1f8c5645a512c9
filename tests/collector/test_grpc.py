"""OTLP over gRPC, as clients meet it: real calls to a running collector, on real connections."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from collector.server.grpc_server import MESSAGE_SECONDS_MAX, GrpcServer
from collector.server.limits import Limit
from collector.settings import GrpcKeepalive, OtlpGrpc
from tests.collector.otlp import Request
from tests.collector.serving import PATIENCE_SECONDS, Served, eventually, serving_by
from tests.collector.test_server_process import Collector, jobs, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.engine import Outcome

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
EXPORT = f"/{SERVICE}/Export"
LIMITED = "portless_server_limited"
CONFIG = """
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: "127.0.0.1:0"
        max_recv_msg_size_mib: 1
        keepalive: {server_parameters: {max_connection_idle: 1s}}
exporters:
  prometheus: {endpoint: "127.0.0.1:0"}
service:
  telemetry:
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
"""


class Answer(NamedTuple):
    """What a call was answered with."""

    code: str
    text: str
    body: bytes = b""
    metadata: Sequence[tuple[str, str | bytes]] = ()


def call(
    collector: Collector,
    message: bytes,
    compression: grpc.Compression = grpc.Compression.NoCompression,
    path: str = EXPORT,
) -> Answer:
    """Send one message on a connection of its own."""
    target = collector.addresses["otlp_grpc"]
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(target, options, compression) as channel:
        try:
            body = channel.unary_unary(path, None, None)(message, timeout=PATIENCE_SECONDS)
        except grpc.RpcError as error:
            return Answer(error.code().name, error.details(), b"", error.trailing_metadata())
    return Answer("OK", "", body)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that speaks gRPC only, and takes 1 MiB."""
    with running(tmp_path_factory.mktemp("grpc"), CONFIG) as one:
        yield one


def test_the_sdks_exporter_is_understood(tmp_path: Path) -> None:
    """OpenTelemetry's own client, compressing, and the file that we ship."""
    with running(tmp_path) as collector:
        exporter = OTLPMetricExporter(
            collector.addresses["otlp_grpc"], insecure=True, compression=grpc.Compression.Gzip
        )
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], shutdown_on_exit=False)
        provider.get_meter("test").create_counter("jobs").add(3, {"tenant_id": "a"})
        assert provider.force_flush()
        assert collector.exposed("jobs_total") == 3
        assert "tenant" not in collector.get("prometheus")[1]
        assert collector.counted("otelcol_receiver_accepted_metric_points", transport="grpc") == 1
        assert collector.counted("otelcol_receiver_accepted_metric_points", transport="http") == 0
        provider.shutdown()


def test_messages_are_recorded(collector: Collector) -> None:
    """Packed with gzip or not; the answer is a partial success that is there and empty."""
    accepted = Answer("OK", "", b"\x0a\x00")
    assert call(collector, jobs(7)) == accepted
    assert call(collector, jobs(9), grpc.Compression.Gzip) == accepted
    assert collector.exposed("jobs_total") == 9
    assert call(collector, b"") == accepted


def test_what_was_refused_of_a_message_is_told(collector: Collector) -> None:
    """How many points, for which reasons; nothing of what they held."""
    body = Request().counter("refused", {"tenant_id": "acme"}, -1).bytes()
    answer = call(collector, body)
    told = ExportMetricsServiceResponse.FromString(answer.body).partial_success
    assert answer.code == "OK"
    assert (told.rejected_data_points, told.error_message) == (1, "negative: 1")


@pytest.mark.parametrize(
    "message", [b"\xff\xff\xff", b"garbage", jobs(1)[:-1], gzip.compress(jobs(1))[:-1]]
)
def test_garbage_is_an_internal_error(collector: Collector, message: bytes) -> None:
    """As in the real collector, whose clients do not send it again; nothing of it is echoed."""
    answer = call(collector, message)
    assert answer.code == "INTERNAL"
    assert answer.text.startswith("grpc: error unmarshalling request: ")
    assert "jobs" not in answer.text


def test_deflate_is_not_implemented(collector: Collector) -> None:
    """The real collector has no decompressor for it either."""
    assert call(collector, jobs(1), grpc.Compression.Deflate).code == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"/{SERVICE}/Import", f"unknown method Import for service {SERVICE}"),
        (
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "unknown service opentelemetry.proto.collector.trace.v1.TraceService",
        ),
    ],
)
def test_other_methods_are_not_implemented(collector: Collector, path: str, text: str) -> None:
    """In grpc-go's words."""
    assert call(collector, b"", path=path)[:2] == ("UNIMPLEMENTED", text)


def test_a_message_too_long_is_refused_and_counted(collector: Collector) -> None:
    """As it comes, and once it is unpacked."""
    before = collector.counted(LIMITED, limit="unread")
    assert call(collector, bytes(1024 * 1024 + 1)).code == "RESOURCE_EXHAUSTED"
    eventually(lambda: collector.counted(LIMITED, limit="unread") == before + 1)
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    for message in (
        call(collector, bytes(64 * 1024 * 1024), grpc.Compression.Gzip),
        call(collector, bomb),
    ):
        text = "grpc: received message after decompression larger than max 1048576"
        assert message[:2] == ("RESOURCE_EXHAUSTED", text)
    assert collector.counted(LIMITED, limit="unpacked_bytes") == 2


def test_metadata_has_a_limit(collector: Collector) -> None:
    """That of the HTTP server's headers."""
    with grpc.insecure_channel(collector.addresses["otlp_grpc"]) as channel:
        export = channel.unary_unary(EXPORT, None, None)
        assert export(b"", metadata=[("x", "y" * 20_000)], timeout=PATIENCE_SECONDS)
        with pytest.raises(grpc.RpcError) as caught:
            export(b"", metadata=[("x", "y" * 40_000)], timeout=PATIENCE_SECONDS)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_who_gives_up_is_counted(collector: Collector) -> None:
    """A message that was announced and never came leaves nothing behind."""
    before = collector.counted(LIMITED, limit="unread")
    with grpc.insecure_channel(collector.addresses["otlp_grpc"]) as channel:
        future = channel.stream_unary(EXPORT, None, None).future(_never())
        eventually(lambda: collector.counted("portless_server_requests") == 1)
        future.cancel()
        eventually(lambda: collector.counted(LIMITED, limit="unread") == before + 1)
    assert collector.counted("portless_server_requests") == 0


def _never() -> Iterator[bytes]:
    """Announce messages and send none; it ends, as the thread that reads it has to."""
    time.sleep(PATIENCE_SECONDS / 10)
    yield from ()


def test_an_idle_connection_is_ended(collector: Collector) -> None:
    """`max_connection_idle` is grpcio's to keep; it says goodbye and closes."""
    port = collector.port("otlp_grpc")
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as wire:
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        while wire.recv(4096):
            pass


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
"""Frames; https://www.rfc-editor.org/rfc/rfc9113#name-frame-definitions."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return a frame of the connection, without flags."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


def frames(wire: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield what kind of frames come, and what they say, until the server closes."""
    with suppress(ConnectionError), wire.makefile("rb") as file:
        while head := file.read(9):
            yield head[3], file.read(int.from_bytes(head[:3], "big"))


@contextmanager
def kept_alive(**keepalive: Any) -> Iterator[socket.socket]:
    """Connect to a server that looks after its connections in this way; nobody calls."""
    settings = OtlpGrpc(keepalive=GrpcKeepalive(**keepalive))
    with (
        serving_by(lambda now: GrpcServer("test", Silent(), settings, 10, time.time, now)) as one,
        socket.create_connection(("127.0.0.1", one.port), PATIENCE_SECONDS) as wire,
    ):
        wire.sendall(PREFACE + frame(SETTINGS))
        yield wire


def test_who_does_not_answer_a_ping_is_ended() -> None:
    """`time` and `timeout` of `server_parameters`: asked, and closed without an answer.

    Where no request is under way only with `permit_without_stream`; `max_connection_idle` ends it.
    """
    asked = {"ping_after_seconds": 1.0, "ping_seconds_max": 0.5}
    with kept_alive(**asked, ping_without_requests=True) as wire:
        told = list(frames(wire))
    assert PING in [kind for kind, _ in told]
    assert any(kind == GOAWAY and b"ping_timeout" in said for kind, said in told)


def test_a_connection_has_an_age() -> None:
    """`max_connection_age` says goodbye, and `max_connection_age_grace` later it is closed."""
    with kept_alive(age_seconds_max=0.5, age_grace_seconds=0.5) as wire:
        assert any(kind == GOAWAY and b"max_age" in said for kind, said in frames(wire))


def test_who_pings_too_often_is_ended() -> None:
    """`enforcement_policy`: without a call pings are a strike each, and after some it is enough."""
    with kept_alive(ping_interval_seconds_min=60.0) as wire:
        wire.sendall(frame(PING, bytes(8)) * 5)
        assert any(kind == GOAWAY and b"too_many_pings" in said for kind, said in frames(wire))


def test_who_may_ping_is_answered() -> None:
    """`min_time` and `permit_without_stream` of `enforcement_policy`."""
    with kept_alive(ping_interval_seconds_min=0.001, ping_without_requests=True) as wire:
        kinds = (kind for kind, _ in frames(wire))
        for _ in range(6):
            time.sleep(0.01)  # it may be longer, not shorter
            wire.sendall(frame(PING, bytes(8)))
            assert PING in kinds


class Silent:
    """An engine that is never asked."""

    def accept(self, body: bytes, now: float) -> Outcome:
        raise KeyError(body, now)


@contextmanager
def silent(connections_max: int) -> Iterator[Served]:
    """Run a server whose time the test tells."""
    with serving_by(
        lambda now: GrpcServer("test", Silent(), OtlpGrpc(), connections_max, time.time, now)
    ) as served:
        yield served


def test_a_message_that_takes_too_long_is_ended() -> None:
    """However many of its bytes came meanwhile."""
    with silent(10) as served, grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        future = channel.stream_unary(EXPORT, None, None).future(_never())
        eventually(lambda: served.told("portless_server_requests") == 1)
        served.later(MESSAGE_SECONDS_MAX - 1)
        assert served.counted(Limit.REQUEST_SECONDS) == 0
        served.later(2)
        assert future.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert served.counted(Limit.REQUEST_SECONDS) == 1
        assert served.told("portless_server_requests") == 0


def test_more_requests_at_once_than_allowed_are_refused() -> None:
    """For now, and they are told when to come back."""
    with silent(1) as served, grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        export = channel.stream_unary(EXPORT, None, None)
        first = export.future(_never())
        eventually(lambda: served.told("portless_server_requests") == 1)
        second = export.future(_never())
        assert second.code() is grpc.StatusCode.UNAVAILABLE
        assert dict(second.trailing_metadata())["grpc-status-details-bin"]
        assert served.counted(Limit.REQUESTS) == 1
        first.cancel()


def test_a_fault_of_ours_costs_one_call(caplog: pytest.LogCaptureFixture) -> None:
    """Its text may hold a label's value: the client does not get it, nor does the log."""
    with silent(1) as served, grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        export = channel.unary_unary(EXPORT, None, None)
        with pytest.raises(grpc.RpcError) as caught:
            export(b"tenant-acme", timeout=PATIENCE_SECONDS)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal server error"
    assert "KeyError while answering: accept" in caplog.text
    assert "acme" not in caplog.text


def test_short_memory_refuses_for_now(tmp_path: Path) -> None:
    """UNAVAILABLE, which clients try again, and when; over HTTP it is 503 with Retry-After."""
    limiter = "processors: {memory_limiter: {check_interval: 100ms, limit_mib: 2}}\nexporters:"
    config = CONFIG.replace("exporters:", limiter, 1)
    config = config.replace(
        "receivers: [otlp],", "receivers: [otlp], processors: [memory_limiter],"
    )
    with running(tmp_path, config) as collector:
        eventually(lambda: call(collector, jobs(1)).code == "UNAVAILABLE")
        answer = call(collector, jobs(1))
    assert answer.text == "data refused due to high memory usage"
    status = Status.FromString(dict(answer.metadata)["grpc-status-details-bin"])
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.retry_delay.seconds) == (14, 5)


def test_a_call_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    """SIGTERM lets it come in; the exit code is 0 and nothing alarming is logged."""
    with running(tmp_path, CONFIG) as collector:
        with grpc.insecure_channel(collector.addresses["otlp_grpc"]) as channel:

            def slow() -> Iterator[bytes]:
                eventually(lambda: collector.counted("portless_server_requests") == 1)
                collector.process.terminate()
                time.sleep(0.3)
                yield jobs(1)

            answer = channel.stream_unary(EXPORT, None, None)(slow(), timeout=PATIENCE_SECONDS)
        assert answer == b"\x0a\x00"
        assert collector.process.wait(PATIENCE_SECONDS) == 0
        assert "Traceback" not in collector.log()
        assert "ERROR" not in collector.log()


def test_a_port_in_use_ends_it_with_one_clear_line(tmp_path: Path) -> None:
    """Grpcio would share a port with another process; half of the pushes would be lost."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run_to_its_end(tmp_path, CONFIG.replace("127.0.0.1:0", address, 1))
    path = "receivers::otlp::protocols::grpc"
    assert ended.stderr == f"{path}: cannot listen on {address}: address already in use\n"
    assert ended.returncode == 1


def test_without_grpcio_it_says_what_to_install(tmp_path: Path) -> None:
    """And with HTTP alone it is not missed."""
    hidden = tmp_path / "grpc"
    hidden.mkdir()
    missing = "raise ModuleNotFoundError('hidden by this test', name='grpc')\n"
    (hidden / "__init__.py").write_text(missing)
    ended = run_to_its_end(tmp_path, CONFIG, PYTHONPATH=str(tmp_path))
    what = "needs grpcio: pip install 'portless[collector]', or remove this protocol"
    assert ended.stderr == f"receivers::otlp::protocols::grpc: {what}\n"
    assert ended.returncode == 1
    code = """
        import sys
        from collector import plan
        from collector.server.door import Allowed
        from collector.server.process import Collector, Extras, Sizes
        made = plan.load("c", sys.argv[1], {})
        Collector(made, Sizes(1, 1), Allowed(), Extras())
        assert "grpc" not in sys.modules
    """
    config = CONFIG.replace("grpc:", "http:").replace("max_recv_msg_size_mib: 1", "")
    config = config.replace("keepalive: {server_parameters: {max_connection_idle: 1s}}", "")
    command = [sys.executable, "-c", textwrap.dedent(code), config]
    subprocess.run(
        command,
        timeout=PATIENCE_SECONDS,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )


def run_to_its_end(
    folder: Path, config: str, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a collector that cannot start."""
    file = folder / "config.yaml"
    file.write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "collector", "run", "--config", str(file), *options],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
