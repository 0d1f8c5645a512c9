"""Memory of the engine while instances come and go for ever and nobody scrapes.

Each instance pushes once and is never heard of again, so its series vanish and are remembered until
there is no more room for them. The engine runs in a process of its own, on a clock that is told to
it; its resident memory is read after equal numbers of instances.
"""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, NamedTuple

import psutil

from benchmarks.collectors import CONFIG
from benchmarks.payload import one
from benchmarks.table import Table

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

STEPS = 10
NAME = "instance-%07d"
INSTANCES_A_SECOND = 10
TICK_INSTANCES = 100


class Step(NamedTuple):
    """How things are after some instances."""

    instances: int
    resident_bytes: int
    streams: int
    """Awake."""
    remembered: int
    """Asleep."""
    series: int
    """Shown."""


def table(short: bool) -> Table:
    """Measure; see `measure`."""
    return Table(
        "Memory of the engine under churn: each instance pushes once, nobody scrapes",
        ("instances", "resident", "streams", "remembered", "series"),
        (
            (
                f"{step.instances:,}",
                f"{step.resident_bytes / 2**20:.0f} MiB",
                f"{step.streams:,}",
                f"{step.remembered:,}",
                f"{step.series:,}",
            )
            for step in measure(short=short)
        ),
    )


def measure(*, short: bool) -> list[Step]:
    """Let a million instances come and go; `short` lets come some ten thousand, with less room."""
    instances, streams_max = (20_000, 9_900) if short else (1_000_000, 250_000)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_churn, args=(theirs, instances, streams_max))
    child.start()
    theirs.close()
    try:
        return [ours.recv() for _ in range(STEPS)]
    finally:
        child.join()


def _churn(told: Connection, instances: int, streams_max: int) -> None:
    from collector.plan import load  # noqa: PLC0415 - in the child only
    from collector.river import River  # noqa: PLC0415

    plan = load(str(CONFIG), CONFIG.read_text(), {})
    river = River(plan, streams_max)
    (engine,) = river.engines
    intake = river.intake(next(iter(plan.receivers)), "http")
    body = one(NAME % 0)
    for at in range(1, instances + 1):
        now = at / INSTANCES_A_SECOND
        intake.accept(body.replace((NAME % 0).encode(), (NAME % at).encode()), now)
        if not at % TICK_INSTANCES:
            river.tick(now)
        if not at % (instances // STEPS):
            values = {sample.name: int(sample.value) for sample in engine.self_metrics()}
            names = ("portless_streams", "portless_remembered_streams", "portless_series")
            resident = psutil.Process().memory_info().rss
            told.send(Step(at, resident, *(values[name] for name in names)))
