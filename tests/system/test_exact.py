"""exact.yaml on the real Collector: workers are not told apart, and sums are right all the same."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from demo.scrape import Page
from tests.collector import otlp
from tests.collector.real import OTELCOL, needs_otelcol
from tests.conformance.cases import Form, Request
from tests.conformance.served import serve
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.served import Served

COMMAND = [OTELCOL, f"--config={ROOT / 'otel-collector.yaml'}", "--config"]
EXACT = ROOT / "deploy" / "otelcol" / "exact.yaml"
STREAMS = [(task, tenant) for task in ("send", "bill") for tenant in ("acme", "globex", "initech")]
BOUNDS = (1.0,)
PUSHES = 8
PATIENCE_SECONDS = 30.0
"""A guard against waiting for ever, not a promise."""

pytestmark = needs_otelcol


@pytest.fixture
def served() -> Iterator[Served]:
    """The real Collector with both files."""
    with serve(COMMAND, EXACT, batches=False) as running:
        yield running


class Pushing:
    """A worker: totals that grow, told in requests that are cut and put together at random."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.truth: dict[str, int] = defaultdict(int)
        """By task, over all lives and tenants."""
        self._who = {"service.name": "celery", "service.instance.id": name}
        self._chance = chance
        self.start()

    def start(self) -> None:
        """Begin at zero, as after a restart."""
        self._began = time.time_ns()
        self._totals = dict.fromkeys(STREAMS, 0)

    def requests(self) -> list[bytes]:
        """Count on, and tell of every stream, each once or twice, in any order and company."""
        for stream in STREAMS:
            more = self._chance.randrange(5)
            self._totals[stream] += more
            self.truth[stream[0]] += more
        now = time.time_ns()
        told = [
            (add, stream)
            for stream in STREAMS
            for add in (self._counter, self._histogram)
            for _ in range(self._chance.choice((1, 1, 2)))
        ]
        self._chance.shuffle(told)
        made = []
        while told:
            request = otlp.Request()
            for _ in range(min(len(told), self._chance.randrange(1, 6))):
                add, stream = told.pop()
                add(request, stream, now)
            made.append(request.bytes())
        return made

    def _counter(self, request: otlp.Request, stream: tuple[str, str], now: int) -> None:
        value = self._totals[stream]
        request.counter(
            "lab.orders", _labels(stream), value, start=self._began, time=now, resource=self._who
        )

    def _histogram(self, request: otlp.Request, stream: tuple[str, str], now: int) -> None:
        low, total = self._totals[stream] // 2, self._totals[stream]
        request.histogram(
            *("lab.amount", _labels(stream), BOUNDS, (low, total - low), 0.5 * total),
            start=self._began,
            time=now,
            resource=self._who,
        )

    def gauge(self, value: int) -> bytes:
        """What two tenants wait for, in one request."""
        request, now = otlp.Request(), time.time_ns()
        metric = request.metric("lab.waiting", self._who)
        metric.gauge.SetInParent()
        for tenant in ("acme", "globex"):
            labels = _labels(("send", tenant))
            otlp.number(metric, labels, value, time_unix_nano=now)
        return request.bytes()


def _labels(stream: tuple[str, str]) -> dict[str, str]:
    task, tenant = stream
    return {"task_name": task, "tenant_id": tenant}


def test_workers_add_up_without_an_instance(served: Served) -> None:
    """Three workers push in cut requests, one restarts: each task has one exact series.

    Gauges keep `instance`, and no tenant is named.
    """
    chance = random.Random(7)
    workers = [Pushing(f"w{number}", chance) for number in range(3)]
    for push in range(PUSHES):
        if push == PUSHES // 2:
            workers[0].start()
        made = [body for worker in workers for body in worker.requests()]
        made.append(workers[push % 3].gauge(push))
        for body in made:
            assert served.post(Request(body, "application/x-protobuf")) == "200"
    truth: dict[str, float] = defaultdict(float)
    for worker in workers:
        for task, number in worker.truth.items():
            truth[task] += number
    page = _page_when(served, lambda page: page.sum_by("task_name", "lab_orders_total") == truth)
    for name, each in (("count", 1.0), ("sum", 0.5)):
        amounts = page.sum_by("task_name", f"lab_amount_{name}")
        assert amounts == {task: each * number for task, number in truth.items()}
    assert [sample.labels for sample in page.samples("lab_orders_total", task_name="send")] == [
        {"job": "celery", "task_name": "send"}
    ]
    waiting = page.sum_by("instance", "lab_waiting", task_name="send")
    assert waiting == {"w0": 12.0, "w1": 14.0, "w2": 10.0}
    assert not any(tenant in page.text for _, tenant in STREAMS)


def _page_when(served: Served, right: Callable[[Page], bool]) -> Page:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not right(page := Page(served.scrape(Form.TEXT))):
        assert time.monotonic() < deadline, page.text
        time.sleep(0.1)
    return page
