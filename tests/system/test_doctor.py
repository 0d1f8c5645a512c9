"""`portless doctor` on a whole system: every fault is planted in real parts, and named right."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme
import yaml

from tests.support.collector import Collector
from tests.support.doctors import Doctors, Said
from tests.support.prometheus import needs_prometheus, several
from tests.support.proxy import Mode, Proxy
from tests.support.worker import ROOT, Command
from tests.system.conftest import Lab, laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
TOKEN = "a-secret-of-workers"
GIVEN = {"allow_all_keys": False, "summary": "silent"}
CARELESS: dict[str, Any] = {
    "processors": {
        "redaction/nameless": {
            **GIVEN,
            "allowed_keys": ["service.name", "service.instance.id", "queue_name"],
        },
        "redaction/secure": {
            **GIVEN,
            "allowed_keys": ["service.name", "service.instance.id", "task_name", "queue_name"],
        },
        "redaction/leaking": {**GIVEN, "allow_all_keys": True},
        "filter/dropping": {"metrics": {"metric": ['IsMatch(name, "^celery")']}},
    },
    "extensions": {"bearertokenauth": {"token": TOKEN}},
    "service": {
        "extensions": ["bearertokenauth"],
        "telemetry": {"metrics": {"level": "none"}},
        "pipelines": {},
    },
    "receivers": {},
    "exporters": {},
}
"""Rules that are wrong, each in a pipeline of its own; that called secure has a lock."""


class System(NamedTuple):
    """Everything that is right, and a collector where it is not."""

    lab: Lab
    collector: Collector
    careless: Collector
    doctors: Doctors
    authority: Path

    def page(self, name: str = "") -> str:
        """The page of an exporter."""
        by = self.careless if name else self.collector
        return f"http://{by.addresses[f'prometheus{name}']}/metrics"

    def examine(
        self, *options: str, app: str = "tests.support.app", ahead: float = 0.0, **environ: str
    ) -> Said:
        """Run the doctor, as a user would who wants JSON."""
        options = ("-A", app, "--json", "--metrics-url", self.page(), *options)
        return self.doctors.run(*options, ahead_seconds=ahead, **environ)


@pytest.fixture(scope="module")
def system(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A worker, a collector with the project's own rules, one with wrong ones."""
    directory = tmp_path_factory.mktemp("doctor")
    for name in ("right", "careless"):
        (directory / name).mkdir()
    with ExitStack() as stack:
        lab = stack.enter_context(laboratory(server, directory))
        collector = Collector(directory / "right")
        stack.callback(collector.kill)
        careless = Collector(directory / "careless", config=careless_config(directory))
        stack.callback(careless.kill)
        environ = {**lab.environ, ENDPOINT: collector.endpoint}
        doctors = Doctors("telemetry.cli", environ)
        stack.callback(doctors.close)
        lab.worker("solo", **{ENDPOINT: collector.endpoint})
        yield System(lab, collector, careless, doctors, directory / "authority.pem")


