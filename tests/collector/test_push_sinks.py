"""Where pushes go: over HTTP with a queue, in memory or on a disk, and into files."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import trustme
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from collector.outlets.otlp import Batch
from collector.push_settings import ClientTls, File, FileStorage, OtlpHttpExporter, Retry, Rotation
from collector.server.messages import Response
from collector.server.push import otlp_http
from collector.server.push.file import FileSink
from collector.server.push.otlp_http import OtlpHttpSink
from collector.server.push.spool import Spool
from tests.collector.otlp import Request
from tests.collector.serving import eventually, serving
from tests.collector.upstream import Upstream, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.server.push.pusher import Sink

QUICK = Retry(initial_seconds=0.01, interval_seconds_max=0.02, elapsed_seconds_max=10)
SENT, FAILED, NOT_QUEUED = (
    f"otelcol_exporter_{what}_metric_points" for what in ("sent", "send_failed", "enqueue_failed")
)


def batch(value: int) -> Batch:
    """A request of one point."""
    return Batch(Request().counter("c", {}, value).message, 1)


def values(upstream: Upstream) -> list[int]:
    """What came, in its order."""
    return [
        message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0].as_int
        for message in upstream.messages
    ]


def count(sink: Sink, name: str) -> float:
    """One of a sink's own numbers."""
    return sum(sample.value for sample in sink.self_metrics() if sample.name == name)


@contextmanager
def sink(
    port: int, size: int = 10, storage: FileStorage | None = None, **settings: object
) -> Iterator[OtlpHttpSink]:
    """A sink that posts to this machine."""
    url = f"http://127.0.0.1:{port}/v1/metrics"
    exporter = OtlpHttpExporter(**{"url": url, "retry": QUICK, **settings})  # type: ignore[arg-type]
    one = OtlpHttpSink("otlp_http", exporter, Spool(size, storage, "exporter_otlp_http"))
    one.open()
    try:
        yield one
    finally:
        one.close(0.2)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "deflate", "zlib", ""])
@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_requests_arrive_as_they_were_told(compression: str, encoding: str) -> None:
    """In their order, packed and written as the file says, with its headers."""
    upstream = Upstream()
    settings = {"compression": compression, "encoding": encoding, "headers": (("X-Scope", "a"),)}
    with serving(upstream) as served, sink(served.port, **settings) as one:
        for value in range(3):
            one.put(batch(value), 0)
        eventually(lambda: count(one, SENT) == 3)
    assert values(upstream) == [0, 1, 2]
    assert {request.headers["x-scope"] for request in upstream.requests} == {"a"}
    assert {request.path for request in upstream.requests} == {"/v1/metrics"}


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_what_may_be_tried_again_is(code: int) -> None:
    """Until it is taken; those behind it wait, so that nothing overtakes."""
    upstream = Upstream(status(code, retry_after="0"), status(code))
    with serving(upstream) as served, sink(served.port) as one:
        one.put(batch(1), 0)
        one.put(batch(2), 0)
        eventually(lambda: count(one, SENT) == 2)
    assert values(upstream) == [1, 1, 1, 2]
    assert count(one, FAILED) == 0


