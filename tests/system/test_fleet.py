"""The real Collector on many machines: two agents, two gateways, a Prometheus to write to."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.prometheus import needs_prometheus, prometheus
from tests.support.worker import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.system.conftest import Lab

FILES = Path(__file__).parents[2] / "deploy" / "otelcol"
COLLECTOR = os.environ.get("OTELCOL", "")
pytestmark = [
    needs_prometheus,
    pytest.mark.skipif(not COLLECTOR, reason="OTELCOL names no collector: `.ci/run` builds one"),
]
RECEIVES = "--web.enable-remote-write-receiver"


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Fleet:
    """Collectors with the files of deploy/, TLS and a token between them."""

    def __init__(self, directory: Path, remote_write: str) -> None:
        self._directory = directory
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(directory / "ca.crt"))
        server = authority.issue_cert("127.0.0.1")
        server.cert_chain_pems[0].write_to_path(str(directory / "tls.crt"))
        server.private_key_pem.write_to_path(str(directory / "tls.key"))
        (directory / "token").write_text("a-token\n")
        self._remote_write = remote_write
        self._ports = [free_port(), free_port()]
        self._running: list[Command] = []
        self.gateways = [self._gateway(0), self._gateway(1)]
        self.agents = [self._agent(), self._agent()]

    @contextmanager
    def without(self, which: int) -> Iterator[None]:
        """Kill a gateway; after the `with` block another is in its place, which knows nothing."""
        self.gateways[which].kill()
        yield
        self.gateways[which] = self._gateway(which)

    def _gateway(self, which: int) -> Command:
        return self._run(
            "gateway.yaml",
            OTLP_GRPC_ENDPOINT=f"127.0.0.1:{self._ports[which]}",
            AGENT_TOKENS_FILE=str(self._directory / "token"),
            TLS_CERT=str(self._directory / "tls.crt"),
            TLS_KEY=str(self._directory / "tls.key"),
            REMOTE_WRITE_ENDPOINT=self._remote_write,
        )

    def _agent(self) -> str:
        """Start one; where to push."""
        port = free_port()
        gateways = ", ".join(f"127.0.0.1:{port}" for port in self._ports)
        self._run(
            "agent.yaml",
            # Names that a DNS would tell; here the gateways differ in their ports.
            "--config=yaml:exporters::load_balancing::resolver: "
            f"{{dns: null, static: {{hostnames: [{gateways}]}}}}",
            OTLP_HTTP_ENDPOINT=f"127.0.0.1:{port}",
            OTLP_GRPC_ENDPOINT="127.0.0.1:0",
            GATEWAY_CA=str(self._directory / "ca.crt"),
            GATEWAY_TOKEN_FILE=str(self._directory / "token"),
        )
        return f"http://127.0.0.1:{port}"

    def _run(self, config: str, *options: str, **environ: str) -> Command:
        log = self._directory / f"{len(self._running)}-{config}.log"
        ports: Mapping[str, str] = {
            "HEALTH_ENDPOINT": "127.0.0.1:0",
            "SELF_METRICS_PORT": str(free_port()),
        }
        command = [COLLECTOR, f"--config={FILES / config}", *options]
        started = Command(command, log, {**ports, **environ})
        self._running.append(started)
        started.wait_for(lambda: "Everything is ready" in log.read_text())
        return started

    def close(self) -> None:
        """End all of them."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGKILL)
                running.process.wait()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Whatever has to end with the test."""
    with ExitStack() as made:
        yield made


def test_a_killed_gateway_costs_nothing(lab: Lab, tmp_path: Path, stack: ExitStack) -> None:
    """Each of two gateways dies while tasks run; sums are right, and no tenant is named.

    A gateway that takes over knows nothing, and goes on from the totals that workers send. If the
    streams of one worker met on two gateways, both would write its series, and the sums be wrong.
    """
    watching = stack.enter_context(prometheus(tmp_path, {}, RECEIVES))
    fleet = Fleet(tmp_path, f"http://127.0.0.1:{watching.port}/api/v1/write")
    stack.callback(fleet.close)
    workers = [
        lab.worker("prefork", name=name, OTEL_EXPORTER_OTLP_ENDPOINT=agent)
        for name, agent in zip(("one", "two"), fleet.agents)
    ]

    def told(metric: str, number: float) -> bool:
        sums = watching.query(f"sum({metric})")
        return [value for _, value in sums] == [number]

    published = 0
    for dying in (None, 0, 1):
        published += 30
        with nullcontext() if dying is None else fleet.without(dying):
            lab.publish(["ok", 30])
            workers[0].wait_for(lambda number=published: lab.executions().total() == number)
        for metric in ("celery_task_success_total", "lab_orders_total", "lab_amount_EUR_count"):
            watching.wait_for(
                lambda metric=metric, number=published: told(metric, number),
                f"{metric} {published}",
            )
    instances = {labels["instance"] for labels, _ in watching.query("lab_orders_total")}
    assert len(instances) == 4
    amounts = lab.by_tenant("sum(amount)")
    assert len(amounts) > 1
    ((_, amount),) = watching.query("sum(lab_amount_EUR_sum)")
    assert amount == pytest.approx(sum(amounts.values()))
    for name in watching.get("labels"):
        assert name != "tenant_id"
        assert not set(watching.get(f"label/{name}/values")) & set(amounts)
    for worker in workers:
        worker.stop()
