"""What receives workers' counters: the embedded collector, and what a user would pick instead.

All get the same counters in turns, each in its own language, and in the end have to show the same
total. A turn's cost is the process's CPU time until it is idle again; the middle one counts.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.peers.receivers import PEERS, version
from benchmarks.peers.turn import POINTS, Turn, total_started
from benchmarks.processes import cpu_seconds, until_idle
from benchmarks.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.peers.receivers import Receiver

TITLE = f"Receiving counters, {POINTS} known series a push: the embedded collector and its peers"
TURNS = 5
"""The first one warms all of them up."""
TICKS = 60
"""Pushes of each worker in a turn."""
NOTES = """
*Series* are lines of counters that a receiver shows in the end, and all show the same total;
*tenants* is whether a label of theirs names one. Each has one core and its defaults, but
pushgateway keeps no file, and statsd_exporter gets TCP, since UDP loses lines, and a cache for all
names.

- **OpenTelemetry Collector**: same file, and the same result while workers are told apart. It does
  more: traces, logs, a hundred destinations.
- **Prometheus' OTLP receiver** also stores, which the others leave to a Prometheus that scrapes
  them. It has no rules for what comes in: tenants are stored, whatever a rule makes of them later.
- **pushgateway** keeps the last push of a group as it is, until somebody deletes it. Tenants stay,
  and the count of a worker that restarts begins anew. It does not claim to add up.
- **statsd_exporter** gets increments. With the tenant in a part of the name that its mapping passes
  over it takes tenants away, and sums are exact. Increments that are sent again count twice, those
  that are lost are missing, and all are gone when it restarts; workers need another client for it.
"""


def table(short: bool) -> Table:
    """Measure all; a short run takes a tenth of the time and builds nothing that is not there."""
    return Table(
        TITLE,
        (
            "receiver",
            "CPU of a million points",
            "to ours",
            "memory",
            "to ours",
            "series",
            "tenants",
        ),
        _rows(short=short),
        NOTES,
    )


def _rows(*, short: bool) -> Iterator[Sequence[str]]:
    found = {peer: peer.find(not short) for peer in PEERS}
    here = {peer: binary for peer, binary in found.items() if binary}
    costs: dict[str, list[float]] = {peer.name: [] for peer in here}
    ticks = TICKS // 10 if short else TICKS
    with ExitStack() as running:
        receivers = {
            peer.name: running.enter_context(peer.run(binary)) for peer, binary in here.items()
        }
        for first in range(1, TURNS * ticks, ticks):
            turn = Turn(range(first, first + ticks))
            for name, receiver in receivers.items():
                costs[name].append(_cost(receiver, turn))
        last = TURNS * ticks
        cpu = {name: statistics.median(spent[1:]) for name, spent in costs.items()}
        memory = {name: each.process.memory_info().rss for name, each in receivers.items()}
        (mine, *_) = receivers
        for peer, binary in found.items():
            if not binary:
                yield (f"{peer.name}: not here", *["–"] * 6)
                continue
            shown = receivers[peer.name].shown(last)
            if shown.started != total_started(last):
                raise RuntimeError(
                    f"{peer.name} shows {shown.started}: {total_started(last)} is true"
                )
            yield (
                " ".join(filter(None, (peer.name, version(binary) if peer.name != mine else ""))),
                f"{cpu[peer.name]:.2f} s",
                f"{cpu[peer.name] / cpu[mine]:.1f}",
                f"{memory[peer.name] / 2**20:,.0f} MiB",
                f"{memory[peer.name] / memory[mine]:.1f}",
                f"{shown.series:,}",
                "yes" if shown.tenants else "no",
            )


def _cost(receiver: Receiver, turn: Turn) -> float:
    """Return CPU seconds of a million points."""
    before = cpu_seconds(receiver.process)
    receiver.push(turn)
    until_idle(receiver.process)
    return (cpu_seconds(receiver.process) - before) / turn.points * 1e6
