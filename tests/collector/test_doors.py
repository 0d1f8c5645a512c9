"""Closed by default: TLS, logins, networks and open binds, on a running collector."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import shutil
import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, NamedTuple

import grpc
import pytest
import trustme
from click.testing import CliRunner
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpExporter,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.util.re import parse_env_headers

from collector.access import CIPHER_SUITES
from collector.cli import main
from collector.server.door import Door
from collector.server.http_server import HttpServer
from collector.server.limits import Limit, Limits
from collector.server.tls import Certificates
from collector.settings import Tls
from tests.collector.echo import Echo
from tests.collector.serving import (
    DATE,
    PATIENCE_SECONDS,
    Served,
    eventually,
    request,
    serving_by,
)
from tests.collector.test_grpc import EXPORT, LIMITED, run_to_its_end
from tests.collector.test_server_process import JSON, PROTOBUF, Collector, jobs, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
receivers:
  otlp:
    protocols:
      http: {endpoint: "127.0.0.1:0", auth: {authenticator: bearertokenauth}, tls: TLS}
      grpc: {endpoint: "127.0.0.1:0", auth: {authenticator: bearertokenauth}, tls: TLS}
exporters:
  prometheus: {endpoint: "127.0.0.1:0", auth: {authenticator: basicauth}, tls: MTLS}
extensions:
  bearertokenauth: {token: "hunter2"}
  basicauth: {htpasswd: {inline: "prometheus:hunter3"}}
  health_check: {endpoint: "127.0.0.1:0", auth: {authenticator: bearertokenauth}, tls: TLS}
service:
  extensions: [bearertokenauth, basicauth, health_check]
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus]}
"""
BEARER = {"Authorization": "Bearer hunter2"}
BASIC = {"Authorization": f"Basic {base64.b64encode(b'prometheus:hunter3').decode()}"}
HEADERS = {**BEARER, "Content-Type": PROTOBUF}


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Keys:
    """An authority, a server's certificate by it, a client's, and a client's by somebody else."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.folder = folder
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.new_certificate()
        self.client = self._client(self.authority)
        self.stranger = self._client(trustme.CA())

    def new_certificate(self) -> None:
        """Write another certificate of the server."""
        made = self.authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(str(self.folder / "server.key"))
        (self.folder / "server.pem").write_bytes(b"".join(p.bytes() for p in made.cert_chain_pems))

    def _client(self, authority: trustme.CA) -> trustme.LeafCert:
        return authority.issue_cert("client@example.org")

    def context(self, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """What a client trusts, and shows."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if client:
            client.configure_cert(context)
        return context

    def config(self, more: str = "") -> str:
        """The configuration with these files; `more` are other keys of every `tls`."""
        folder = self.folder
        tls = f"{{cert_file: {folder}/server.pem, key_file: {folder}/server.key{more}}}"
        mutual = tls.replace("}", f", client_ca_file: {folder}/ca.pem}}")
        return CONFIG.replace("MTLS", mutual).replace("TLS", tls)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Files with certificates."""
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def closed(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with every door closed."""
    with running(tmp_path_factory.mktemp("closed"), keys.config()) as one:
        yield one


