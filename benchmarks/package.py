"""What the package costs whoever calls its command or imports it, from start to end.

The environment's interpreter runs all of them, so what it takes to start at all stands there too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands import least
from benchmarks.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCRIPTS = Path(sys.executable).parent
EMPTY = "python -c pass"
COMMANDS: dict[str, Sequence[str]] = {
    EMPTY: (sys.executable, "-c", "pass"),
    "import telemetry": (sys.executable, "-c", "import telemetry"),
    "import celery": (sys.executable, "-c", "import celery"),
    "import opentelemetry.sdk.metrics": (sys.executable, "-c", "import opentelemetry.sdk.metrics"),
    "portless --help": (str(SCRIPTS / "portless"), "--help"),
    "portless-collector --help": (str(SCRIPTS / "portless-collector"), "--help"),
    "celery --help": (str(SCRIPTS / "celery"), "--help"),
}
GOALS = {"import telemetry": "below 50 ms added", "portless --help": "below 150 ms"}


def table(short: bool) -> Table:
    """Measure; a short run takes a fifth of the time."""
    return Table(
        "The package's commands and its import, each a process",
        ("command", "CPU, ms", "added to an empty interpreter", "wall clock, ms", "goal"),
        _rows(3 if short else 15),
    )


def _rows(times: int) -> Iterator[Sequence[str]]:
    took = least(COMMANDS, times, {})
    for what, (wall, cpu) in took.items():
        added = (cpu - took[EMPTY].cpu) * 1000
        yield what, f"{cpu * 1000:.0f}", f"{added:.0f}", f"{wall * 1000:.0f}", GOALS.get(what, "")
