"""RESULTS.md -> the tables of docs/scale.md: what so many workers ask of each piece.

Costs are those of the table `fleet`; everything else is an assumption that is named there, and the
page has the formulas. Only what stands between two comments of the page is written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from benchmarks.fleet import EMBEDDED, GATEWAY, POINTS
from benchmarks.payload import counters
from benchmarks.results import RESULTS, circumstances, kept, rows
from collector.command_line import STREAMS_MAX

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
INTERVAL_SECONDS = 5
TENANTS = 10
SERIES = POINTS // 2 + POINTS // 2 // TENANTS
"""Of a worker: half of its points carry one of ten tenants, who become one."""
WORKERS = (10, 1_000, 100_000)
BEGIN, END = "<!-- calculated from benchmarks/RESULTS.md -->\n", "<!-- end -->\n"


class Cost(NamedTuple):
    """Of a piece."""

    point: float
    """Nanoseconds of CPU."""
    stream: float
    """Bytes of memory."""


def page(text: str, results: str) -> str:
    """Return the page with its tables calculated anew."""
    return re.sub(
        f"{BEGIN}.*{END}", lambda _: BEGIN + calculated(results) + END, text, flags=re.DOTALL
    )


def calculated(results: str) -> str:
    """Return the tables, and what the limits come to."""
    table = kept(results)["fleet"]
    costs = {name: Cost(_number(point), _number(stream)) for name, point, *_, stream in rows(table)}
    size = len(counters("worker-1", INTERVAL_SECONDS, POINTS)) / POINTS
    most = 1e9 / costs[EMBEDDED].point / POINTS * INTERVAL_SECONDS
    lines = [
        *_assumed(size),
        "",
        *_measured(costs),
        "",
        f"Measured: {circumstances(table)}",
        "",
        *_asked(costs, size),
        "",
        f"{STREAMS_MAX:,} streams, the embedded collector's `--max-streams`, are those of",
        f"{STREAMS_MAX // POINTS:,} such workers. It has one core, enough for {most:,.0f} of them.",
    ]
    return "\n".join(lines) + "\n"


def _number(cell: str) -> float:
    return float(cell.partition(" ")[0].replace(",", ""))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _assumed(size: float) -> list[str]:
    half = "an assumption: half of the points carry one of ten tenants, who become one"
    return [
        _row("name", "value", "where it is from"),
        "|---|---|---|",
        _row("`interval`", f"{INTERVAL_SECONDS} s", "the default, `OTEL_METRIC_EXPORT_INTERVAL`"),
        _row("`points`", f"{POINTS} in a push", "an assumption, and all of them counters"),
        _row("`series`", f"{SERIES} of a worker", half),
        _row("`bytes`", f"{size:.0f} a point", "a push of `benchmarks/payload.py`, not compressed"),
    ]


def _measured(costs: dict[str, Cost]) -> list[str]:
    return [
        _row("piece", "`cpu` of a point", "`memory` of a stream"),
        "|---|---:|---:|",
        *(
            _row(name, f"{cost.point:,.0f} ns", f"{cost.stream:,.0f} B")
            for name, cost in costs.items()
        ),
    ]


def _asked(costs: dict[str, Cost], size: float) -> list[str]:
    lines = [
        _row("workers", *(f"{workers:,}" for workers in WORKERS)),
        f"|---|{'---:|' * len(WORKERS)}",
    ]
    streams = {workers: workers * POINTS for workers in WORKERS}
    points = {workers: each / INTERVAL_SECONDS for workers, each in streams.items()}
    lines += [
        _row("points a second", *(f"{each:,.0f}" for each in points.values())),
        _row("streams", *(f"{each:,}" for each in streams.values())),
        _row("series", *(f"{workers * SERIES:,}" for workers in WORKERS)),
        _row("network, MB/s", *(f"{each * size / 1e6:,.2f}" for each in points.values())),
    ]
    for name, cost in costs.items():
        cores = (f"{cost.point * each / 1e9:,.4f}" for each in points.values())
        lines.append(_row(f"{name}: cores", *cores))
    for name in (EMBEDDED, GATEWAY):
        memory = (f"{costs[name].stream * each / 1e6:,.0f}" for each in streams.values())
        lines.append(_row(f"{name}: memory of streams, MB", *memory))
    return lines


def write() -> None:
    """Calculate the page anew."""
    PAGE.write_text(page(PAGE.read_text(), RESULTS.read_text()))


if __name__ == "__main__":
    write()
