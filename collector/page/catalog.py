"""What the page shows of an exposition, as data: metrics by the names that workers give them.

How an exporter calls them is worked out by its own rules, so that a namespace or another
translation strategy changes nothing here.
"""

from __future__ import annotations

from typing import NamedTuple

from collector.model import Kind, Merge

OUTCOMES = (
    *("success", "failed", "retried", "ignored", "rejected", "revoked", "lost", "discarded"),
)
"""What a message can end in; each is a counter of its own."""


class Shown(NamedTuple):
    """One metric, and the labels by each of which its lines are added up."""

    name: str
    unit: str
    kind: Kind
    by: tuple[str, ...]
    how: Merge = Merge.SUM
    """What several lines are together."""


def _tasks(name: str, *others: str) -> Shown:
    return Shown(f"celery.task.{name}", "{task}", Kind.COUNTER, ("task_name", *others))


SHOWN = (
    _tasks("started"),
    *(
        _tasks(name, *{"failed": ("exception",), "lost": ("reason",)}.get(name, ()))
        for name in OUTCOMES
    ),
    Shown("celery.task.runtime", "s", Kind.HISTOGRAM, ("task_name",)),
    Shown("celery.queue.length", "{message}", Kind.GAUGE, ("queue_name",)),
    Shown("celery.queue.oldest_age", "s", Kind.GAUGE, ("queue_name",), how=Merge.MAX),
    Shown("celery.queue.reserved", "{message}", Kind.GAUGE, ("queue_name",)),
    Shown("celery.broker.blind", "{reason}", Kind.GAUGE, ("reason",), how=Merge.MAX),
    Shown("celery.worker.up", "{worker}", Kind.GAUGE, ("hostname",)),
    Shown("celery.worker.ready", "{worker}", Kind.GAUGE, ("hostname",)),
    Shown("celery.worker.pool.processes", "{process}", Kind.GAUGE, ("hostname",)),
    Shown("celery.worker.tasks.active", "{task}", Kind.GAUGE, ("hostname",)),
    Shown("celery.worker.tasks.reserved", "{task}", Kind.GAUGE, ("hostname",)),
    Shown("celery.canary.round_trip", "s", Kind.HISTOGRAM, ("hostname",)),
    Shown("celery.canary.failures", "{message}", Kind.COUNTER, ("hostname", "stage")),
    Shown("celery.api.ready", "{check}", Kind.GAUGE, ("check",), how=Merge.MIN),
)
