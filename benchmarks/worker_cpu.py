"""CPU that observing adds to a worker's main process, per task: ours, SDK instruments, contrib's.

Modes alternate within one run, so that whatever else the machine does meets all of them; the median
of each is reported, and its difference to a worker that nobody observes.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from typing import NamedTuple

from benchmarks.collectors import ours, serving
from benchmarks.table import Table

MODES = ("none", "portless", "sdk", "instrumentation")


class Row(NamedTuple):
    """What one way of observing costs in one pool."""

    pool: str
    mode: str
    microseconds: float
    added: float


def table(short: bool) -> Table:
    """Measure; see `measure`."""
    return Table(
        "CPU of a worker's main process, per empty task",
        ("pool, observed by", "us a task", "added"),
        (
            (f"{cost.pool}, {cost.mode}", f"{cost.microseconds:.1f}", f"{cost.added:+.1f}")
            for cost in measure(short=short)
        ),
    )


def measure(*, short: bool) -> list[Row]:
    """Run every mode in a pool that works in the main process and in one that does not."""
    # long enough that an export every 5 s costs each mode its share
    rounds, tasks = (1, 20_000) if short else (5, 60_000)
    rows = []
    with serving(ours()) as sink:
        for pool in ("solo", "prefork"):
            # SDK instruments are fed by signals that prefork sends in the child
            modes = MODES if pool == "solo" else ("none", "portless", "instrumentation")
            costs: dict[str, list[float]] = {mode: [] for mode in modes}
            for _ in range(rounds):
                for mode in modes:
                    costs[mode].append(_run(pool, mode, tasks, sink.otlp_port))
            medians = {mode: statistics.median(found) for mode, found in costs.items()}
            base = medians["none"]
            rows += [Row(pool, mode, cost, cost - base) for mode, cost in medians.items()]
    return rows


def _run(pool: str, mode: str, tasks: int, port: int) -> float:
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "benchmarks.worker_app", pool, mode, str(tasks)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    found = re.search(r"cpu_microseconds=([\d.]+)", done.stdout)
    if not found:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return float(found[1])