def ask(
    collector: Collector,
    server: str,
    context: ssl.SSLContext | None,
    path: str = "/metrics",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send a request; POST if it has a body."""
    port = collector.port(server)
    connection = HTTPConnection("127.0.0.1", port, PATIENCE_SECONDS)
    if context:
        connection = HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS, context=context)
    connection.request("GET" if body is None else "POST", path, body, headers or {})
    response = connection.getresponse()
    found = Reply(
        response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    )
    connection.close()
    return found


def push(collector: Collector, keys: Keys, headers: dict[str, str], body: bytes = b"") -> Reply:
    """Push over HTTPS."""
    return ask(collector, "otlp_http", keys.context(), "/v1/metrics", body, headers)


def call(
    collector: Collector,
    keys: Keys,
    metadata: dict[str, str],
    client: trustme.LeafCert | None = None,
    body: bytes = b"",
) -> tuple[str, str]:
    """Push over gRPC and TLS; return the code and the text or the challenge."""
    pair: list[bytes | None] = [None, None]
    if client:
        pair = [client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()]
    credentials = grpc.ssl_channel_credentials(keys.authority.cert_pem.bytes(), *pair)
    with grpc.secure_channel(collector.addresses["otlp_grpc"], credentials) as channel:
        export = channel.unary_unary(EXPORT, None, None)
        try:
            export(body, metadata=list(metadata.items()), timeout=PATIENCE_SECONDS)
        except grpc.RpcError as error:
            told = dict(error.trailing_metadata() or ())
            return error.code().name, told.get("www-authenticate", "")
    return "OK", ""


def test_who_has_what_is_asked_for_comes_in(closed: Collector, keys: Keys) -> None:
    """Over HTTP and gRPC, to push, to scrape and to probe, all behind TLS."""
    assert push(closed, keys, HEADERS, jobs(3)).status == 200
    assert call(closed, keys, {"authorization": "Bearer hunter2"}, body=jobs(4)) == ("OK", "")
    page = ask(closed, "prometheus", keys.context(keys.client), headers=BASIC)
    assert b"jobs_total{" in page.body
    assert b"} 4\n" in page.body
    assert ask(closed, "health_check", keys.context(), "/", headers=BEARER).status == 200


def test_the_sdks_exporters_come_in(closed: Collector, keys: Keys) -> None:
    """With what an environment variable says, over HTTPS and over gRPC with TLS."""
    headers = parse_env_headers("authorization=Bearer%20hunter2", liberal=True)
    authority = str(keys.folder / "ca.pem")
    http = HttpExporter(
        f"https://{closed.addresses['otlp_http']}/v1/metrics",
        headers=headers,
        certificate_file=authority,
    )
    trusted = grpc.ssl_channel_credentials(keys.authority.cert_pem.bytes())
    rpc = GrpcExporter(
        closed.addresses["otlp_grpc"], credentials=trusted, headers=tuple(headers.items())
    )
    for exporter in (http, rpc):
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        provider = MeterProvider([reader], shutdown_on_exit=False)
        provider.get_meter("test").create_counter("sdk").add(1)
        assert provider.force_flush()
        provider.shutdown()


def test_others_do_not_and_are_told_what_to_show(closed: Collector, keys: Keys) -> None:
    """401 with a challenge, in the request's encoding; also for paths that there are not."""
    before = closed.counted(LIMITED, limit="authentication", server="otlp_http")
    for headers in ({}, {"Authorization": "Bearer hunter"}):
        reply = push(closed, keys, {"Content-Type": PROTOBUF, **headers}, b"\xff not read")
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert Status.FromString(reply.body).code == 16
        reply = push(closed, keys, {"Content-Type": JSON, **headers}, b"\xff not read")
        assert (reply.status, json.loads(reply.body)["code"]) == (401, 16)
    after = closed.counted(LIMITED, limit="authentication", server="otlp_http")
    assert after == before + 4
    for server, path, challenge in (
        ("otlp_http", "/nothing", "Bearer"),
        ("health_check", "/", "Bearer"),
        ("prometheus", "/metrics", 'Basic realm="portless", charset="UTF-8"'),
        ("prometheus", "/nothing", 'Basic realm="portless", charset="UTF-8"'),
    ):
        reply = ask(closed, server, keys.context(keys.client), path)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, challenge)


def test_a_call_without_login_is_told_what_to_show(closed: Collector, keys: Keys) -> None:
    """UNAUTHENTICATED, also for a method that is not served; counted."""
    assert call(closed, keys, {}) == ("UNAUTHENTICATED", "Bearer")
    assert call(closed, keys, {"authorization": "Bearer hunter"})[0] == "UNAUTHENTICATED"
    assert closed.counted(LIMITED, limit="authentication", server="otlp_grpc") == 2


def test_a_body_is_not_read_without_a_login(closed: Collector, keys: Keys) -> None:
    """The answer comes on the head alone, before a byte of the body is sent."""
    head = request(target="/v1/metrics", content_type=PROTOBUF, content_length="1000000")
    with (
        socket.create_connection(("127.0.0.1", closed.port("otlp_http")), PATIENCE_SECONDS) as raw,
        keys.context().wrap_socket(raw, server_hostname="127.0.0.1") as wire,
    ):
        wire.sendall(head)
        assert wire.recv(1000).startswith(b"HTTP/1.1 401 ")


