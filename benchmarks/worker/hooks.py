"""CPU that our part itself takes of a worker's main process, per task: real requests, no transport.

    python -m benchmarks.worker.hooks ROUNDS

Requests of Celery's own class go through what a worker's loop calls for each of them: a turn of the
loop, received, handed to the pool, accepted, succeeded. They do so in a worker that nobody observes
(`bare`), in the same with a signal handler that does nothing (`signal`: what Celery takes to call
any), and in one that is instrumented (`ours`). Beside them stand the SDK's own instruments alone
(`sdk`): `Counter.add` three times and `Histogram.record` once, with what calls them left out. All
alternate in short batches, so that whatever else the machine does meets all of them, and the CPU
time of the thread counts. With `PORTLESS_STATE_DIR` set the cells are in a mapped file. Prints a
line of JSON: microseconds a task of each batch.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from celery.worker.request import Request, create_request_cls
from kombu.transport.memory import Transport
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from telemetry import instrument
from telemetry.tasks.publish import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 500
"""Tasks; short enough that many a batch is not interrupted."""
NAME = "bench.nothing"
RESULT = (False, None, 0.001)


class Pool:
    """What requests are handed to: a pool that only takes them."""

    def apply_async(self, *_: object, **__: object) -> None:
        """Take it."""


class Loop:
    """What the loop of a worker does, without a broker and a pool."""

    def __init__(self, *, observed: bool) -> None:
        self._app = Celery("bench", broker="memory://", set_as_current=False)
        self._app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)
        self._task = self._app.task(name=NAME)(ignore)
        if observed:
            instrument(self._app)
        worker = self._app.Worker(pool="solo", loglevel="ERROR", quiet=True)
        self._consumer: Any = worker.consumer
        if observed:
            (pulse,) = (
                step for step in self._consumer.steps if type(step).__name__ == "TelemetryPulse"
            )
            pulse.start(self._consumer)
        self._request = create_request_cls(Request, self._task, Pool(), "celery@bench", None)

    def batch(self) -> float:
        """Take a batch of requests through their lives; microseconds of this thread for each."""
        requests = [self._receive(number) for number in range(BATCH)]
        consumer, received = self._consumer, signals.task_received.send
        began = time.thread_time_ns()
        for request in requests:
            consumer.perform_pending_operations()
            received(sender=consumer, request=request)
            consumer.on_task_request(request)
            request.on_accepted(1, 100.0)
            request.on_success(RESULT)
        return (time.thread_time_ns() - began) / BATCH / 1e3

    def _receive(self, number: int) -> Any:  # noqa: ANN401 - Celery's own
        headers = {"id": str(number), "task": NAME, "lang": "py", HEADER: time.time()}
        route = {"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": False}
        payload = {
            "headers": headers,
            "properties": {"delivery_info": route, "delivery_tag": number},
            "body": "",
        }
        body = ((), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None})
        return self._request(
            Transport.Channel.Message(payload, channel=None),
            app=self._app,
            task=self._task,
            hostname="celery@bench",
            headers=headers,
            body=body,
            decoded=True,
            on_ack=ignore,
        )


def ignore(*_: object, **__: object) -> None:
    """Hear of something, and do nothing."""


def instruments() -> Callable[[], float]:
    """A batch of what the SDK's instruments take to count the same in a worker, less than ours."""
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("bench")
    counters = [meter.create_counter(f"celery.task.{name}") for name in ("a", "b", "c")]
    runtime = meter.create_histogram("celery.task.runtime", unit="s")

    def batch() -> float:
        received, started, success = counters
        began = time.thread_time_ns()
        for _ in range(BATCH):
            received.add(1, {"task_name": NAME, "queue_name": "celery"})
            started.add(1, {"task_name": NAME, "queue_name": "celery"})
            success.add(1, {"task_name": NAME, "queue_name": "celery"})
            attributes = {"task_name": NAME, "queue_name": "celery", "state": "success"}
            runtime.record(0.001, attributes)
        return (time.thread_time_ns() - began) / BATCH / 1e3

    return batch


def main(rounds: int) -> None:
    """Measure, and print what each batch took."""
    logging.disable(logging.WARNING)
    bare, ours, sdk = Loop(observed=False), Loop(observed=True), instruments()
    receivers = signals.task_received.receivers
    listening = list(receivers)
    signals.task_received.connect(ignore, weak=False)
    nothing = receivers[-1:]
    costs: dict[str, list[float]] = {name: [] for name in ("bare", "signal", "ours", "sdk")}
    for _ in range(rounds):
        for name, loop, heard in (
            ("bare", bare, []),
            ("signal", bare, nothing),
            ("ours", ours, listening),
        ):
            receivers[:] = heard
            costs[name].append(loop.batch())
        costs["sdk"].append(sdk())
    sys.__stdout__.write(json.dumps(costs) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
