"""What was measured of workers, as tables in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.worker import run

if TYPE_CHECKING:
    from benchmarks.worker.run import Spread


def show(*, short: bool) -> None:
    """Measure, and print each table as soon as it is there."""
    print("\n### What our part takes of a worker's main process, us of CPU per task\n")
    print("| what | least | median (quartiles) |\n|---|---:|---:|", flush=True)
    for part in run.parts(short=short):
        print(f"| {part.what} | {part.least:.1f} | {_told(part.median, '.1f')} |", flush=True)
    print("\n### A worker that runs empty tasks: medians, and quartiles of what was added\n")
    print(
        "| pool | broker | observed by | parent us | added | child us | added "
        "| throughput to nothing | p99 us | MiB | bytes a push |\n"
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        flush=True,
    )
    for row in run.workers(short=short):
        pushed = "-" if row.push_bytes is None else f"{row.push_bytes:,.0f}"
        child = f"{row.child.median:.0f} | {_told(row.child_added, '+.1f')}"
        print(
            f"| {row.pool} | {row.broker} | {row.mode} | {row.parent.median:.0f} "
            f"| {_told(row.parent_added, '+.1f')} | {child if row.pool == 'prefork' else '- | -'} "
            f"| {_told(row.throughput, '.2f')} | {_told(row.p99, ',.0f')} | {row.memory:.1f} "
            f"| {pushed} |",
            flush=True,
        )
    print("\n### A pool process, from its fork until it is set up\n")
    print("| observed by | ms |\n|---|---:|", flush=True)
    for start in run.starts(short=short):
        print(f"| {start.mode} | {_told(start.took, '.1f')} |", flush=True)


def _told(spread: Spread, form: str) -> str:
    if spread.low == spread.high:
        return format(spread.median, form)
    return f"{spread.median:{form}} ({spread.low:{form}} to {spread.high:{form}})"