@pytest.mark.parametrize("code", [302, 400, 401, 404, 413, 500])
def test_what_may_not_be_tried_again_is_given_up(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """And counted; its series are to be told again; what the receiver said is not logged."""
    upstream = Upstream(status(code, location="/v1/metrics"))
    with serving(upstream) as served, sink(served.port) as one:
        one.put(batch(1), 7.0)
        one.put(batch(2), 8.0)
        eventually(lambda: count(one, SENT) == 1)
    assert values(upstream) == [1, 2]
    assert count(one, FAILED) == 1
    assert (one.lost_since(), one.lost_since()) == (7.0, None)
    assert f"given up: HTTP {code}" in caplog.text
    assert "secret" not in caplog.text


class Taking(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving_tls(authority: trustme.CA) -> Iterator[int]:
    """A receiver that speaks TLS and asks clients for a certificate; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = HTTPServer(("127.0.0.1", 0), Taking)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_both_sides_of_tls_show_who_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's authority is asked, and no other; a stranger gets nothing, nor tells anything."""
    authority, stranger = trustme.CA(), trustme.CA()
    client = authority.issue_cert("client")
    files = [str(tmp_path / name) for name in ("ca", "cert", "key", "stranger")]
    authority.cert_pem.write_to_path(files[0])
    client.cert_chain_pems[0].write_to_path(files[1])
    client.private_key_pem.write_to_path(files[2])
    stranger.cert_pem.write_to_path(files[3])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", files[3])
    good = ClientTls(*files[:3])
    with serving_tls(authority) as port:
        url = f"https://127.0.0.1:{port}/v1/metrics"
        for tls, is_taken in (
            (good, True),
            (ClientTls("", files[1], files[2], insecure_skip_verify=True), True),
            (good._replace(ca_file=files[3]), False),
            (ClientTls(files[0]), False),
        ):
            with sink(port, url=url, tls=tls, retry=Retry(enabled=False)) as one:
                one.put(batch(1), 0)
                eventually(lambda: count(one, SENT) + count(one, FAILED) == 1)
                assert (count(one, SENT) == 1) is is_taken


def test_nobody_tries_for_ever() -> None:
    """After `max_elapsed_time` a request is given up."""
    retry = QUICK._replace(elapsed_seconds_max=0.05)
    with serving(Upstream(*[status(503)] * 1000)) as served, sink(served.port, retry=retry) as one:
        one.put(batch(1), 3.0)
        eventually(lambda: count(one, FAILED) == 1)
    assert one.lost_since() == 3.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("-7", 0), ("9" * 400, 3600), ("soon", 0), ("Mon, 23 Nov 1996 13:12:17 GMT", 0)],
)
def test_a_receiver_may_say_when(text: str, seconds: float) -> None:
    """Whatever it says, somebody comes back within an hour."""
    assert otlp_http._seconds(text) == seconds


def test_an_answer_that_breaks_off_is_tried_again() -> None:
    """What came is no answer; nothing counts twice, since numbers are cumulative."""
    broken = Response(200, "application/x-protobuf", b"no gzip", (("Content-Encoding", "gzip"),))
    upstream = Upstream(broken)
    with serving(upstream) as served, sink(served.port) as one:
        one.put(batch(1), 0)
        eventually(lambda: count(one, SENT) == 1)
    assert values(upstream) == [1, 1]


def test_nobody_there_is_tried_again() -> None:
    """A receiver that starts later gets all that waited."""
    upstream = Upstream()
    with serving(upstream) as served:
        port = served.port
    with sink(port) as one:
        one.put(batch(1), 0)
        eventually(lambda: count(one, "otelcol_exporter_queue_size") == 1)
    assert (count(one, SENT), count(one, FAILED)) == (0, 0)


def test_a_full_queue_lets_the_oldest_go() -> None:
    """It is counted, and its series are told again; what is newer says all that it said."""
    with serving(Upstream()) as served:
        port = served.port
    with sink(port, size=2) as one:
        for value in range(5):
            one.put(batch(value), float(value))
        assert count(one, NOT_QUEUED) == 3
        assert count(one, "otelcol_exporter_queue_capacity") == 2
        assert one.lost_since() == 0.0


def test_what_a_receiver_did_not_take_is_counted() -> None:
    """A partial success is no failure: nothing is sent again."""
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 3
    found = Response(200, "application/x-protobuf", answer.SerializeToString())
    told = Response(200, "application/json", b'{"partialSuccess":{"rejectedDataPoints":"2"}}')
    odd = Response(200, "application/json", b"[1]")
    with serving(Upstream(found, told, odd)) as served, sink(served.port) as one:
        for value in range(3):
            one.put(batch(value), 0)
        eventually(lambda: count(one, SENT) == 3)
    assert count(one, "portless_exporter_rejected_points") == 5


