"""Somebody who scrapes all the time, and compares each page with itself and with the one before.

At any scrape the messages received are those that came to an outcome, those that are lost, and
those that the workers have in hand; and no counter has gone down.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from telemetry.catalog import OUTCOMES

if TYPE_CHECKING:
    from pathlib import Path

    from demo.scrape import Page
    from tests.chaos.system import System
    from tests.support.collector import Collector

INTERVAL_SECONDS = 0.25
SENTENCES_MAX = 10
_IN_HAND = ("celery_worker_tasks_active", "celery_worker_tasks_reserved")
_COUNTERS = tuple(f"celery_task_{name}_total" for name in ("received", "started", *OUTCOMES))


def in_hand(page: Page) -> Counter[str]:
    """What each worker has, begun or not."""
    found: Counter[str] = Counter()
    for name in _IN_HAND:
        for sample in page.samples(name):
            found[sample.labels["hostname"]] += round(sample.value)
    return Counter({worker: number for worker, number in found.items() if number})


def difference(page: Page) -> int:
    """Messages that were received, and are neither anywhere nor anything."""
    outcomes = sum(page.sum(f"celery_task_{outcome}_total") for outcome in OUTCOMES)
    return round(page.sum("celery_task_received_total") - outcomes) - in_hand(page).total()


class Watch:
    """Scrapes in a thread from `start` to `end`."""

    def __init__(self, system: System, directory: Path) -> None:
        self.scrapes = 0
        self.wrong: list[str] = []
        """Sentences about pages that are wrong, `SENTENCES_MAX` and the pages themselves."""
        self._system = system
        self._directory = directory
        self._before: tuple[Collector, Page] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """No more scrapes."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(INTERVAL_SECONDS) and len(self.wrong) < SENTENCES_MAX:
            collector = self._system.collector
            try:
                page = collector.page()
            except (OSError, ValueError):  # it was killed while it answered
                continue
            self.scrapes += 1
            self._judge(collector, page)
            self._before = (collector, page)

    def _judge(self, collector: Collector, page: Page) -> None:
        wrong = []
        if missing := difference(page):
            wrong.append(f"{missing:+} messages received")
        if self._before is not None:
            last, before = self._before
            if last is collector or not self._system.forgets:
                wrong += _fallen(before, page)
        if wrong:
            (self._directory / f"page-{self.scrapes}.txt").write_text(page.text)
            if self._before is not None:
                path = self._directory / f"page-{self.scrapes - 1}.txt"
                path.write_text(self._before[1].text)
        self.wrong += [f"scrape {self.scrapes}: {sentence}" for sentence in wrong]


def _fallen(before: Page, now: Page) -> list[str]:
    """Counters that were more."""
    values = {
        (name, *sample.labels.items()): sample.value
        for name in _COUNTERS
        for sample in now.samples(name)
    }
    return [
        f"{name}{sample.labels} fell from {sample.value:.0f}"
        for name in _COUNTERS
        for sample in before.samples(name)
        if values.get((name, *sample.labels.items()), 0) < sample.value
    ]
