"""What commands take from their start to their end, in turns, with everything compiled."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS_MAX = 60


class Least(NamedTuple):
    """The least of some runs: what is left when nobody is in its way."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, of the command and of whatever it ran itself."""


def least(
    commands: Mapping[str, Sequence[str]], times: int, environ: Mapping[str, str]
) -> dict[str, Least]:
    """Run each as often, by turns, and return the least of each.

    Each runs once before, so that its modules are compiled as those of an installed package are.
    """
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, **environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in commands.values():
            _run(command, environment)
        took: dict[str, list[Least]] = {what: [] for what in commands}
        for _ in range(times):
            for what, command in commands.items():
                took[what].append(_run(command, environment))
    return {what: Least(*map(min, zip(*runs))) for what, runs in took.items()}


def _run(command: Sequence[str], environ: Mapping[str, str]) -> Least:
    begun, spent = time.perf_counter(), _children()
    subprocess.run(command, env=environ, capture_output=True, timeout=SECONDS_MAX, check=False)
    return Least(time.perf_counter() - begun, _children() - spent)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
