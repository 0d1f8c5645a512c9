"""The engines that can run our YAML, behind one interface: run it, or say why it is refused.

There are three: the engine in this process, the embedded collector as a program, and the
OpenTelemetry Collector as a program if somebody has its binary. None of them is told here what it
should answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.conformance.cases import ROOT, Case, Dialect, Form, Request
from tests.conformance.in_process import InProcess
from tests.conformance.served import serve

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Running(Protocol):
    """An engine while it runs one configuration; it keeps its state from call to call."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""

    def post(self, request: Request) -> str:
        """Send a request; the status of its answer, when whatever it changes can be read."""

    def scrape(self, form: Form) -> str:
        """The exposition."""


class Engine(Protocol):
    """Something that runs our YAML."""

    @property
    def name(self) -> str:
        """What it is called in a test's name."""

    @property
    def dialect(self) -> Dialect:
        """Whose answers it must give."""

    def cannot(self, case: Case) -> str | None:
        """Why it cannot run a case; None where it can."""

    def run(self, case: Case) -> AbstractContextManager[Running]:
        """The engine with a case's configuration and nothing recorded yet."""

    def complain(self, config: Path) -> str | None:
        """What it says against a configuration; None where it takes it."""


@dataclass(frozen=True)
class Program:
    """A collector that is started with `RUN… CONFIG` and asked with `VALIDATE… CONFIG`."""

    name: str
    dialect: Dialect
    runs: tuple[str, ...]
    validates: tuple[str, ...]
    batches: bool

    def cannot(self, case: Case) -> str | None:
        if not self.runs[0]:
            return "the environment variable OTELCOL names no OpenTelemetry Collector"
        if case.moves_the_clock:
            return "minutes pass in it, and the clock of a program cannot be set"
        return None

    def run(self, case: Case) -> AbstractContextManager[Running]:
        batches = self.batches and "batch" in case.config.read_text()
        runs = self.runs
        if case.max_streams and self.dialect is Dialect.OURS:
            runs = (*runs[:-1], "--max-streams", str(case.max_streams), *runs[-1:])
        return serve(runs, case.config, batches=batches)

    def complain(self, config: Path) -> str | None:
        ended = subprocess.run(
            [*self.validates, config.name],
            cwd=config.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.stderr if ended.returncode else None


def all_engines(otelcol: str) -> list[Engine]:
    """The three engines; `otelcol` is a path, or empty where there is none."""
    ours = (sys.executable, "-m", "collector")
    theirs = str(Path(otelcol).absolute()) if otelcol else ""
    return [
        InProcess(),
        Program(
            name="collector",
            dialect=Dialect.OURS,
            runs=(*ours, "run", "--config"),
            validates=(*ours, "validate", "--config"),
            batches=False,
        ),
        Program(
            name="otelcol",
            dialect=Dialect.OTELCOL,
            runs=(theirs, "--config"),
            validates=(theirs, "validate", "--config"),
            batches=True,
        ),
    ]