def test_a_login_counts_for_one_request_only(closed: Collector, keys: Keys) -> None:
    """On a connection that stays open, each request has to show it, also if its head is known."""
    connection = HTTPSConnection(
        "127.0.0.1", closed.port("otlp_http"), timeout=PATIENCE_SECONDS, context=keys.context()
    )
    for headers, status in ((HEADERS, 200), (HEADERS, 200), ({"Content-Type": PROTOBUF}, 401)):
        connection.request("POST", "/v1/metrics", b"", headers)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_a_client_without_a_trusted_certificate_is_not_spoken_to(
    closed: Collector, keys: Keys
) -> None:
    """Where `client_ca_file` asks for one, a login alone does not help; counted."""
    for client in (None, keys.stranger):
        before = closed.counted(LIMITED, limit="tls", server="prometheus")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(closed, "prometheus", keys.context(client), headers=BASIC)
        eventually(lambda: closed.counted(LIMITED, limit="tls", server="prometheus") > before)  # noqa: B023


def test_plain_http_to_a_tls_port_is_told_so(closed: Collector) -> None:
    """In the real collector's words."""
    reply = ask(closed, "otlp_http", None, "/v1/metrics", b"")
    assert reply.status == 400
    assert reply.body == b"Client sent an HTTP request to an HTTPS server.\n"


def test_plain_grpc_to_a_tls_port_is_not_answered(closed: Collector) -> None:
    """And nothing of it is logged."""
    with grpc.insecure_channel(closed.addresses["otlp_grpc"]) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(EXPORT, None, None)(b"", timeout=PATIENCE_SECONDS)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_old_versions_of_tls_are_not_spoken(closed: Collector, keys: Keys) -> None:
    """1.2 is the least, as in the real collector."""
    context = keys.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(closed, "otlp_http", context, headers=BEARER)


def test_no_secret_is_told(closed: Collector, keys: Keys) -> None:
    """Neither on a page nor in the log, whatever was asked before."""
    page = ask(closed, "prometheus", keys.context(keys.client), headers=BASIC).body.decode()
    own = closed.get("self_metrics")[1]
    for text in (page, own, closed.log()):
        assert "hunter" not in text
    assert "Traceback" not in closed.log()
    assert "ERROR" not in closed.log()


@contextmanager
def serving_tls(keys: Keys, tls: Tls | None = None, **limits: float) -> Iterator[Served]:
    """Run one server behind TLS, with settings and limits of the test's own."""
    tls = tls or _tls(keys.folder)
    given = replace(Limits(connections_max=2), **limits)

    def server(now: float) -> HttpServer:
        door = Door(certificates=Certificates(tls, "test", now))
        return HttpServer("test", Echo(), given, now, DATE, door)

    with serving_by(server) as served:
        yield served


def _tls(folder: Path, kind: str = "server") -> Tls:
    return Tls(str(folder / f"{kind}.pem"), str(folder / f"{kind}.key"))


