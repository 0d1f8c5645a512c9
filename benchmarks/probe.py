"""What a probe takes, from its start to its exit code, side by side with what others run instead.

Each command is timed in turn, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import least
from benchmarks.table import Table
from telemetry.health import state_file
from tests.support.health import well

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
        environ = {"PORTLESS_STATE_DIR": directory, "PYTHONPATH": directory}
        took = least(commands, 3 if short else 15, environ)
    base = took["python -c pass"].wall
    return [Row(what, each.wall * 1000, each.wall / base) for what, each in took.items()]


def _write(directory: str) -> None:
    """A worker's file; the worker is this process."""
    state_file.write(state_file.path_of(directory, "w@lab"), well())
