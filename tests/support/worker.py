"""Commands as users start them, in a process of their own; above all `celery -A … worker`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0
"""Generous: a loaded machine takes its time to import Celery."""


class Command:
    """A running command; `stop` or `kill` ends it."""

    def __init__(self, command: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout_seconds: float = 60.0) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout_seconds)

    def tree(self) -> list[psutil.Process]:
        """Its processes: the main one and the pool's."""
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def kill(self) -> None:
        """End it and its pool whatever they do; does nothing if it has ended."""
        if self.process.poll() is None:
            for process in reversed(self.tree()):
                process.kill()
            self.process.wait()

    def wait_for(self, done: object, timeout_seconds: float = 60.0) -> None:
        """Until `done()` is true; fails with the log if that never happens or the worker ends."""
        deadline = time.monotonic() + timeout_seconds
        while not done():  # type: ignore[operator]
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                what = "the process ended" if ended else "it did not happen in time"
                raise AssertionError(f"{what}:\n{self.log.read_text()[-5000:]}")
            time.sleep(0.05)


class Worker(Command):
    """A running worker."""

    def __init__(
        self, pool: str, log: Path, environ: Mapping[str, str], *options: str, name: str = "one"
    ) -> None:
        self.node_name = f"{name}@lab"
        command = [sys.executable, "-m", "celery", "-A", "tests.support.app", "worker"]
        command += ["-P", pool, "-n", self.node_name, "-l", "INFO", "-c", "2", *options]
        super().__init__(command, log, environ)

    def ready(self) -> Worker:
        """Wait until it consumes."""
        self.wait_for(lambda: " ready." in self.log.read_text(), READY_SECONDS)
        return self
