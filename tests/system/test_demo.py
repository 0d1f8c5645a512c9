"""`python -m demo` as a stranger runs it: it ends by itself, balances, and leaves nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from demo.account import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0
"""A guard against waiting for ever, not a promise."""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory for temporary files that is nobody else's: it marks all processes of a demo.

    Directly below the system's, since the path to the database is opened to another OS user.
    """
    made = Path(tempfile.mkdtemp(prefix="test-"))
    yield made
    shutil.rmtree(made)


class Demo:
    """A demo that runs, with what it has said so far."""

    def __init__(self, directory: Path, seconds: int) -> None:
        self._output = directory / "output"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo", "--seconds", str(seconds)],
                cwd=ROOT,
                env=os.environ | {"TMPDIR": str(directory)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """Its output."""
        return self._output.read_text()

    def wait_for(self, words: str) -> None:
        """Wait until it says something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def ended(self) -> int:
        """Its exit code, when it has one."""
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def demo(directory: Path, seconds: int) -> Iterator[Demo]:
    """Start a demo; whatever becomes of the test, it ends with the block."""
    started = Demo(directory, seconds)
    try:
        yield started
    finally:
        started.process.send_signal(signal.SIGINT)
        started.process.send_signal(signal.SIGTERM)  # the second one ends it at once
        started.process.wait(PATIENCE_SECONDS)


def left(directory: Path) -> list[str]:
    """Processes that belong to a demo, by their command line or the environment they inherited."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue  # ended, and init has not looked yet
            marks = [*process.cmdline(), process.environ().get("TMPDIR", "")]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(directory) in mark for mark in marks):
            found.append(" ".join(process.cmdline()))
    return found


def is_clean(directory: Path) -> bool:
    """Whether its working directory is gone, database, logs and all."""
    return not list(directory.glob("portless-demo-*"))


def test_a_run_ends_by_itself_and_balances(directory: Path) -> None:
    """Every outcome happened, to the last task, nothing listened, no tenant came out."""
    with demo(directory, seconds=15) as run:
        run.wait_for("traffic for 15 s")
        assert len(left(directory)) > 8, "the search for processes finds them while they are there"
        assert run.ended() == 0, run.said()
    account = run.said().partition("The account:")[2]
    assert "The account balances." in account
    assert "SIGKILL for maintenance@demo" in run.said()
    assert re.search(r"sockets on which one of \d+ worker processes listened: none", account)
    assert "tenants named behind the collector: none" in account
    assert set(account.split("\n")[2].split()) == {"task", *OUTCOMES}
    assert left(directory) == []
    assert is_clean(directory)


def test_ctrl_c_at_the_start_leaves_nothing(directory: Path) -> None:
    """Whoever changes their mind gets their machine back, with one line."""
    with demo(directory, seconds=15) as run:
        run.wait_for("worker 1 of")
        run.process.send_signal(signal.SIGINT)
        assert run.ended() == 130
    assert run.said().splitlines()[-1] == "Interrupted; everything has been ended."
    assert left(directory) == []
    assert is_clean(directory)


def test_ctrl_c_ends_the_traffic_and_the_account_is_drawn_up(directory: Path) -> None:
    """However short it was, what has happened balances."""
    with demo(directory, seconds=0) as run:
        run.wait_for("tasks/s; success")
        run.process.send_signal(signal.SIGINT)
        assert run.ended() == 0, run.said()
    assert "The account balances." in run.said()
    assert left(directory) == []
    assert is_clean(directory)


def test_a_part_that_dies_is_named_and_takes_the_rest_along(directory: Path) -> None:
    """One clear line, the last ones of its log, exit code 1, no process left."""
    with demo(directory, seconds=60) as run:
        run.wait_for("traffic for 60 s")
        (collector,) = (
            child
            for child in psutil.Process(run.process.pid).children()
            if "collector" in child.cmdline()
        )
        collector.kill()
        assert run.ended() == 1
    assert "collector has ended (by SIGKILL). Everything else has been ended, too." in run.said()
    assert "ready: otlp_http" in run.said(), "the tail of its log"
    assert "Traceback" not in run.said()
    assert left(directory) == []
