"""A real Prometheus for a test, on a free port, with its storage in a directory of its own."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import ExitStack

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules"
PATIENCE_SECONDS = 60.0
"""A guard against waiting for ever, not a promise."""
NEWER = os.environ.get("PROMETHEUS", "")
"""A newer one's binary, as `benchmarks/peers/build.sh prometheus` builds it."""
BINARIES = {
    name: binary
    for name, binary in (("installed", "prometheus"), ("newer", NEWER))
    if binary and shutil.which(binary)
}

assert not NEWER or "newer" in BINARIES, f"PROMETHEUS names no program: {NEWER}"
needs_prometheus = pytest.mark.skipif(not BINARIES, reason="prometheus is not installed")
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed"
)


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API; fails with what it says against the question."""
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}") as answer:
                return json.load(answer)["data"]
        except HTTPError as refused:
            raise AssertionError(f"{parameters}: {refused.read().decode()}") from None

    def is_up(self) -> bool:
        """Whether it is ready to be asked."""
        try:
            urlopen(f"{self.url}/-/ready").close()
        except URLError:  # also its 503 while it starts
            return False
        return True

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What an expression gives now, as labels and values."""
        result = self.get("query", query=expression)["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def has_samples(self, expression: str) -> bool:
        """Whether an expression gives a number now."""
        return any(not math.isnan(value) for _, value in self.query(expression))

    def scraping(self) -> Prometheus:
        """Wait until it knows what to scrape."""
        self.wait_for(lambda: self.get("targets")["activeTargets"], "a target")
        return self

    def wait_for(self, condition: Any, what: str) -> None:
        """Until `condition()` is true; fails where that never happens."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"it never happened: {what}"
            time.sleep(0.2)


@contextmanager
def prometheus(
    directory: Path, config: Mapping[str, Any], *options: str, binary: str = ""
) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration, and options of its command line.

    The binary is one of BINARIES; without it the installed one, where there is one.
    """
    (directory / "prometheus.yml").write_text(yaml.safe_dump(dict(config)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = directory / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                binary or next(iter(BINARIES.values())),
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                *options,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        started = Prometheus(port)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not started.is_up():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield started
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def several(
    stack: ExitStack, directory: Path, configs: Sequence[Mapping[str, Any]]
) -> list[Prometheus]:
    """Run as many as there are configurations, at once: what one is told no other sees."""
    running = []
    for number, config in enumerate(configs):
        (directory / f"{number}").mkdir()
        running.append(stack.enter_context(prometheus(directory / f"{number}", config)))
    return [one.scraping() for one in running]