def careless_config(directory: Path) -> Path:
    """Write it, with an authority and a certificate."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    issued.private_key_pem.write_to_path(str(directory / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(directory / "certificate.pem"))
    config = yaml.safe_load(yaml.safe_dump(CARELESS))
    for name in ("nameless", "leaking", "dropping", "secure"):
        server: dict[str, Any] = {"endpoint": "127.0.0.1:0"}
        if name == "secure":
            server["auth"] = {"authenticator": "bearertokenauth"}
            files = {"cert_file": "certificate.pem", "key_file": "key.pem"}
            server["tls"] = {key: str(directory / file) for key, file in files.items()}
        config["receivers"][f"otlp/{name}"] = {"protocols": {"http": server, "grpc": server}}
        config["exporters"][f"prometheus/{name}"] = {"endpoint": "127.0.0.1:0"}
        config["service"]["pipelines"][f"metrics/{name}"] = {
            "receivers": [f"otlp/{name}"],
            "processors": [one for one in config["processors"] if one.endswith(name)],
            "exporters": [f"prometheus/{name}"],
        }
    file = directory / "careless.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_whole_system_has_no_broken_hop(system: System) -> None:
    """Told as a table by the command itself, and nothing is explained that is not broken."""
    command = [sys.executable, "-m", "telemetry", "doctor", "-A", "tests.support.app"]
    done = subprocess.run(
        [*command, "--metrics-url", system.page()],
        cwd=ROOT,
        env={**os.environ, **system.lab.environ, ENDPOINT: system.collector.endpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    names = ["export", "app", "instrument", "state", "broker", "receiver", "exposition"]
    assert [line[1] for line in lines] == [*names, "redactor", "worker", "prometheus"]
    assert [line[0] for line in lines] == ["ok"] * 9 + ["-"]
    assert "give --prometheus" in lines[-1][2]
    assert "for a worker to run the marked task" in done.stderr


def test_what_workers_are_told_is_looked_at_first(system: System) -> None:
    """Variables, the app, the call of instrument, the state directory."""
    planted = [
        ("export: the environment turns", "OTEL_SDK_DISABLED", {"OTEL_SDK_DISABLED": "true"}),
        ("export: OTEL_METRICS_EXPORTER asks for prometheus", "scrape the collector", {}),
        ("export: OTEL_EXPORTER_OTLP_PROTOCOL is 'kafka'", "grpc", {PROTOCOL: "kafka"}),
        ("state: PORTLESS_STATE_DIR cannot be written", "directory that", {}),
    ]
    planted[1][2]["OTEL_METRICS_EXPORTER"] = "prometheus"
    planted[3][2]["PORTLESS_STATE_DIR"] = "/proc/portless"  # which nobody can write, root neither
    for found, fix, environ in planted:
        said = system.examine(**environ).broken
        assert said.startswith(found)
        assert fix in said
    for found, fix, app, environ in (
        ("app: tests.nowhere cannot be imported", "run the doctor where", "tests.nowhere", {}),
        ("app: task_always_eager is on", "turn it off", "tests.support.late", {"LATE_EAGER": "1"}),
        ("instrument: the app was imported, and", "after the fork", "tests.support.late", {}),
    ):
        said = system.examine(app=app, **environ).broken
        assert said.startswith(found)
        assert fix in said


def test_an_app_that_is_instrumented_by_the_command_is_right(system: System) -> None:
    """Without a line in it, where the doctor is started as its workers are."""
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable]
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = subprocess.run(
        [*command, "-m", "telemetry", "doctor", "-A", "tests.support.late"],
        cwd=ROOT,
        env={**os.environ, **system.lab.environ, ENDPOINT: nobody, PROTOCOL: "http/protobuf"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "opentelemetry-instrument has it watched when a worker begins" in done.stdout
    assert "The first broken hop is receiver." in done.stdout
    assert f"what   nothing listens at {nobody.partition('://')[2]}" in done.stdout


def test_a_broker_that_cannot_be_used_is_named(system: System) -> None:
    """Without the address, which holds a password."""
    for broker, found in (
        ("sqla+postgresql+psycopg2://u:hidden@/x?host=/nowhere", "OperationalError"),
        ("memory://", "the broker is memory://"),
    ):
        said = system.examine(LAB_BROKER=broker)
        assert said.broken.startswith("broker: ")
        assert found in said.broken
        assert "hidden" not in said.out + said.err


def test_a_receiver_s_fault_is_named(system: System) -> None:
    """Another port, protocol, scheme, name, login, proxy, certificate; and the right one is ok."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    at, secure = system.collector.addresses, system.careless.addresses["otlp_http/secure"]
    grpc_secure = system.careless.addresses["otlp_grpc/secure"]
    trusted = {ENDPOINT: f"https://{secure}", CERTIFICATE: str(system.authority)}
    grpc = {PROTOCOL: "grpc"}
    planted: list[tuple[str, str, dict[str, str]]] = [
        ("nothing listens", "start the collector", {ENDPOINT: nobody}),
        ("malformed", "http://HOST:4318", {ENDPOINT: "ftp//nowhere"}),
        ("name of the host is not known", "correct", {ENDPOINT: "http://a.invalid:4318"}),
        ("another port", "4318", {ENDPOINT: f"http://{at['prometheus']}"}),
        ("another port", "4318", {ENDPOINT: f"http://{at['health_check']}"}),
        ("another protocol", "use port 4318", {ENDPOINT: f"http://{at['otlp_grpc']}"}),
        ("does not speak TLS", "write http://", {ENDPOINT: f"https://{at['otlp_http']}"}),
        ("proxy", "NO_PROXY", {"HTTP_PROXY": nobody, "http_proxy": nobody, "NO_PROXY": ""}),
        ("certificate is not trusted", CERTIFICATE, {ENDPOINT: f"https://{secure}"}),
        ("no header was sent", HEADERS, trusted),
        ("not what it expects", HEADERS, {**trusted, HEADERS: "authorization=Bearer%20wrong"}),
        ("cannot be used", CERTIFICATE, {**trusted, CERTIFICATE: "/nowhere"}),
        ("another protocol", "use port 4318", {ENDPOINT: f"http://{at['otlp_http']}", **grpc}),
        ("nothing listens", "start the collector", {ENDPOINT: nobody, **grpc}),
        ("does not speak TLS", "http://", {ENDPOINT: f"https://{at['otlp_grpc']}", **grpc}),
        ("no header was sent", HEADERS, {**trusted, ENDPOINT: f"https://{grpc_secure}", **grpc}),
    ]
    for what, fix, environ in planted:
        said = system.examine(**environ)
        assert said.broken.startswith("receiver: "), environ
        assert what in said.broken, environ
        assert fix in said.broken.rpartition("|")[2]
        assert "wrong" not in said.out + said.err
    for where, protocol in ((secure, "http/protobuf"), (grpc_secure, "grpc")):
        right = {**trusted, ENDPOINT: f"https://{where}", PROTOCOL: protocol}
        page = ("--metrics-url", system.page("/secure"), "--queue", "nobody", "--wait", "1")
        said = system.examine(*page, **right, **{HEADERS: f"authorization=Bearer%20{TOKEN}"})
        assert said.hops["receiver"]["ok"], said.out
        assert said.hops["redactor"]["ok"], said.out
        assert TOKEN not in said.out + said.err