def spoken(served: Served, context: ssl.SSLContext) -> tuple[str | None, str]:
    """Shake hands; return the version and the cipher suite. Raises SSLError where they differ."""
    address = "127.0.0.1", served.port
    with (
        socket.create_connection(address, PATIENCE_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wire,
    ):
        cipher = wire.cipher()
        assert cipher
        return wire.version(), cipher[0]


OPENSSL = {
    # https://docs.openssl.org/3.0/man1/openssl-ciphers/#tls-v12-cipher-suites
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
"""Every cipher suite that can be chosen, by its name in the file."""


@pytest.fixture(scope="module")
def rsa(keys: Keys) -> Keys:
    """The same files, and a certificate with a key of RSA besides, for suites that need one."""
    made = keys.authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    made.private_key_pem.write_to_path(str(keys.folder / "rsa.key"))
    (keys.folder / "rsa.pem").write_bytes(b"".join(p.bytes() for p in made.cert_chain_pems))
    return keys


@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_only_the_cipher_suites_that_were_chosen_are_spoken(rsa: Keys, suite: str) -> None:
    """Each by its name, whatever the client would rather have; nobody with others comes in."""
    kind = "rsa" if "_RSA_" in suite else "server"
    chosen = replace(_tls(rsa.folder, kind), max_version="1.2", cipher_suites=(suite,))
    with serving_tls(rsa, chosen) as served:
        assert spoken(served, rsa.context()) == ("TLSv1.2", OPENSSL[suite])
        others = rsa.context()
        others.set_ciphers(":".join(name for name in OPENSSL.values() if name != OPENSSL[suite]))
        others.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            spoken(served, others)
        eventually(lambda: served.counted(Limit.TLS) == 1)


def test_only_the_versions_of_tls_that_were_chosen_are_spoken(keys: Keys) -> None:
    """1.3 with nobody who has only 1.2, 1.2 where it is the most, and 1.3 where nothing is said."""
    plain, old = keys.context(), keys.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving_tls(keys) as served:
        assert spoken(served, plain)[0] == "TLSv1.3"
        assert spoken(served, old)[0] == "TLSv1.2"
    with serving_tls(keys, replace(_tls(keys.folder), min_version="1.3")) as served:
        assert spoken(served, plain)[0] == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            spoken(served, old)
        eventually(lambda: served.counted(Limit.TLS) == 1)
    with serving_tls(keys, replace(_tls(keys.folder), max_version="1.2")) as served:
        assert spoken(served, plain)[0] == "TLSv1.2"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03", b"\x16\x03\x01\x02\x00\x01"])
def test_who_does_not_finish_to_shake_hands_is_ended(keys: Keys, sent: bytes) -> None:
    """Silent or stopped half-way, it has so long; counted."""
    with serving_tls(keys, handshake_seconds_max=0.2) as served, served.client() as client:
        client.send(sent)
        assert client.rest() == b""
        eventually(lambda: served.counted(Limit.TLS) == 1)


def test_who_only_shakes_hands_takes_no_more_than_its_room(keys: Keys) -> None:
    """As many as there may be connections; further ones are closed at once, and counted."""
    with serving_tls(keys) as served, served.client(), served.client(), served.client() as third:
        assert third.rest() == b""
        assert served.counted(Limit.CONNECTIONS) == 1


def test_draining_waits_for_nobody_who_shakes_hands(keys: Keys) -> None:
    """Nothing was asked yet."""
    with serving_tls(keys) as served, served.client() as client:
        client.send(b"\x16")
        served.drain()
        with suppress(ConnectionResetError):  # what it sent was never read
            assert client.rest() == b""


def test_mutual_tls_and_versions_hold(keys: Keys, tmp_path: Path) -> None:
    """Over gRPC too; versions and cipher suites are those that the file names."""
    suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"  # others are what OpenSSL would choose
    folder = keys.folder
    tls = f"cert_file: {folder}/server.pem, key_file: {folder}/server.key"
    config = PLAIN.replace("0.0.0.0:0", "127.0.0.1:0").replace(
        'grpc: {endpoint: "127.0.0.1:0"',
        f'grpc: {{endpoint: "127.0.0.1:0", tls: {{{tls}, client_ca_file: {folder}/ca.pem}}',
    )
    chosen = f"tls: {{{tls}, max_version: '1.2', cipher_suites: [{suite}]}}"
    config = config.replace(
        'http: {endpoint: "127.0.0.1:0"', f'http: {{endpoint: "127.0.0.1:0", {chosen}'
    )
    with running(tmp_path, config) as collector:
        assert call(collector, keys, {})[0] == "UNAVAILABLE"
        assert call(collector, keys, {}, keys.stranger)[0] == "UNAVAILABLE"
        assert call(collector, keys, {}, keys.client)[0] == "OK"
        with (
            socket.create_connection(("127.0.0.1", collector.port("otlp_http"))) as raw,
            keys.context().wrap_socket(raw, server_hostname="127.0.0.1") as wire,
        ):
            assert wire.version() == "TLSv1.2"
            cipher = wire.cipher()
            assert cipher
            assert cipher[0] == OPENSSL[suite]


def certificate_of(collector: Collector, server: str, keys: Keys) -> bytes:
    """Return the certificate that a server shows."""
    address = ("127.0.0.1", collector.port(server))
    context = keys.context()
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(address, PATIENCE_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wire,
    ):
        shown = wire.getpeercert(binary_form=True)
        assert shown
        return shown


def test_certificates_are_read_anew(tmp_path: Path) -> None:
    """After `reload_interval`, for new connections; broken files change nothing but the log."""
    keys = Keys(tmp_path)
    with running(tmp_path, keys.config(", reload_interval: 100ms")) as collector:
        for server in ("otlp_http", "otlp_grpc"):
            old = certificate_of(collector, server, keys)
            keys.new_certificate()
            eventually(lambda: certificate_of(collector, server, keys) != old)  # noqa: B023
        shutil.copy(tmp_path / "ca.pem", tmp_path / "server.key")
        eventually(lambda: "the certificates stay as they were" in collector.log())
        assert push(collector, keys, HEADERS).status == 200


def test_authorities_of_clients_are_followed(tmp_path: Path) -> None:
    """With `client_ca_file_reload`, whenever the file changes, and not otherwise."""
    Keys(tmp_path)
    files = [str(tmp_path / name) for name in ("server.pem", "server.key", "ca.pem")]
    followed = Certificates(Tls(*files, reload_client_ca=True), "x", 0.0)
    fixed = Certificates(Tls(*files), "x", 0.0)
    before = followed.context
    for certificates in (followed, fixed):
        certificates.tick(1.0)
        assert certificates.generation == 0
    trustme.CA().cert_pem.write_to_path(files[2])
    os.utime(files[2], ns=(1, 1))
    for certificates in (followed, fixed):
        certificates.tick(2.0)
    assert (followed.generation, fixed.generation) == (1, 0)
    assert followed.context.get_ca_certs() != before.get_ca_certs()


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("server.pem", None, "No such file or directory"),
        ("server.pem", "garbage", "no start line|not pem"),
        ("server.key", "garbage", "no start line|not pem|pem lib"),
        ("ca.pem", "garbage", "no certificate or crl found|not pem|no start line"),
    ],
)
def test_a_file_that_cannot_be_used_does_not_start(
    tmp_path: Path, file: str, text: str | None, why: str
) -> None:
    """One line a server, which names the file."""
    keys = Keys(tmp_path)
    (tmp_path / file).unlink()
    if text is not None:
        (tmp_path / file).write_text(text)
    ended = run_to_its_end(tmp_path, keys.config())
    assert ended.returncode == 1
    assert file in ended.stderr
    assert any(one in ended.stderr for one in why.split("|")), ended.stderr
    assert ended.stderr.count("\n") == 1


