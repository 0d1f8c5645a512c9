"""What was measured of workers, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.table import Table
from benchmarks.worker import run

if TYPE_CHECKING:
    from benchmarks.worker.run import Row, Spread


def hooks(short: bool) -> Table:
    """What our part alone takes; see `run.parts`."""
    return Table(
        "What our part takes of a worker's main process, us of CPU per task",
        ("what", "least", "median (quartiles)", "of the SDK's"),
        (
            (
                part.what,
                f"{part.least:.1f}",
                _told(part.median, ".1f"),
                "-" if part.of_sdk is None else _told(part.of_sdk, ".2f"),
            )
            for part in run.parts(short=short)
        ),
    )


def workers(short: bool) -> Table:
    """What whole workers take; see `run.workers`."""
    return Table(
        "A worker that runs empty tasks, per task: medians (quartiles)",
        (
            *("pool, broker, observed by", "parent us", "added", "child us", "added"),
            *("throughput to nothing", "p99 us", "MiB", "bytes a push", "rounds"),
        ),
        (_row(row) for row in run.workers(short=short)),
    )


def starts(short: bool) -> Table:
    """How long pool processes take to start; see `run.starts`."""
    return Table(
        "A pool process, from its fork until it is set up",
        ("observed by", "ms", "workers that hung"),
        (
            (
                start.mode,
                _told(start.took, ".1f") if start.took else "-",
                f"{start.hung} of {start.runs}" if start.hung else "none",
            )
            for start in run.starts(short=short)
        ),
    )


def _row(row: Row) -> tuple[str, ...]:
    child = ("-", "-")
    if row.pool == "prefork":
        child = (f"{row.child.median:.0f}", _told(row.child_added, "+.1f"))
    return (
        f"{row.pool}, {row.broker}, {row.mode}",
        f"{row.parent.median:.0f}",
        _told(row.parent_added, "+.1f"),
        *child,
        _told(row.throughput, ".2f"),
        _told(row.p99, ",.0f"),
        f"{row.memory:.1f}",
        "-" if row.push_bytes is None else f"{row.push_bytes:,.0f}",
        str(row.rounds),
    )


def _told(spread: Spread, form: str) -> str:
    if spread.low == spread.high:
        return format(spread.median, form)
    return f"{spread.median:{form}} ({spread.low:{form}} to {spread.high:{form}})"
