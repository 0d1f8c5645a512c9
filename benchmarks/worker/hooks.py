"""CPU that our part itself takes of a worker's main process, per task: real requests, no transport.

    python -m benchmarks.worker.hooks ROUNDS

Requests of Celery's own class go through what a worker calls for each of them (received, handed to
the pool, accepted, succeeded): with nobody listening (`bare`), with a signal handler that does
nothing (`signal`: what Celery takes to call any), and with the hooks of an instrumented worker
(`hooks`). The three alternate in short batches, so that whatever else the machine does meets all of
them, and the CPU time of the thread counts. With `PORTLESS_STATE_DIR` set the cells are in a mapped
file. Prints a line of JSON: microseconds a task of each batch.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from celery import Celery, signals
from celery.worker.request import Request, create_request_cls
from kombu.transport.memory import Transport

from telemetry import instrument
from telemetry.tasks.publish import HEADER

BATCH = 500
"""Tasks; short enough that many a batch is not interrupted."""

app = Celery("bench", broker="memory://")
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)


@app.task(name="bench.nothing")
def nothing() -> None:
    """Do nothing."""


class Pool:
    """What requests are handed to: a pool that only takes them."""

    def apply_async(self, *_: object, **__: object) -> None:
        """Take it."""


class Consumer:
    """What sends `task_received`."""

    def __init__(self, controller: object) -> None:
        self.controller = controller
        self.request = create_request_cls(Request, nothing, Pool(), "celery@bench", None)

    def batch(self) -> float:
        """Take a batch of requests through their lives; microseconds of this thread for each."""
        requests = [self._receive(number) for number in range(BATCH)]
        received = signals.task_received.send
        result = (False, None, 0.001)
        began = time.thread_time_ns()
        for request in requests:
            received(sender=self, request=request)
            request.execute_using_pool(None)
            request.on_accepted(1, 100.0)
            request.on_success(result)
        return (time.thread_time_ns() - began) / BATCH / 1e3

    def _receive(self, number: int) -> Any:  # noqa: ANN401 - Celery's own
        headers = {"id": str(number), "task": nothing.name, "lang": "py", HEADER: time.time()}
        route = {"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": False}
        payload = {
            "headers": headers,
            "properties": {"delivery_info": route, "delivery_tag": number},
            "body": "",
        }
        body = ((), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None})
        return self.request(
            Transport.Channel.Message(payload, channel=None),
            app=app,
            task=nothing,
            hostname="celery@bench",
            headers=headers,
            body=body,
            decoded=True,
            on_ack=ignore,
        )


def ignore(*_: object, **__: object) -> None:
    """Hear of something, and do nothing."""


def main(rounds: int) -> None:
    """Measure, and print what each batch took."""
    logging.disable(logging.WARNING)
    instrument(app)
    worker = app.Worker(pool="solo", loglevel="ERROR", quiet=True)
    receivers = signals.task_received.receivers
    ours = list(receivers)
    signals.task_received.connect(ignore, weak=False)
    listening = {"bare": [], "signal": [each for each in receivers if each not in ours]}
    listening["hooks"] = ours
    consumers = {name: Consumer(worker) for name in listening}
    costs: dict[str, list[float]] = {name: [] for name in listening}
    for _ in range(rounds):
        for name, consumer in consumers.items():
            receivers[:] = listening[name]
            costs[name].append(consumer.batch())
    sys.__stdout__.write(json.dumps(costs) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