PLAIN = """
receivers:
  otlp: {protocols: {http: {endpoint: "0.0.0.0:0"}, grpc: {endpoint: "127.0.0.1:0"}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:0"}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}
"""


def test_an_open_bind_is_refused(tmp_path: Path) -> None:
    """Before anything is accepted, with what to do; every such server is named."""
    config = PLAIN.replace('prometheus: {endpoint: "127.0.0.1', 'prometheus: {endpoint: "')
    ended = run_to_its_end(tmp_path, config)
    assert (ended.returncode, ended.stdout) == (1, "")
    lines = ended.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "receivers::otlp::protocols::http",
        "exporters::prometheus",
    ]
    what = "can be reached from other machines, and nobody is asked who is there: add `auth` or "
    assert what in lines[0]
    assert lines[0].endswith("or start with --allow-open=otlp_http")


@pytest.mark.parametrize("option", [(), ("--allow-open=otlp_http",), ("--allow-open=otlp",)])
def test_a_file_is_judged_as_it_would_be_run(tmp_path: Path, option: tuple[str, ...]) -> None:
    """`validate` says of open binds what `run` says, word for word, and binds nothing.

    The file stays valid: the same options may be given where it runs.
    """
    config = PLAIN.replace('prometheus: {endpoint: "127.0.0.1', 'prometheus: {endpoint: "')
    ended = run_to_its_end(tmp_path, config, *option)
    file = tmp_path / "config.yaml"
    file.write_text(config)
    judged = CliRunner().invoke(main, ["validate", "--config", str(file), *option])
    said = [re.sub(r":\d+ can", ":0 can", line) for line in ended.stderr.splitlines()]
    if option == ("--allow-open=otlp",):
        assert (judged.exit_code, judged.stderr.splitlines()) == (1, said)
    else:
        assert judged.exit_code == 0
        assert judged.stderr.splitlines()[: len(said)] == [f"{file}: {line}" for line in said]
        assert all("can be reached" not in line for line in judged.stderr.splitlines()[len(said) :])


