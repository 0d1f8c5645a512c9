"""Workers under different observers, in turn: whatever else the machine does meets them all.

Comes in: how long it may take. Goes out: rows of medians, with what lies between the quartiles.
What is "added" is the median of the differences to the unobserved worker of the same round.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.worker import sink
from tests.support import redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MEMORY = "memory://"
PUSHES_MS = "5000"
NOTHING, AGAIN = "nothing", "nothing, again"
OTHERS = (
    NOTHING,
    AGAIN,
    "portless",
    "portless, durable",
    "SDK instruments",
    "instrumentation-celery, metrics",
    "instrumentation-celery, metrics and traces",
    "prometheus_client, multiprocess",
)
FEW = OTHERS[:5]
ON_REDIS = (NOTHING, AGAIN, "portless", "events")
ROUNDS_MIN = 3
"""Whatever the time says: quartiles need some."""


class Plan(NamedTuple):
    """Ways of observing a pool that are compared, round after round."""

    pool: str
    modes: Sequence[str]
    rounds: int
    tasks: int
    """Of a worker of one round."""
    seconds_max: float
    """No further round begins if it may take longer than that altogether."""


PLANS = (
    Plan("solo", OTHERS, 15, 6_000, 300),
    Plan("prefork", OTHERS, 15, 6_000, 360),
    *(Plan(pool, FEW, 6, 4_000, 75) for pool in ("threads", "gevent", "eventlet")),
)
PLANS_ON_REDIS = tuple(Plan(pool, ON_REDIS, 5, 3_000, 75) for pool in ("solo", "prefork"))
SHORT = tuple(Plan(pool, OTHERS[:4], 1, 2_000, 60) for pool in ("solo", "prefork"))
STARTS = Plan("prefork", OTHERS, 4, 30, 120)
STARTS_SHORT = Plan("prefork", OTHERS[:3], 1, 8, 60)
RUN_SECONDS_MAX = 300
START_SECONDS_MAX = 45
"""For STARTS' tasks, each of which has a process of its own; a worker that takes longer hangs."""


class HungError(Exception):
    """A worker did not come to its end and was killed."""


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
    rounds: int
    """That there was time for."""


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
    took: Spread | None
    """None where no worker came to its end."""
    runs: int
    hung: int
    """Of these runs."""


def parts(*, short: bool) -> Iterator[Part]:
    """What ours takes, with cells in memory and in a file, what the SDK's, and a signal alone."""
    rounds = "100" if short else "400"
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
    """Run every way of observing in every pool; `short` some of them, once, and few tasks."""
    with sink.running() as collector:
        for plan in SHORT if short else PLANS:
            yield from _compare(plan, MEMORY, collector)
        if short:
            return
        if not redis.is_installed():
            print("redis-server is not installed: no events", file=sys.stderr)
            return
        with TemporaryDirectory() as directory, redis.running(Path(directory)) as server:
            for plan in PLANS_ON_REDIS:
                with _receiving(server.address, Path(directory)):
                    yield from _compare(plan, server.address, collector)


def starts(*, short: bool) -> list[Starts]:
    """Replace pool processes after each task, and see how long each takes until it is set up.

    A worker that hangs is killed and counted: some ways of observing do not survive a fork.
    """
    plan = STARTS_SHORT if short else STARTS
    took: dict[str, list[float]] = {mode: [] for mode in plan.modes}
    runs, hung = Counter[str](), Counter[str]()
    with sink.running() as collector:
        for modes in _rounds(plan, "starts"):
            for mode in modes:
                runs[mode] += 1
                try:
                    took[mode] += _run(plan, mode, MEMORY, collector, "--recycle")["starts"]
                except HungError:
                    hung[mode] += 1
    return [
        Starts(mode, spread(found) if found else None, runs[mode], hung[mode])
        for mode, found in took.items()
    ]


def spread(found: Sequence[float]) -> Spread:
    """The median and both quartiles; of a single measurement three times that."""
    if len(found) == 1:
        return Spread(found[0], found[0], found[0])
    low, median, high = statistics.quantiles(found, n=4, method="inclusive")
    return Spread(median, low, high)


def _compare(plan: Plan, broker: str, collector: sink.Sink) -> Iterator[Row]:
    found: dict[str, list[dict[str, float]]] = {mode: [] for mode in plan.modes}
    pushed: dict[str, list[int]] = {mode: [] for mode in plan.modes}
    place = "memory" if broker == MEMORY else "Redis"
    for modes in _rounds(plan, f"{plan.pool}, {place}"):
        for mode in modes:
            collector.sizes.clear()
            found[mode].append(_run(plan, mode, broker, collector))
            pushed[mode] += collector.sizes
    bare = found[NOTHING]
    for mode, runs in found.items():
        yield Row(
            plan.pool,
            place,
            mode,
            spread([run["parent"] for run in runs]),
            spread([run["parent"] - none["parent"] for run, none in zip(runs, bare)]),
            spread([run["child"] for run in runs]),
            spread([run["child"] - none["child"] for run, none in zip(runs, bare)]),
            spread([run["throughput"] / none["throughput"] for run, none in zip(runs, bare)]),
            spread([run["p99"] for run in runs]),
            statistics.median(run["memory"] for run in runs),
            statistics.median(pushed[mode]) if pushed[mode] else None,
            len(runs),
        )


def _rounds(plan: Plan, what: str) -> Iterator[Sequence[str]]:
    """The modes of each round, in an order of its own: none always comes after the same one."""
    began = time.monotonic()
    for at in range(plan.rounds):
        spent = time.monotonic() - began
        if at >= ROUNDS_MIN and spent * (at + 1) / at > plan.seconds_max:
            return
        print(
            f"{what}: round {at + 1} of {plan.rounds}, {spent:.0f} s", file=sys.stderr, flush=True
        )
        first = at % len(plan.modes)
        yield (*plan.modes[first:], *plan.modes[:first])


def _run(plan: Plan, mode: str, broker: str, collector: sink.Sink, *options: str) -> dict[str, Any]:
    with TemporaryDirectory() as directory:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_METRIC_EXPORT_INTERVAL": PUSHES_MS,
        }
        if mode.startswith("prometheus"):
            environment["PROMETHEUS_MULTIPROC_DIR"] = directory
        if mode.endswith("durable"):
            environment["PORTLESS_STATE_DIR"] = directory
        arguments = [plan.pool, mode, str(plan.tasks), broker, directory, *options]
        seconds = START_SECONDS_MAX if "--recycle" in options else RUN_SECONDS_MAX
        output = _python("benchmarks.worker.app", arguments, environment, seconds)
        told: dict[str, Any] = json.loads(output.splitlines()[-1])
        return told


def _python(
    module: str, arguments: list[str], environment: dict[str, str], seconds: float = RUN_SECONDS_MAX
) -> str:
    """Run a module of ours; raises HungError when it has not ended after so many seconds."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # pool processes end with it
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        what = " ".join([module, *arguments])
        raise HungError(f"{what} has not ended after {seconds:.0f} s") from None
    if process.returncode or not output:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{errors[-2000:]}")
    return output


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
