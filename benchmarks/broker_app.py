"""A worker that runs empty tasks from a SQL broker: `python -m benchmarks.broker_app URL POOL`.

It says `ready` on standard output when it consumes, and runs until it is told to stop.
"""

from __future__ import annotations

import sys

from celery import Celery, signals

import telemetry

QUEUE = "bench"

app = Celery("bench")
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.nothing")
def nothing() -> None:
    """Do nothing."""


def main(url: str, pool: str) -> None:
    """Run one worker with one slot and the default prefetch of four."""
    telemetry.__name__  # noqa: B018 - its import is what makes the address known
    app.conf.broker_url = url
    signals.worker_ready.connect(
        lambda **_: sys.__stdout__.write("ready\n") and sys.__stdout__.flush(), weak=False
    )
    app.Worker(
        pool=pool, concurrency=1, loglevel="ERROR", without_heartbeat=True, quiet=True
    ).start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