def test_a_closed_bind_is_not_warned_of(tmp_path: Path) -> None:
    """On loopback, by its name too, behind a login, or where nobody knows the name here."""
    login = "auth: {authenticator: bearertokenauth}"
    extension = "extensions: {bearertokenauth: {token: x}}\n"
    for http in ("127.0.0.1:0", "localhost:0", "collector.invalid:4318"):
        file = tmp_path / "config.yaml"
        file.write_text(PLAIN.replace("0.0.0.0:0", http))
        judged = CliRunner().invoke(main, ["validate", "--config", str(file)])
        assert (judged.exit_code, "can be reached" in judged.output) == (0, False)
    config = PLAIN.replace('"0.0.0.0:0"', f'"0.0.0.0:0", {login}')
    config = extension + config.replace("service:", "service:\n  extensions: [bearertokenauth]")
    file.write_text(config)
    judged = CliRunner().invoke(main, ["validate", "--config", str(file)])
    assert judged.exit_code == 0, judged.stderr
    assert "can be reached" not in judged.stderr


@pytest.mark.parametrize("option", ["--allow-open", "--allow-open=otlp_http"])
def test_an_open_bind_may_be_allowed(tmp_path: Path, option: str) -> None:
    """For all servers or for one."""
    with running(tmp_path, PLAIN, option) as collector:
        assert collector.addresses["otlp_http"].startswith("0.0.0.0:")


def test_allowing_another_server_does_not_help(tmp_path: Path) -> None:
    """And a name that is none of a server is a mistake."""
    ended = run_to_its_end(tmp_path, PLAIN, "--allow-open=prometheus")
    assert "receivers::otlp::protocols::http" in ended.stderr
    ended = run_to_its_end(tmp_path, PLAIN, "--allow-open=otlp")
    there_are = "there are otlp_http, otlp_grpc, prometheus"
    assert ended.stderr == f'no server is called "otlp", {there_are}\n'


def test_a_login_or_a_certificate_closes_an_open_bind(keys: Keys, tmp_path: Path) -> None:
    """TLS alone does not: it hides what is said, and asks nobody."""
    tls = f"tls: {{cert_file: {keys.folder}/server.pem, key_file: {keys.folder}/server.key"
    http = 'http: {endpoint: "0.0.0.0:0"'
    ended = run_to_its_end(tmp_path, PLAIN.replace(http, f"{http}, {tls}}}"))
    assert ended.returncode == 1
    mutual = f"{http}, {tls}, client_ca_file: {keys.folder}/ca.pem}}"
    with running(tmp_path, PLAIN.replace(http, mutual)) as collector:
        assert collector.addresses["otlp_http"].startswith("0.0.0.0:")


def test_networks_are_closed_to_others(keys: Keys, tmp_path: Path) -> None:
    """Before a byte is read; over HTTP, HTTPS and gRPC, each counted."""
    options = ("--allow-from=192.0.2.0/24", "--allow-from=2001:db8::/32")
    telemetry = "{readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]}"
    options += ("--allow-from=self_metrics=127.0.0.1",)
    config = PLAIN.replace("0.0.0.0", "127.0.0.1").replace("{level: none}", telemetry)
    with running(tmp_path, config, *options) as collector:
        with pytest.raises(ConnectionError):
            collector.post(jobs(1))
        with grpc.insecure_channel(collector.addresses["otlp_grpc"]) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(EXPORT, None, None)(b"", timeout=PATIENCE_SECONDS)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert collector.counted(LIMITED, limit="network", server="otlp_http") == 1
        assert collector.counted(LIMITED, limit="network", server="otlp_grpc") == 1
    another = tmp_path / "another"
    another.mkdir()
    with running(another, keys.config(), "--allow-from=otlp_http=192.0.2.0/24") as collector:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            push(collector, keys, HEADERS)
        assert collector.counted(LIMITED, limit="network", server="otlp_http") == 1
        assert call(collector, keys, {"authorization": "Bearer hunter2"})[0] == "OK"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "here", "otlp_http=", "prometheus=10.0.0"])
def test_what_is_no_network_is_said(tmp_path: Path, text: str) -> None:
    """With what one looks like."""
    ended = run_to_its_end(tmp_path, PLAIN, f"--allow-from={text}")
    written = text.rpartition("=")[2]
    hint = "write 10.0.0.0/8, fd00::/8 or 10.1.2.3"
    assert ended.stderr == f"--allow-from: {written} is no network: {hint}\n"
    assert ended.returncode == 1
