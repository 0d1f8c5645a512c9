"""One worker that runs a number of empty tasks, and what that took.

    python -m benchmarks.worker.app POOL MODE TASKS BROKER DIRECTORY [--recycle]

With the broker in memory, nothing but Celery and what observes it costs anything. The messages are
there before the worker is. What counts is between the first tenth, as warm-up, and the end. Prints
a line of JSON (`benchmarks.worker.run.Run`). With `--recycle` each pool process runs one task, and
only their starts are told.
"""

from __future__ import annotations

import sys

from celery import maybe_patch_concurrency

if __name__ == "__main__":
    maybe_patch_concurrency(["celery", "-P", sys.argv[1]])

import json
import os
import threading
import time
from pathlib import Path

from celery import Celery, signals
from celery.worker import state

from benchmarks.worker.modes import MODES

app = Celery("bench")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"polling_interval": 0.01},
)
_stamps: list[float] = []


@app.task(name="bench.nothing")
def nothing(last: bool, directory: str) -> None:
    """Note the time; the last one says how long a task holds up the next, one of a hundred."""
    _stamps.append(time.perf_counter())
    if last and len(_stamps) > 100:
        gaps = sorted(after - before for before, after in zip(_stamps, _stamps[1:]))
        gaps_file(directory).write_text(str(gaps[len(gaps) * 99 // 100] * 1e6))


def gaps_file(directory: str) -> Path:
    """Where the last task writes the 99th percentile, in microseconds."""
    return Path(directory) / "p99"


def watch(worker: object, tasks: int, told: dict[str, float]) -> None:
    """Note what the worker takes from its first tenth to its end, then stop it."""
    try:
        _wait_for(tasks // 10)
        children = _children(worker)
        counted = state.all_total_count[0]
        began = (time.process_time(), _spent(children), time.perf_counter())
        _wait_for(tasks)
        while state.active_requests:
            time.sleep(0.001)
        done = tasks - counted
        ended = (time.process_time(), _spent(children), time.perf_counter())
        parent, child, took = (after - before for before, after in zip(began, ended))
        told["parent"] = parent / done * 1e6
        told["child"] = child / done * 1e6
        told["throughput"] = done / took
        told["memory"] = _private(children[0] if children else os.getpid()) / 2**20
    finally:
        state.should_stop = 0


def recycle(tasks: int) -> None:
    """Wait until the last task has begun, each in a process of its own, then stop the worker."""
    _wait_for(tasks)
    state.should_stop = 0


def _wait_for(tasks: int) -> None:
    while state.all_total_count[0] < tasks:
        time.sleep(0.005)


def _children(worker: object) -> list[int]:
    pool = getattr(worker.pool, "_pool", None)
    return [process.pid for process in getattr(pool, "_pool", ()) if hasattr(process, "exitcode")]


def _spent(processes: list[int]) -> float:
    """CPU seconds of processes, of which no thread ends meanwhile, in the kernel's nanoseconds."""
    return sum(
        int(thread.joinpath("schedstat").read_text().split()[0]) / 1e9
        for process in processes
        for thread in Path(f"/proc/{process}/task").iterdir()
    )


def _private(process: int) -> int:
    """Bytes that only this process has in memory: what one more of it costs."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


def note_starts(directory: str) -> None:
    """Have each pool process write how long it took from its fork until it was set up."""
    forked = [0.0]
    file = Path(directory) / "starts"

    def begun(**_: object) -> None:
        took = time.perf_counter() - forked[0]
        with file.open("a") as starts:
            starts.write(f"{took * 1e3}\n")

    os.register_at_fork(before=lambda: forked.__setitem__(0, time.perf_counter()))
    signals.worker_process_init.connect(begun, weak=False)  # after what the mode has connected


def main(pool: str, mode: str, tasks: int, broker: str, directory: str) -> None:
    """Run one worker and print what it took."""
    recycled = "--recycle" in sys.argv
    app.conf.broker_url = broker
    MODES[mode](app)
    for number in range(tasks):
        nothing.delay(number == tasks - 1, directory)
    told: dict[str, float] = {}
    worker = app.Worker(
        pool=pool,
        concurrency=1,
        loglevel="ERROR",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        max_tasks_per_child=1 if recycled else None,
        task_events=mode == "events",
    )
    watcher, arguments = watch, (worker, tasks, told)
    if recycled:
        note_starts(directory)
        watcher, arguments = recycle, (tasks,)
    thread = threading.Thread(target=watcher, args=arguments, daemon=True)
    signals.worker_ready.connect(lambda **_: thread.start(), weak=False)
    try:
        worker.start()
    finally:
        if recycled:
            starts = (Path(directory) / "starts").read_text().split()
            told = {"starts": [float(start) for start in starts]}
        else:
            told["p99"] = float(gaps_file(directory).read_text())
        sys.__stdout__.write(json.dumps(told) + "\n")  # Celery took sys.stdout
        sys.__stdout__.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
