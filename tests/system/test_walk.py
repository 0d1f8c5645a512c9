"""The walk of a page: its consoles, one after the other in one shell, in a directory of their own.

`console walks` is a piece of the walk, and `console walks PROGRAM` one that goes only where the
program is installed; `python is NAME` is a file that lies there. A command with lines below it is
said again until it prints them, as a person would; one that ends with & runs on.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.brokers import free_port
from tests.support.pages import BLOCKS, ROOT, Block, blocks, is_printed, named, steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 60.0
PORTS = ("9464", "9090")
"""Those that pages name; each is a free one here."""


class Shell:
    """A shell that is told commands, and whose output is read."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self._log = directory / "walk.log"
        self._said = 0
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "--norc"],
                cwd=directory,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._say("set -m")

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def run(self, command: str, lines: list[str]) -> None:
        """Run a command; its lines are waited for."""
        begin = self._log.stat().st_size
        until = time.monotonic() + PATIENCE_SECONDS
        stays = command.endswith("&")
        code = self._done(command, begin)
        assert stays or lines or code == 0, self._output(begin)
        while not all(is_printed(line, self._output(begin)) for line in lines):
            assert time.monotonic() < until, (command, lines, self._output(begin))
            time.sleep(0.2)
            if not stays:
                begin = self._log.stat().st_size
                self._done(command, begin)

    def _done(self, command: str, begin: int) -> int:
        """Say a command and wait until the shell has done it; its exit code."""
        self._said += 1
        self._say(command)
        self._say(f"echo said {self._said}: $?")
        until = time.monotonic() + PATIENCE_SECONDS
        while not (
            found := re.search(rf"^said {self._said}: (\d+)$", self._output(begin), re.MULTILINE)
        ):
            assert time.monotonic() < until, (command, self._output(begin))
            time.sleep(0.05)
        return int(found[1])

    def _output(self, begin: int) -> str:
        return self._log.read_bytes()[begin:].decode()

    def jobs(self) -> list[int]:
        """The processes that run on, by number."""
        begin = self._log.stat().st_size
        self._done("jobs -rp", begin)
        return [int(word) for word in re.findall(r"^(\d+)$", self._output(begin), re.MULTILINE)]

    def end(self) -> None:
        """End what still runs, and the shell."""
        for group in self.jobs():  # under `set -m` each job is a group
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)


def pieces(page: Path) -> list[Block]:
    """The consoles of a page's walk that go here."""
    found = []
    for block in blocks(page):
        word, *programs = block.what.split() or [""]
        if block.language == "console" and word == "walks" and all(map(shutil.which, programs)):
            found.append(block)
    return found


@pytest.fixture
def ports() -> dict[str, str]:
    """A free port for each that pages name."""
    return {port: str(free_port()) for port in PORTS}


@pytest.fixture
def directory(tmp_path: Path, ports: dict[str, str]) -> Path:
    """Where the reader would be: a directory below the repository's, as far as a walk uses it."""
    shutil.copy(ROOT / "otel-collector.yaml", tmp_path)
    shutil.copytree(ROOT / "deploy/prometheus", tmp_path / "deploy/prometheus")
    config = tmp_path / "deploy/prometheus/prometheus.yml"
    text = config.read_text().replace("9464", ports["9464"]).replace("15s", "1s")
    config.write_text(text)
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


@pytest.fixture
def shell(directory: Path, ports: dict[str, str]) -> Iterator[Shell]:
    """A shell there, with the programs of this environment and ports that are free."""
    otlp = free_port()
    state = directory.parent / "state"
    state.mkdir(mode=0o700)
    running = Shell(
        directory,
        os.environ
        | {
            "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",  # noqa: PTH120 - a link
            "PYTHONPATH": f"{ROOT}",
            "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{otlp}",
            "OTLP_GRPC_ENDPOINT": "127.0.0.1:0",
            "PROMETHEUS_ENDPOINT": f"127.0.0.1:{ports['9464']}",
            "HEALTH_ENDPOINT": "127.0.0.1:0",
            "SELF_METRICS_PORT": str(free_port()),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "XDG_RUNTIME_DIR": str(state),
        },
    )
    yield running
    running.end()


@pytest.mark.parametrize(
    "page", sorted({each.page for each in BLOCKS if each.what.startswith("walks")}), ids=named
)
def test_a_walk_can_be_walked(
    page: Path, shell: Shell, directory: Path, ports: dict[str, str]
) -> None:
    """Each command of a page's walk does what the page says, and at the end nothing runs on."""
    for block in blocks(page):
        word, _, name = block.what.partition(" ")
        if word == "is":
            (directory / name).write_text(block.text)
    for block in pieces(page):
        for command, lines in steps(block):
            for port, free in ports.items():
                command = command.replace(f":{port}", f":{free}")  # noqa: PLW2901 - the same command
            shell.run(command, lines)
    assert not shell.jobs()