def test_a_receiver_that_is_silent_or_has_another_time_is_named(system: System) -> None:
    """A network that swallows everything, a clock of this machine that is 90 s ahead."""
    proxy = Proxy()
    proxy.mode = Mode.BLACKHOLE
    said = system.examine(**{ENDPOINT: f"http://127.0.0.1:{proxy.port}"}).broken
    proxy.close()
    assert said.startswith("receiver: ")
    assert "does not answer in time" in said
    assert "firewall" in said
    said = system.examine(ahead=90.0).broken
    assert said.startswith("receiver: the clock of")
    assert "NTP" in said


def test_a_page_that_is_none_is_named(system: System) -> None:
    """Nobody there, no exposition, the page that the collector has about itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://u:hidden@127.0.0.1:{free.getsockname()[1]}/metrics"
    at = system.collector.addresses
    for url, found in (
        (nobody, "exposition: nothing listens at 127.0.0.1:"),
        (f"http://{at['health_check']}/", "exposition: what stands at"),
        (f"http://{at['otlp_http']}/metrics", "exposition: 127.0.0.1:"),
        (f"http://{at['self_metrics']}/metrics", "redactor: the page tells of the collector"),
    ):
        said = system.examine("--metrics-url", url)
        assert said.broken.startswith(found)
        assert "--metrics-url" in said.broken
        assert "hidden" not in said.out + said.err


def test_rules_that_take_too_much_or_too_little_are_named(system: System) -> None:
    """No task_name in the list, a metric that is dropped, a tenant that gets through."""
    for name, found, fix in (
        ("/nameless", "redactor: the rules take task_name away", "allowed_keys of redaction"),
        ("/dropping", "redactor: the marked push was taken, and the mark is not", "explain"),
        ("/leaking", "redactor: the mark's tenant_id is on the exposed page", "leaks"),
    ):
        to = {ENDPOINT: f"http://{system.careless.addresses[f'otlp_http{name}']}"}
        said = system.examine("--metrics-url", system.page(name), "--wait", "1", **to).broken
        assert said.startswith(found)
        assert fix in said


def test_a_worker_that_does_not_count_is_named(system: System, tmp_path: Path) -> None:
    """Nobody consumes; somebody does who was instrumented too late; somebody's pool is busy."""
    said = system.examine("--queue", "nobody", "--wait", "1").broken
    assert said.startswith("worker: no worker took a message from the queue 'nobody'")
    assert "start a worker with -Q nobody" in said

    environ = {**system.lab.environ, ENDPOINT: system.collector.endpoint}
    command = [sys.executable, "-m", "celery", "-A", "tests.support.late", "worker", "-P", "solo"]
    log = tmp_path / "late.log"
    late = Command([*command, "-Q", "late", "-l", "INFO"], log, environ)
    try:
        late.wait_for(lambda: " ready." in log.read_text())
        said = system.examine("--queue", "late", "--wait", "6").broken
    finally:
        late.kill()
    assert said.startswith("worker: the marked task left the queue 'late', and no count of it came")
    assert "the app that calls instrument(app)" in said

    busy = system.lab.worker(
        *("threads", "-Q", "busy", "-c", "1"), name="busy", **{ENDPOINT: system.collector.endpoint}
    )
    system.lab.publish(["sleep", 1, {"queue": "busy", "args": [60]}])
    busy.wait_for(lambda: ("sleep", "begun", "") in system.lab.executions())
    said = system.examine("--queue", "busy", "--wait", "4").broken
    assert said.startswith("worker: a worker took the marked task, and has not run it")
    assert "longer --wait" in said


