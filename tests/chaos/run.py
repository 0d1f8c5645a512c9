"""A run: everything starts, is hurt for a while, settles, ends, and is held to account."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.account import happened, mistakes, summary
from tests.chaos.system import EXPORT_INTERVAL_SECONDS, running
from tests.chaos.violence import Violence
from tests.chaos.watch import Watch, in_hand

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.system import System

SETTLE_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 30.0
LAST = "threads"
"""The worker that is killed at the end and never comes back."""


class Result(NamedTuple):
    """What is left of a run."""

    mistakes: list[str]
    """Sentences; none if all is right."""
    acts: dict[str, int]
    """What was done, and what came of it, each with how often it happened."""
    summary: str


def run(directory: Path, seed: int, seconds: float) -> Result:
    """Hurt a system for so long; `seed` decides what is done. Raises AssertionError, Ended."""
    with running(directory, seed) as system:
        watch = Watch(system, directory)
        watch.start()
        violence = Violence(system, random.Random(seed))
        found = []
        try:
            violence.rage(seconds)
            _settle(system)
            _end(system)
        except AssertionError as error:
            found.append(str(error))
        finally:
            watch.end()
        page = system.page()
        (directory / "page-last.txt").write_text(page.text)
        found += [*watch.wrong, *mistakes(system, page, f"{LAST}@chaos")]
        told = f"{summary(system, page)}; {watch.scrapes} scrapes"
        return Result(found, {**violence.done, **happened(system, page)}, told)


def _settle(system: System) -> None:
    """Until every worker is back, the broker has nothing and nobody has anything in hand."""

    def unsettled() -> str:
        page = system.page()
        for node in system.nodes:
            if node.is_old and not page.sum("celery_worker_up", hostname=node.name):
                node.ask(signal.SIGTERM)  # it said its last word, and does not come to its end
        if waiting := system.waiting():
            return f"{waiting} messages wait in the broker"
        return f"in hand: {dict(in_hand(page))}" if in_hand(page) else ""

    system.wait(system.unready, SETTLE_SECONDS_MAX)
    system.wait(unsettled, SETTLE_SECONDS_MAX)
    time.sleep(2 * EXPORT_INTERVAL_SECONDS)
    system.wait(unsettled, SETTLE_SECONDS_MAX)


def _end(system: System) -> None:
    """One worker is killed at work and never comes back; the others end well."""
    (last,) = (node for node in system.nodes if node.kind.name == LAST)
    for _ in range(3):
        system.publish(last.kind, "slow", 600)

    def idle() -> str:
        active = system.page().sum("celery_worker_tasks_active", hostname=last.name)
        return "" if active else f"{last.name} does not begin to work"

    system.wait(idle)
    last.kill()
    others = [node for node in system.nodes if node is not last]
    for node in others:
        node.ask(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while any(node.lives for node in others) and time.monotonic() < deadline:
        time.sleep(0.1)
    for node in system.nodes:  # a pool that waits for a lock which died with a process never ends
        node.end()
    flushed = system.flush()
    assert flushed.returncode == 0, flushed.stdout + flushed.stderr
