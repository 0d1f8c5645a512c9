"""`python -m benchmarks [--short]`: run every measurement and print its table."""

from __future__ import annotations

import platform
import sys

from benchmarks import broker, churn, collector_cpu, journal_cpu, probe, queues, worker_cpu


def main() -> None:
    """Measure, and print tables in Markdown."""
    short = "--short" in sys.argv[1:]
    length = "short" if short else "full"
    print(f"Python {platform.python_version()}, {platform.machine()}, {length} run", flush=True)
    print("\n### CPU of the collector: the embedded one and otelcol, same YAML, same bytes\n")
    print("| work | ours | otelcol | otelcol / ours |\n|---|---:|---:|---:|", flush=True)
    for row in collector_cpu.measure(short=short):
        print(
            f"| {row.work} | {row.ours:,.0f} {row.unit} | {row.otelcol:,.0f} {row.unit} "
            f"| {row.ratio:.1f} |"
        )
    print("\n### CPU of the collector with a state directory and without\n")
    print("| work | without, us a request | with | with / without |\n|---|---:|---:|---:|")
    for kept in journal_cpu.measure(short=short):
        print(f"| {kept.work} | {kept.without:.0f} | {kept.kept:.0f} | {kept.ratio:.2f} |")
    print("\n### Memory of the engine under churn: each instance pushes once, nobody scrapes\n")
    print(
        "| instances | resident MiB | streams | remembered | series |\n|---:|---:|---:|---:|---:|"
    )
    for step in churn.measure(short=short):
        resident = step.resident_bytes / 2**20
        print(
            f"| {step.instances:,} | {resident:.0f} | {step.streams:,} | {step.remembered:,} "
            f"| {step.series:,} |",
            flush=True,
        )
    print("\n### CPU of a worker's main process, per empty task\n")
    print("| pool | observed by | us a task | added |\n|---|---|---:|---:|", flush=True)
    for cost in worker_cpu.measure(short=short):
        print(f"| {cost.pool} | {cost.mode} | {cost.microseconds:.1f} | {cost.added:+.1f} |")
    print("\n### A probe of a worker, from its start to its exit code\n")
    print("| command | ms | to an empty interpreter |\n|---|---:|---:|", flush=True)
    for row in probe.measure(short=short):
        print(f"| {row.what} | {row.milliseconds:.0f} | {row.ratio:.1f} |")
    print(
        "\n### Messages a second through PostgreSQL, acknowledged, and through kombu's transport\n"
    )
    print(
        "| pool | workers | portless | kombu | portless / kombu |\n|---|---:|---:|---:|---:|",
        flush=True,
    )
    for took in broker.measure(short=short):
        print(
            f"| {took.pool} | {took.workers} | {took.portless:,.0f} | {took.kombu:,.0f} "
            f"| {took.ratio:.1f} |"
        )
    print("\n### A look at the broker's queues in PostgreSQL\n")
    print("| what | ms | to a table without dead rows |\n|---|---:|---:|", flush=True)
    for look in queues.measure(short=short):
        print(f"| {look.what} | {look.milliseconds:.1f} | {look.ratio:.1f} |")


main()