def scraping(system: System, **changes: Any) -> dict[str, Any]:
    """Prometheus' configuration with a scrape job as it should be, but for the changes."""
    target = system.collector.addresses["prometheus"]
    job = {"job_name": "celery", "honor_labels": True, "static_configs": [{"targets": [target]}]}
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": [{**job, **changes}]}


@needs_prometheus
def test_prometheus_is_the_last_hop(system: System, tmp_path: Path) -> None:
    """Up to there all is ok; each fault of it is planted in one that runs, and named."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    down = {"static_configs": [{"targets": [nobody]}]}
    drop = {"source_labels": ["__name__"], "regex": "celery_telemetry.*", "action": "drop"}
    rename = {"target_label": "job", "replacement": "celery-of-others"}
    planted: list[tuple[str, str, str, dict[str, Any]]] = [
        ("1", "no target of Prometheus is", "add the collector's address", down),
        ("2", "cannot scrape", "set scheme: http", {"scheme": "https"}),
        ("60", "put its own job and instance", "honor_labels: true", {"honor_labels": False}),
        ("8", "keeps nothing", "metric_relabel_configs", {"metric_relabel_configs": [drop]}),
        ("60", "was pushed", "relabelling of `job`", {"metric_relabel_configs": [rename]}),
        ("60", "none that rules and dashboards select", "--jobs", {"job_name": "workers"}),
    ]
    configs = [scraping(system), *(scraping(system, **changes) for *_, changes in planted)]
    with ExitStack() as stack:
        right, *wrong = several(stack, tmp_path, configs)
        hops = system.examine("--prometheus", right.url).hops
        assert all(hop["ok"] for hop in hops.values()), hops
        assert "scraped every 1 s" in hops["prometheus"]["what"]
        for (wait, what, fix, _), running in zip(planted, wrong):
            said = system.examine("--prometheus", running.url, "--wait", wait).broken
            assert said.startswith("prometheus: "), what
            assert what in said
            assert fix in said.rpartition("|")[2]
        walk = ("--prometheus", right.url)
        said = system.examine(*walk, OTEL_SERVICE_NAME="billing").broken
        assert "'billing' is none that rules and dashboards select" in said
        other = system.examine(*walk, "--jobs", "billing|celery", OTEL_SERVICE_NAME="billing")
        assert other.hops["prometheus"]["ok"], other.out
    for url, what in ((f"http://{nobody}", "nothing listens"), (system.page(), "no Prometheus")):
        said = system.examine("--prometheus", url).broken
        assert said.startswith("prometheus: ")
        assert what in said
