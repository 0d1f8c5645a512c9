"""What a probe takes, from its start to its exit code, side by side with what others run instead.

Each command is timed in turn, so that whatever else the machine does meets all of them. The least
of each is reported: a probe's own cost is what is left when nobody is in its way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import Table
from telemetry.health import state as states
from telemetry.health import state_file

APP = "from celery import Celery; app = Celery('a', broker='memory://')\n"


class Row(NamedTuple):
    """One command."""

    what: str
    milliseconds: float
    ratio: float
    """To an interpreter that does nothing."""


def table(short: bool) -> Table:
    """Measure; see `measure`."""
    return Table(
        "A probe of a worker, from its start to its exit code",
        ("command", "ms", "to an empty interpreter"),
        ((row.what, f"{row.milliseconds:.0f}", f"{row.ratio:.1f}") for row in measure(short=short)),
    )


def measure(*, short: bool) -> list[Row]:
    """Time a probe, an interpreter that does nothing, and `celery inspect ping`."""
    with tempfile.TemporaryDirectory() as directory:
        _write(directory)
        (Path(directory) / "app.py").write_text(APP)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "portless health live": [
                sys.executable,
                "-m",
                "telemetry",
                "health",
                "live",
                "--max-age",
                "600",
            ],
            "celery inspect ping": [
                *(sys.executable, "-m", "celery", "-A", "app"),
                *("inspect", "ping", "--timeout", "0.01"),
            ],
        }
        times: dict[str, list[float]] = {what: [] for what in commands}
        for _ in range(3 if short else 15):
            for what, command in commands.items():
                times[what].append(_run(command, directory))
    least = {what: min(found) for what, found in times.items()}
    base = least["python -c pass"]
    return [Row(what, took * 1000, took / base) for what, took in least.items()]


def _write(directory: str) -> None:
    """A worker's file; the worker is this process."""
    now = time.monotonic()
    state = states.State(
        node="w@bench",
        pid=os.getpid(),
        started=time.time(),
        written=now,
        phase=states.CONSUMING,
        since=now,
        turned=now,
        handing=None,
        queues=1,
        canary=states.NO_CANARY,
        canary_seconds=None,
        exports=True,
    )
    state_file.write(state_file.path_of(directory, "w@bench"), state)


def _run(command: list[str], directory: str) -> float:
    environment = os.environ | {"PORTLESS_STATE_DIR": directory, "PYTHONPATH": directory}
    begun = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    return time.perf_counter() - begun
