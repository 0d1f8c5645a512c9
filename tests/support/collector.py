"""The embedded collector as users start it: in a process of its own, on ports that are free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from demo.scrape import Page, fetch
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

READY_SECONDS = 60.0
_ANY_PORT = {
    "OTLP_GRPC_ENDPOINT": "127.0.0.1:0",
    "OTLP_HTTP_ENDPOINT": "127.0.0.1:0",
    "PROMETHEUS_ENDPOINT": "127.0.0.1:0",
    "HEALTH_ENDPOINT": "127.0.0.1:0",
    "SELF_METRICS_PORT": "0",
}


class Collector:
    """A running collector; one that was killed is another object when it is started again."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        config: Path = ROOT / "otel-collector.yaml",
        **environ: str,
    ) -> None:
        ports = directory / "ports.json"
        ports.unlink(missing_ok=True)
        self.log = directory / "collector.log"
        command = [sys.executable, "-m", "collector", "run"]
        command += ["--config", str(config), "--ports-file", str(ports)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *arguments],
                cwd=ROOT,
                env={**os.environ, **_ANY_PORT, **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not ports.exists():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"it did not come up:\n{self.log.read_text()[-5000:]}")
            time.sleep(0.05)
        self.addresses: dict[str, str] = json.loads(ports.read_text())
        """By the names of its servers."""

    @property
    def endpoint(self) -> str:
        """Where to push."""
        return f"http://{self.addresses['otlp_http']}"

    @property
    def port(self) -> int:
        """The port of `endpoint`."""
        return int(self.addresses["otlp_http"].rpartition(":")[2])

    @property
    def page_url(self) -> str:
        """The page for browsers, of a collector with `--page`."""
        return f"http://{self.addresses['page']}/"

    def page(self) -> Page:
        """What Prometheus would read now. Raises OSError."""
        return fetch(f"http://{self.addresses['prometheus']}/metrics")

    def kill(self) -> None:
        """End it at once; does nothing if it has ended."""
        self.process.kill()
        self.process.wait()
