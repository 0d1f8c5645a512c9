"""`portless-collector doctor` on running collectors: every fault is planted, and named right."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
import trustme
import yaml

from tests.collector.real import OTELCOL, needs_otelcol
from tests.support.collector import Collector
from tests.support.doctors import Doctors, Said
from tests.support.prometheus import needs_prometheus, several
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


TOKEN, PASSWORD = "a-secret-token", "a-secret-password"
FILE = ROOT / "otel-collector.yaml"
VARIABLES = {
    "otlp_http": "OTLP_HTTP_ENDPOINT",
    "otlp_grpc": "OTLP_GRPC_ENDPOINT",
    "prometheus": "PROMETHEUS_ENDPOINT",
    "health_check": "HEALTH_ENDPOINT",
}


class System(NamedTuple):
    """A collector with the project's own rules, and one with locks before every server."""

    open: Collector
    locked: Collector
    doctors: Doctors
    directory: Path

    @property
    def environ(self) -> dict[str, str]:
        """What the file has to be read with, as the running collector was."""
        at = self.open.addresses
        ports = {variable: at[name] for name, variable in VARIABLES.items()}
        return ports | {"SELF_METRICS_PORT": at["self_metrics"].rpartition(":")[2]}

    def examine(self, *options: str, file: Path = FILE, ahead: float = 0.0, **other: str) -> Said:
        """Run the doctor, as a user would who wants JSON."""
        options = ("--json", "--config", str(file), *options)
        return self.doctors.run(*options, ahead_seconds=ahead, **{**self.environ, **other})

    @property
    def client(self) -> tuple[str, ...]:
        """Options with which servers that ask for a client's certificate are shown one."""
        server = self.directory / "server"
        return ("--client-cert", f"{server}.pem", "--client-key", f"{server}.key")

    def written(self, change: Any) -> Path:
        """The project's file with a change."""
        config = yaml.safe_load(FILE.read_text())
        change(config)
        file = self.directory / "changed.yaml"
        file.write_text(yaml.safe_dump(config))
        return file

    def locked_file(self, **changes: Any) -> Path:
        """The file of the locked collector, with its ports, and other changes of its tls."""
        file = self.directory / "locked-changed.yaml"
        file.write_text(locked_config(self.directory, self.locked.addresses, **changes))
        return file


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Both collectors."""
    directory = tmp_path_factory.mktemp("doctor")
    for name in ("open", "locked"):
        (directory / name).mkdir()
    certificates(directory)
    (directory / "locked.yaml").write_text(locked_config(directory, {}))
    with ExitStack() as stack:
        state = ("--state-dir", str(directory / "state"))
        opened = Collector(directory / "open", *state)
        stack.callback(opened.kill)
        locked = Collector(directory / "locked", config=directory / "locked.yaml")
        stack.callback(locked.kill)
        doctors = Doctors("collector.cli", {})
        stack.callback(doctors.close)
        yield System(opened, locked, doctors, directory)


def certificates(directory: Path) -> None:
    """An authority, a server's certificate, another one's, and a client's."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    for name in ("server", "other"):
        issued = authority.issue_cert("collector.example")
        issued.private_key_pem.write_to_path(str(directory / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(directory / f"{name}.pem"))


def locked_config(directory: Path, at: dict[str, str], **tls: str) -> str:
    """TLS on both sides everywhere, a token for who pushes, a password for who scrapes."""
    files = {"cert_file": directory / "server.pem", "key_file": directory / "server.key"}
    files["client_ca_file"] = directory / "authority.pem"
    own = {**{key: str(file) for key, file in files.items()}, **tls}

    def server(name: str, asks: str) -> dict[str, Any]:
        endpoint = at.get(name, "127.0.0.1:0")
        return {"endpoint": endpoint, "tls": own, "auth": {"authenticator": asks}}

    config = yaml.safe_load(FILE.read_text())
    config["receivers"]["otlp"]["protocols"] = {
        "http": server("otlp_http", "bearertokenauth"),
        "grpc": server("otlp_grpc", "bearertokenauth"),
    }
    config["exporters"]["prometheus"].update(server("prometheus", "basicauth"))
    config["extensions"] = {
        "bearertokenauth": {"token": TOKEN},
        "basicauth": {"htpasswd": {"inline": f"u:{PASSWORD}"}},
    }
    config["service"]["extensions"] = ["bearertokenauth", "basicauth"]
    config["service"]["telemetry"] = {"metrics": {"level": "none"}}
    return yaml.safe_dump(config)


def test_a_collector_that_works_has_no_broken_hop(system: System) -> None:
    """Told as a table by the command itself; what it pushed is one gauge, under its own name."""
    done = subprocess.run(
        [sys.executable, "-m", "collector", "doctor"],
        cwd=ROOT,
        env={**os.environ, **system.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hops = [line.split("  ", 2)[::2] for line in done.stdout.splitlines()]
    assert [word.strip() for word, _ in hops] == ["ok"] * 6 + ["-", "ok", "-"]
    shown = [line for line in system.open.page().text.splitlines() if "/doctor" in line]
    names = {line.partition("{")[0] for line in shown}
    assert names == {"celery_telemetry_doctor_timestamp_seconds", "target_info"}


def test_locks_are_opened_with_what_the_file_says(system: System) -> None:
    """The token is the file's, the password the environment's; neither is told, nor asked twice."""
    file = system.locked_file()
    said = system.examine(*system.client, file=file, PORTLESS_DOCTOR_LOGIN=f"u:{PASSWORD}")
    assert all(hop["ok"] is not False for hop in said.hops.values()), said.out
    assert said.hops["metrics rules"]["ok"]
    unshown = system.examine(file=file)
    assert "give --client-cert" in unshown.hops["otlp http"]["what"]
    assert unshown.code == 0
    unasked = system.examine(*system.client, file=file)
    assert unasked.hops["prometheus page"]["ok"] is None
    assert "set PORTLESS_DOCTOR_LOGIN" in unasked.hops["prometheus page"]["what"]
    assert unasked.hops["metrics rules"]["ok"] is None
    for one in (said, unshown, unasked):
        assert not any(secret in one.out + one.err for secret in (TOKEN, PASSWORD))


def test_a_file_that_cannot_be_run_is_named(system: System, tmp_path: Path) -> None:
    """With the line that is wrong; a file that is not there, too."""
    file = system.written(lambda config: config["exporters"]["prometheus"].update(endpont=1))
    said = system.examine(file=file).broken
    assert said.startswith("config: ")
    assert "endpoint" in said
    assert system.examine(file=tmp_path / "none.yaml").broken.startswith("config: No such file")


def test_servers_that_are_elsewhere_are_named(system: System) -> None:
    """Each server of the file, where nothing listens or something else does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    at = system.open.addresses
    planted = [
        ("health: nothing listens", "HEALTH_ENDPOINT", nobody),
        ("health: what answers", "HEALTH_ENDPOINT", at["otlp_http"]),
        ("otlp http: nothing listens", "OTLP_HTTP_ENDPOINT", nobody),
        ("otlp http: what answers", "OTLP_HTTP_ENDPOINT", at["health_check"]),
        ("otlp http: no push gets to", "OTLP_HTTP_ENDPOINT", at["otlp_grpc"]),
        ("otlp grpc: nothing listens", "OTLP_GRPC_ENDPOINT", nobody),
        ("otlp grpc: no push gets to", "OTLP_GRPC_ENDPOINT", at["otlp_http"]),
        ("prometheus page: nothing listens", "PROMETHEUS_ENDPOINT", nobody),
        ("prometheus page: what stands at", "PROMETHEUS_ENDPOINT", at["health_check"]),
    ]
    for found, variable, address in planted:
        said = system.examine(**{variable: address}).broken
        assert said.startswith(found), said
        assert "collector with this file" in said


def test_locks_that_do_not_fit_are_named(system: System) -> None:
    """Another certificate than the file's, no TLS, another token; without a word of a secret."""
    other = {"cert_file": str(system.directory / "other.pem")}
    said = system.examine(*system.client, file=system.locked_file(**other)).broken
    assert said.startswith("otlp http: the certificate of")
    assert "is not the one in tls::cert_file" in said
    at = {**system.locked.addresses, "otlp_http": system.open.addresses["otlp_http"]}
    file = system.directory / "mixed.yaml"
    file.write_text(locked_config(system.directory, at))
    said = system.examine(*system.client, file=file).broken
    assert "does not speak TLS" in said
    file.write_text(system.locked_file().read_text().replace(TOKEN, "another-token"))
    told = system.examine(*system.client, file=file)
    assert told.broken.startswith("otlp http: ")
    assert "does not take the login" in told.broken
    assert "another-token" not in told.out + told.err


def test_rules_are_named_by_their_processor(system: System) -> None:
    """A label that is taken, a metric that is dropped, a tenant that stays."""

    def nameless(config: Any) -> None:
        config["processors"]["redaction"]["allowed_keys"].remove("task_name")

    def dropping(config: Any) -> None:
        rule = {"metrics": {"metric": ['IsMatch(name, "^celery.telemetry")']}}
        config["processors"]["filter"] = rule
        config["service"]["pipelines"]["metrics"]["processors"].insert(1, "filter")

    def leaking(config: Any) -> None:
        transform = config["processors"]["metrics_transform"]["transforms"][0]
        transform["operations"][0]["label_set"].append("tenant_id")  # the list of all, by reference
        config["processors"]["redaction"]["allowed_keys"].append("tenant_id")

    for change, found in (
        (nameless, "processors::redaction takes task_name away"),
        (dropping, "processors::filter drops the mark"),
        (leaking, "no rule takes tenant_id away"),
    ):
        said = system.examine(file=system.written(change)).broken
        assert said.startswith(f"metrics rules: {found}"), said


def test_a_collector_that_runs_another_file_is_named(system: System, tmp_path: Path) -> None:
    """The file keeps task_name since yesterday, the collector was started the day before."""
    config = yaml.safe_load(FILE.read_text())
    config["processors"]["redaction"]["allowed_keys"].remove("task_name")
    file = tmp_path / "old.yaml"
    file.write_text(yaml.safe_dump(config))
    old = Collector(tmp_path, config=file)
    try:
        said = System(old, old, system.doctors, tmp_path).examine().broken
    finally:
        old.kill()
    assert said.startswith("metrics rules: ")
    assert "what runs follows another file" in said
    assert "restart the collector with this file" in said


def test_a_clock_that_is_wrong_is_named(system: System) -> None:
    """The collector's, as this machine sees it."""
    said = system.examine(ahead=-90.0).broken
    assert said.startswith("otlp http: the clock of")
    assert re.search(r"is \+\d\d s from this machine's", said)


def test_a_state_directory_that_nobody_uses_is_named(system: System, tmp_path: Path) -> None:
    """The collector's own is ok; one of nobody's, one that is not there, one that is read-only."""
    right = system.examine("--state-dir", str(system.directory / "state"))
    assert right.hops["state"]["ok"], right.out
    (tmp_path / "unused" / "metrics").mkdir(parents=True)
    (tmp_path / "unused" / "metrics" / "lock").touch()
    for path, found in (
        (tmp_path / "unused", "state: no running collector uses"),
        (tmp_path / "none", "state: there is no directory"),
        ("/proc/self", "state: /proc/self cannot be written"),  # by nobody, root neither
    ):
        said = system.examine("--state-dir", str(path)).broken
        assert said.startswith(found), said


def test_a_limit_that_refuses_is_named(system: System, tmp_path: Path) -> None:
    """A collector that is full has no room for the mark."""
    full = Collector(tmp_path, "--max-streams", "1")
    try:
        there = System(full, full, system.doctors, tmp_path)
        push_one(full)
        said = there.examine().broken
    finally:
        full.kill()
    assert said.startswith("otlp http: ")
    assert "refused the mark" in said
    assert "--max-streams" in said


def test_points_that_are_refused_meanwhile_are_named(system: System) -> None:
    """By their reason, while somebody pushes what cannot be counted."""
    ending = threading.Event()

    def push() -> None:
        while not ending.wait(0.05):
            push_one(system.open, sum={"dataPoints": [{"asDouble": 1}], "isMonotonic": True})

    pushing = threading.Thread(target=push)
    pushing.start()
    try:
        said = system.examine().broken
    finally:
        ending.set()
        pushing.join()
    assert said.startswith("refusals: points are being refused: unspecified_temporality")
    assert "docs/operate.md" in said


def push_one(collector: Collector, **data: Any) -> None:
    """A stream of somebody's, a gauge unless it is something else."""
    metric = {"name": "a", **(data or {"gauge": {"dataPoints": [{"asDouble": 1}]}})}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    headers = {"Content-Type": "application/json"}
    address = f"{collector.endpoint}/v1/metrics"
    requests.post(address, json.dumps(body), headers=headers, timeout=10).raise_for_status()


@needs_prometheus
def test_prometheus_is_asked(system: System, tmp_path: Path) -> None:
    """All is ok; labels of its own; a job of another name; an interval beyond the expiration."""
    job: dict[str, Any] = {"job_name": "celery", "honor_labels": True}
    job["static_configs"] = [{"targets": [system.open.addresses["prometheus"]]}]
    short = system.written(
        lambda config: config["exporters"]["prometheus"].update(metric_expiration="1s")
    )
    planted: list[tuple[dict[str, Any], str, str]] = [
        ({}, "scrapes every 1 s, and metric_expiration", "scrape_interval shorter"),
        ({"honor_labels": False}, "put its own job and instance", "honor_labels: true"),
        ({"job_name": "workers"}, "none that rules and dashboards select", "--jobs"),
    ]
    every = {"scrape_interval": "1s"}
    configs = [{"global": every, "scrape_configs": [{**job, **one}]} for one, *_ in planted]
    with ExitStack() as stack:
        running = several(stack, tmp_path, configs)
        right = system.examine("--prometheus", running[0].url)
        assert right.hops["prometheus scrape"]["ok"], right.out
        for (changes, found, fix), one in zip(planted, running):
            said = system.examine("--prometheus", one.url, file=FILE if changes else short)
            assert said.broken.startswith("prometheus scrape: ")
            assert found in said.broken
            assert fix in said.broken


@needs_otelcol
def test_the_real_collector_is_examined_likewise(system: System, tmp_path: Path) -> None:
    """It runs the same file, behind its batch processor; and a hop of it is broken."""
    ports = {}
    for variable in (*VARIABLES.values(), "SELF_METRICS_PORT"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        ports[variable] = f"{port}" if variable == "SELF_METRICS_PORT" else f"127.0.0.1:{port}"
    with (tmp_path / "otelcol.log").open("wb") as log:
        real = subprocess.Popen(
            [OTELCOL, f"--config={FILE}"],
            env={**os.environ, **ports},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        said = system.examine("--wait", "30", **ports)
        while "nothing listens" in said.out and real.poll() is None:
            said = system.examine("--wait", "30", **ports)
        assert all(hop["ok"] is not False for hop in said.hops.values()), said.out
        assert said.hops["metrics rules"]["ok"]
        swapped = {**ports, "OTLP_HTTP_ENDPOINT": ports["OTLP_GRPC_ENDPOINT"]}
        assert system.examine(**swapped).broken.startswith("otlp http: no push gets to")
        swapped = {**ports, "OTLP_GRPC_ENDPOINT": ports["OTLP_HTTP_ENDPOINT"]}
        assert system.examine(**swapped).broken.startswith("otlp grpc: no push gets to")
    finally:
        real.terminate()
        real.wait(60)