def test_a_queue_on_a_disk_outlives_its_process(tmp_path: Path) -> None:
    """What was not sent is sent by the next one, first; what is broken is put aside."""
    storage = FileStorage(str(tmp_path / "storage"), directory_mode=0o750, fsync=True)
    upstream = Upstream()
    with serving(Upstream()) as served:
        nobody = served.port
    with sink(nobody, storage=storage) as one:
        for value in (1, 2, 3):
            one.put(batch(value), 0)
    files = sorted(tmp_path.rglob("*.request"))
    assert len(files) == 3
    files[1].write_bytes(files[1].read_bytes()[:-1])
    with serving(upstream) as served, sink(served.port, storage=storage) as one:
        one.put(batch(4), 0)
        eventually(lambda: count(one, SENT) == 3)
    assert values(upstream) == [1, 3, 4]
    assert [file.suffix for file in tmp_path.rglob("*") if file.is_file()] == [".corrupt"]


def test_a_disk_that_takes_nothing_is_counted(tmp_path: Path) -> None:
    """The request is told again later; nobody fails."""
    storage = FileStorage(str(tmp_path / "storage"), directory_mode=0o750)
    with serving(Upstream()) as served, sink(served.port, storage=storage) as one:
        (tmp_path / "storage" / "exporter_otlp_http").rmdir()
        one.put(batch(1), 5.0)
        assert count(one, NOT_QUEUED) == 1
        assert one.lost_since() == 5.0


def requests_in(file: Path) -> list[ExportMetricsServiceRequest]:
    """Read a file of JSON."""
    lines = file.read_text().splitlines()
    return [Parse(line, ExportMetricsServiceRequest()) for line in lines]


@pytest.mark.parametrize(("append", "left"), [(False, [2]), (True, [1, 2])])
def test_a_file_holds_a_request_a_line(tmp_path: Path, left: list[int], *, append: bool) -> None:
    """It is begun anew at each start, unless it is to be appended to."""
    file = tmp_path / "deep" / "metrics.json"
    for value in (1, 2):
        one = FileSink("file", File(str(file), append=append, directory_mode=0o755))
        one.open()
        one.put(batch(value), 0)
        one.close(1)
    assert requests_in(file) == [batch(value).message for value in left]
    enums = json.loads(file.read_text().splitlines()[0])
    metric = enums["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]
    assert metric["sum"]["aggregationTemporality"] == 2


def test_a_file_of_protobuf_tells_lengths(tmp_path: Path) -> None:
    """Four bytes, the highest first, as the OpenTelemetry Collector writes them."""
    file = tmp_path / "metrics"
    one = FileSink("file", File(str(file), format="proto"))
    one.open()
    for value in (1, 2):
        one.put(batch(value), 0)
    one.close(1)
    data, found = file.read_bytes(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(ExportMetricsServiceRequest.FromString(data[4 : 4 + size]))
        data = data[4 + size :]
    assert found == [batch(1).message, batch(2).message]


def test_a_file_that_is_large_enough_is_put_aside(tmp_path: Path) -> None:
    """And as many are kept as the rotation says."""
    file = tmp_path / "metrics.json"
    one = FileSink("file", File(str(file), rotation=Rotation(bytes_max=1, backups_max=2)))
    one.open()
    for value in range(5):
        one.put(batch(value), 0)
        eventually(lambda: len(list(tmp_path.iterdir())) <= 3)
    one.close(1)
    backups = sorted(tmp_path.glob("metrics-*.json"))
    kept = [message for each in [*backups, file] for message in requests_in(each)]
    assert kept == [batch(value).message for value in (2, 3, 4)]


def test_a_file_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """Its series are told again, as soon as it can."""
    file = tmp_path / "metrics.json"
    one = FileSink("file", File(str(file), rotation=Rotation(bytes_max=1)))
    one.open()
    one.put(batch(1), 0)
    file.unlink()
    one.put(batch(2), 4.0)
    assert (count(one, SENT), count(one, FAILED)) == (1, 1)
    assert one.lost_since() == 4.0
    one.put(batch(3), 5.0)
    one.close(1)
    assert requests_in(file) == [batch(3).message]


def test_a_file_that_cannot_be_begun_is_said(tmp_path: Path) -> None:
    """Without leave to make directories."""
    with pytest.raises(FileNotFoundError):
        FileSink("file", File(str(tmp_path / "none" / "metrics.json"))).open()
