"""`python -m benchmarks [--short] [--only NAME …] [--write]`: measure, and print tables.

With `--write` what was measured is kept in RESULTS.md, with the machine and the date; tables that
were not measured this time stay there as they were. docs/pictures/benchmark.svg and the tables of
docs/scale.md are made from it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    arithmetic,
    broker,
    churn,
    collector_cpu,
    collector_memory,
    collector_scale,
    collector_stages,
    fleet,
    journal_cpu,
    package,
    peers,
    picture,
    probe,
    queues,
    results,
)
from benchmarks.worker import tables as worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.table import Table

SUITES: dict[str, Callable[[bool], Table]] = {
    "collector": collector_cpu.table,
    "stages": collector_stages.table,
    "journal": journal_cpu.table,
    "memory": collector_memory.table,
    "scale": collector_scale.table,
    "churn": churn.table,
    "fleet": fleet.table,
    "peers": peers.table,
    "hooks": worker.hooks,
    "worker": worker.workers,
    "starts": worker.starts,
    "probe": probe.table,
    "package": package.table,
    "queues": queues.table,
    "broker": broker.table,
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a tenth of the time, and rougher")
    parser.add_argument("--only", action="append", choices=SUITES, help="may be given again")
    parser.add_argument(
        "--write", action="store_true", help=f"keep the tables in {results.RESULTS.name}"
    )
    asked = parser.parse_args()
    for name in asked.only or SUITES:
        table = SUITES[name](asked.short)
        lines = []
        for line in table.lines():
            print(line, flush=True)
            lines.append(line)
        lines.append(f"\n{_circumstances(short=asked.short)}")
        print(lines[-1], flush=True)
        if asked.write:
            results.keep(name, "\n".join(lines), SUITES)
            picture.write()
            arithmetic.write()


def _circumstances(*, short: bool) -> str:
    cores, load = os.cpu_count(), os.getloadavg()[0]
    today = datetime.now(timezone.utc).date()
    length = "short run" if short else "full run"
    return (
        f"{today}, {length}: Python {platform.python_version()}, {_processor()}, {cores} cores, "
        f"{platform.system()}; load average {load:.1f} at the end."
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


main()
