"""What the tasks wrote down against what Prometheus would read, when all has settled.

What is known is equal, to the last execution. What cannot be known is lost, and has a reason: an
execution that was killed, one whose worker or process was killed before it could tell, a message
that nobody had begun when its worker died.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from telemetry.catalog import OUTCOMES
from tests.chaos.watch import difference, in_hand
from tests.chaos.workers import CONCURRENCY, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.scrape import Page
    from tests.chaos.system import System

EXECUTED = ("success", "failed", "retried", "ignored", "rejected")
"""Outcomes of which a task has a row."""
NOT_EXECUTED = {("rejected", "requeued"), ("rejected", "returned")}

Key = tuple[str, str]


class Books(NamedTuple):
    """Everything, by queue and task; a queue has one worker."""

    begun: Counter[Key]
    """Executions that began, by their rows."""
    ended: dict[Key, Counter[Key]]
    """How they were about to end, by their rows: outcome and detail."""
    counted: dict[Key, Counter[Key]]
    """How they ended, by the counters."""
    lost: dict[Key, Counter[str]]
    """By reason."""
    received: Counter[Key]
    outcomes: Counter[Key]
    """Of the messages received, whatever they are."""


def books(system: System, page: Page) -> Books:
    """Read both sides."""
    begun: Counter[Key] = Counter()
    ended: dict[Key, Counter[Key]] = {}
    for node, task, outcome, detail, number in system.rows(
        "SELECT node, task, outcome, detail, count(*) FROM execution GROUP BY 1, 2, 3, 4"
    ):
        key = (node.partition("@")[0], task)
        begun[key] += number
        if outcome is not None:
            ended.setdefault(key, Counter())[outcome, detail] += number
    counted: dict[Key, Counter[Key]] = {}
    lost: dict[Key, Counter[str]] = {}
    outcomes: Counter[Key] = Counter()
    for outcome in OUTCOMES:
        for sample in page.samples(f"celery_task_{outcome}_total"):
            key = (sample.labels["queue_name"], sample.labels["task_name"])
            outcomes[key] += round(sample.value)
            detail = sample.labels.get("exception", sample.labels.get("reason", ""))
            if outcome == "lost":
                lost.setdefault(key, Counter())[detail] += round(sample.value)
            elif outcome in EXECUTED and (outcome, detail) not in NOT_EXECUTED:
                counted.setdefault(key, Counter())[outcome, detail] += round(sample.value)
    received: Counter[Key] = Counter()
    for sample in page.samples("celery_task_received_total"):
        key = (sample.labels["queue_name"], sample.labels["task_name"])
        received[key] += round(sample.value)
    return Books(begun, ended, counted, lost, received, outcomes)


def mistakes(system: System, page: Page, vanished: str) -> list[str]:
    """Whatever is not as it has to be, a sentence each; `vanished` is who died without a word."""
    found = books(system, page)
    return [*_of_the_page(page, vanished), *_of_the_books(system, found)]


def _of_the_page(page: Page, vanished: str) -> Iterator[str]:
    if difference(page):
        yield f"{difference(page):+.0f} messages were received and came to no outcome"
    if in_hand(page):
        yield f"nobody lives, yet in hand: {dict(in_hand(page))}"
    for name in ("celery_telemetry_hook_errors_total", "celery_telemetry_state_failures_total"):
        if page.sum(name):
            yield f"{name}: {page.sum_by('reason', name)}"
    up = {s.labels["hostname"]: s.value for s in page.samples("celery_worker_up")}
    alive = [name for name, value in up.items() if value and name != vanished]
    if alive:
        yield f"celery_worker_up is 1 for {alive}"
    if not up.get(vanished):
        yield f"celery_worker_up is not 1 for {vanished}, who never said that it stops"


def _of_the_books(system: System, found: Books) -> Iterator[str]:
    untold_all = 0
    for key in sorted({*found.begun, *found.counted, *system.published}):
        name = ".".join(key)
        ended, counted = found.ended.get(key, Counter()), +found.counted.get(key, Counter())
        lost = sum(found.lost.get(key, Counter()).values())
        for outcome in sorted({*ended, *counted}):
            if counted[outcome] > ended[outcome]:
                yield (
                    f"{name}: {counted[outcome]} were counted as {' '.join(outcome)}"
                    f" and {ended[outcome]} ended so"
                )
        unknown = found.begun[key] - sum(counted.values())
        if unknown > lost:
            yield f"{name}: {unknown} executions are counted as nothing, {lost} messages as lost"
        if missing := found.received[key] - found.outcomes[key]:
            yield f"{name}: {missing:+} messages were received and came to no outcome"
        untold_all += sum(ended.values()) - sum(counted.values())
        # Redis hands a message to a connection whose owner has just died; nobody ever sees it.
        if found.received[key] < system.published[key] - _deaths(system):
            yield f"{name}: {system.published[key]} were sent and {found.received[key]} received"
        if key[0] == "steady" and (unknown or lost):
            yield f"{name}: nobody was killed, yet {unknown} are unknown and {lost} lost"
    most = _deaths(system) * CONCURRENCY
    if untold_all > most:
        yield f"{untold_all} ended and were not counted; those who died had {most} in hand at most"


def _deaths(system: System) -> int:
    """How often a worker or one of its processes may have ended in the middle of something."""
    return sum(node.starts + node.killed_children for node in system.nodes)


def happened(system: System, page: Page) -> dict[str, int]:
    """How often each thing came to pass that nobody does directly, by rows and counters."""
    rows = dict(system.rows("SELECT detail, count(*) FROM execution WHERE detail <> '' GROUP BY 1"))
    again: Counter[str] = Counter()
    for kind in KINDS:
        ((number,),) = system.rows(
            "SELECT count(*) - count(DISTINCT message) FROM execution"
            f" WHERE node = '{kind.name}@chaos'"
        )
        again[f"delivered again by {kind.broker.value}"] += number
    exits = page.sum_by("reason", "celery_worker_child_exits_total")
    limit = page.sum("celery_task_lost_total", reason="time_limit")
    return {
        **again,
        "soft time limit": rows.get("SoftTimeLimitExceeded", 0),
        "hard time limit": round(limit),
        "MemoryError": rows.get("MemoryError", 0),
        **{f"pool process {reason}": round(number) for reason, number in exits.items() if number},
    }


def summary(system: System, page: Page) -> str:
    """One line of numbers."""
    found = books(system, page)
    reasons: Counter[str] = Counter()
    for lost in found.lost.values():
        reasons.update(lost)
    known = sum(sum(counted.values()) for counted in found.counted.values())
    told = ", ".join(f"{reason} {number}" for reason, number in sorted((+reasons).items()))
    retries = sum(counted["retried", ""] for counted in found.counted.values())
    again = found.received.total() - system.published.total() - retries
    return (
        f"{found.begun.total()} executions: {known} counted as what they were; "
        f"{found.received.total()} messages received, {again:+} to those sent; "
        f"lost: {told or 'none'}"
    )
