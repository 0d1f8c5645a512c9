"""Workers under different observers, in turn: whatever else the machine does meets them all.

Comes in: how long it may take. Goes out: rows of medians, with what lies between the quartiles.
What is "added" is the median of the differences to the unobserved worker of the same round.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.worker import sink
from tests.support import redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MEMORY = "memory://"
PUSHES_MS = "5000"
POOLS = ("solo", "prefork", "threads", "gevent", "eventlet")
OTHERS = (
    "nothing",
    "portless",
    "portless, durable",
    "SDK instruments",
    "instrumentation-celery, metrics",
    "instrumentation-celery, metrics and traces",
    "prometheus_client, multiprocess",
)
ON_REDIS = ("nothing", "portless", "events")
RUN_SECONDS_MAX = 300


class Spread(NamedTuple):
    """The middle of some measurements, and how far they lie apart."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


class Row(NamedTuple):
    """What one way of observing costs in one pool. Microseconds per task but where it says so."""

    pool: str
    broker: str
    mode: str
    parent: Spread
    """CPU of the main process."""
    parent_added: Spread
    child: Spread
    """CPU of the pool process, 0 where there is none."""
    child_added: Spread
    throughput: Spread
    """Relative to the unobserved worker of the same round."""
    p99: Spread
    """Between the beginnings of two tasks, one of a hundred."""
    memory: float
    """MiB of its own of the process that runs the tasks."""
    push_bytes: float | None
    """Of a push of metrics; None where nothing is pushed."""


class Part(NamedTuple):
    """What a part costs, in microseconds of CPU per task (`benchmarks.worker.hooks`)."""

    what: str
    least: float
    median: Spread
    of_sdk: Spread | None
    """Relative to the SDK's instruments of the same round."""


class Starts(NamedTuple):
    """Milliseconds from the fork of a pool process until it is set up."""

    mode: str
    took: Spread


def parts(*, short: bool) -> Iterator[Part]:
    """What ours takes, with cells in memory and in a file, what the SDK's, and a signal alone."""
    rounds = "100" if short else "600"
    with TemporaryDirectory() as directory:
        for where, state in (("memory", {}), ("a file", {"PORTLESS_STATE_DIR": directory})):
            costs: dict[str, list[float]]
            costs = json.loads(_python("benchmarks.worker.hooks", [rounds], state))
            if where == "memory":
                yield _part("Celery's call of a signal handler", costs, "bare", "signal")
                least, sdk = min(costs["sdk"]), spread(costs["sdk"])
                yield Part("SDK: Counter.add three times, Histogram.record", least, sdk, None)
            yield _part(f"ours, cells in {where}", costs, "signal", "ours")


def _part(what: str, costs: Mapping[str, Sequence[float]], less: str, more: str) -> Part:
    added = [after - before for before, after in zip(costs[less], costs[more])]
    of_sdk = spread([ours / sdk for ours, sdk in zip(added, costs["sdk"])])
    return Part(what, min(costs[more]) - min(costs[less]), spread(added), of_sdk)


def workers(*, short: bool) -> Iterator[Row]:
    """Run every way of observing in every pool; `short` two of each, once, and few tasks."""
    rounds, tasks = (1, 2_000) if short else (7, 20_000)
    with sink.running() as collector:
        for pool in POOLS[:2] if short else POOLS:
            modes = OTHERS[:2] if short else OTHERS
            yield from _compare(pool, MEMORY, modes, collector, (rounds, tasks))
        if short:
            return
        if not redis.is_installed():
            print("redis-server is not installed: no events", file=sys.stderr)
            return
        with TemporaryDirectory() as directory, redis.running(Path(directory)) as server:
            for pool in POOLS[:2]:
                with _receiving(server.address, Path(directory)):
                    length = (rounds, tasks // 4)
                    yield from _compare(pool, server.address, ON_REDIS, collector, length)


def starts(*, short: bool) -> list[Starts]:
    """Replace pool processes after each task, and see how long each takes until it is set up."""
    rounds, tasks = (1, 8) if short else (5, 40)
    modes = OTHERS[:2] if short else OTHERS
    took: dict[str, list[float]] = {mode: [] for mode in modes}
    with sink.running() as collector:
        for _ in range(rounds):
            for mode in modes:
                took[mode] += _run("prefork", mode, tasks, MEMORY, collector, "--recycle")["starts"]
    return [Starts(mode, spread(found)) for mode, found in took.items()]


def spread(found: Sequence[float]) -> Spread:
    """The median and both quartiles; of a single measurement three times that."""
    if len(found) == 1:
        return Spread(found[0], found[0], found[0])
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return Spread(median, low, high)


def _compare(
    pool: str,
    broker: str,
    modes: Sequence[str],
    collector: sink.Sink,
    length: tuple[int, int],
) -> Iterator[Row]:
    rounds, tasks = length
    found: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
    pushed: dict[str, list[int]] = {mode: [] for mode in modes}
    for at in range(rounds):
        # each round begins elsewhere, so that none always comes after the same one
        for mode in (*modes[at % len(modes) :], *modes[: at % len(modes)]):
            collector.sizes.clear()
            found[mode].append(_run(pool, mode, tasks, broker, collector))
            pushed[mode] += collector.sizes
    for mode in modes:
        runs = {what: [run[what] for run in found[mode]] for what in found[mode][0]}
        bare = {what: [run[what] for run in found["nothing"]] for what in runs}
        yield Row(
            pool,
            "memory" if broker == MEMORY else "Redis",
            mode,
            spread(runs["parent"]),
            spread([ours - none for ours, none in zip(runs["parent"], bare["parent"])]),
            spread(runs["child"]),
            spread([ours - none for ours, none in zip(runs["child"], bare["child"])]),
            spread([ours / none for ours, none in zip(runs["throughput"], bare["throughput"])]),
            spread(runs["p99"]),
            statistics.median(runs["memory"]),
            statistics.median(pushed[mode]) if pushed[mode] else None,
        )


def _run(
    pool: str, mode: str, tasks: int, broker: str, collector: sink.Sink, *options: str
) -> dict[str, float]:
    with TemporaryDirectory() as directory:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_METRIC_EXPORT_INTERVAL": PUSHES_MS,
        }
        if mode.startswith("prometheus"):
            environment["PROMETHEUS_MULTIPROC_DIR"] = directory
        if mode.endswith("durable"):
            environment["PORTLESS_STATE_DIR"] = directory
        arguments = [pool, mode, str(tasks), broker, directory, *options]
        told: dict[str, float] = json.loads(
            _python("benchmarks.worker.app", arguments, environment).splitlines()[-1]
        )
        return told


def _python(module: str, arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    if done.returncode or not done.stdout:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def _receiving(broker: str, directory: Path) -> Iterator[None]:
    """Somebody takes the events, as long as there are any: unread, they would pile up."""
    ready = directory / "ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.worker.events", broker, str(ready)]
    receiver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not ready.exists():
            if receiver.poll() is not None:
                raise RuntimeError("the receiver of events did not start")
            time.sleep(0.05)
        yield
    finally:
        receiver.terminate()
        receiver.wait()
