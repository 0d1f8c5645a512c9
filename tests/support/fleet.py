"""Agents and gateways of deploy/otelcol on loopback, with TLS and a token between them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from tests.support.brokers import free_port
from tests.support.worker import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parents[2] / "deploy" / "otelcol"


class Agent:
    """A running agent."""

    def __init__(self, command: Command, port: int) -> None:
        self.command = command
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        """Where workers push."""


class Fleet:
    """As many agents as gateways, which write to one store; `close` ends them."""

    def __init__(
        self, collector: str, directory: Path, remote_write: str, count: int, **environ: str
    ) -> None:
        self._collector = collector
        self._directory = directory
        self._environ = environ
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(directory / "ca.crt"))
        server = authority.issue_cert("127.0.0.1")
        server.cert_chain_pems[0].write_to_path(str(directory / "tls.crt"))
        server.private_key_pem.write_to_path(str(directory / "tls.key"))
        (directory / "token").write_text("a-token\n")
        self._remote_write = remote_write
        self._ports = [free_port() for _ in range(count)]
        self._running: list[Command] = []
        try:
            self.gateways = [self._gateway(which) for which in range(count)]
            self.agents = [self._agent() for _ in range(count)]
        except BaseException:
            self.close()
            raise

    @contextmanager
    def without(self, which: int) -> Iterator[None]:
        """Kill a gateway; after the `with` block another is in its place, which knows nothing."""
        self.gateways[which].kill()
        yield
        self.gateways[which] = self._gateway(which)

    def close(self) -> None:
        """End all of them."""
        for running in self._running:
            running.kill()

    def _gateway(self, which: int) -> Command:
        return self._run(
            "gateway.yaml",
            OTLP_GRPC_ENDPOINT=f"127.0.0.1:{self._ports[which]}",
            AGENT_TOKENS_FILE=str(self._directory / "token"),
            TLS_CERT=str(self._directory / "tls.crt"),
            TLS_KEY=str(self._directory / "tls.key"),
            REMOTE_WRITE_ENDPOINT=self._remote_write,
        )

    def _agent(self) -> Agent:
        port = free_port()
        gateways = ", ".join(f"127.0.0.1:{port}" for port in self._ports)
        command = self._run(
            "agent.yaml",
            # Names that a DNS would tell; here the gateways differ in their ports.
            "--config=yaml:exporters::load_balancing::resolver: "
            f"{{dns: null, static: {{hostnames: [{gateways}]}}}}",
            OTLP_HTTP_ENDPOINT=f"127.0.0.1:{port}",
            OTLP_GRPC_ENDPOINT="127.0.0.1:0",
            GATEWAY_CA=str(self._directory / "ca.crt"),
            GATEWAY_TOKEN_FILE=str(self._directory / "token"),
        )
        return Agent(command, port)

    def _run(self, config: str, *options: str, **environ: str) -> Command:
        log = self._directory / f"{len(self._running)}-{config}.log"
        own = {
            "HEALTH_ENDPOINT": "127.0.0.1:0",
            "SELF_METRICS_PORT": str(free_port()),
            "WRITE_INTERVAL": "300ms",
        }
        command = [self._collector, f"--config={FILES / config}", *options]
        started = Command(command, log, {**own, **self._environ, **environ})
        self._running.append(started)
        started.wait_for(lambda: "Everything is ready" in log.read_text())
        return started
