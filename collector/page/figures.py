"""An exposition and the collector's own samples -> the few sums that the page shows.

In: text 0.0.4 as `/metrics` gives it, so that both say the same. Out: sums by task, queue and
worker. Of labels only those named here are read, whatever else the rules let through.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.self_metrics import Sample

BY_LABEL = {
    "celery_task_started_total": "task_name",
    "celery_task_success_total": "task_name",
    "celery_task_failed_total": "task_name",
    "celery_task_retried_total": "task_name",
    "celery_task_lost_total": "task_name",
    "celery_task_runtime_seconds_sum": "task_name",
    "celery_task_runtime_seconds_count": "task_name",
    "celery_queue_length": "queue_name",
    "celery_worker_up": "hostname",
    "celery_worker_tasks_active": "hostname",
    "celery_worker_tasks_reserved": "hostname",
}
"""What is shown, by the one label that tells its lines apart; names as `portless catalog` has."""
OWN = ("portless_streams", "portless_series")
REDACTED = "portless_redacted_streams"

_LINE = re.compile(r"([\w:]+)(?:\{(.*)\})? (\S+)(?: -?\d+)?")
_LABEL = re.compile(r'([^=,]+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")

Figures = dict[str, dict[str, float]]


def shown(expositions: Iterable[str]) -> Figures:
    """Add up what is shown, per value of its label; a line that is not a number is left out."""
    sums: dict[str, dict[str, float]] = {name: defaultdict(float) for name in BY_LABEL}
    for text in expositions:
        for line in text.splitlines():
            found = _LINE.fullmatch(line)
            if found and found[1] in sums:
                value = float(found[3])
                if abs(value) < float("inf"):  # neither infinite nor NaN, which JSON lacks
                    sums[found[1]][_value(found[2] or "", BY_LABEL[found[1]])] += value
    return {name: dict(by) for name, by in sums.items()}


def redaction(samples: Iterable[Sample]) -> Figures:
    """Tell how many streams became how many series, and by which keys: counts, no value."""
    totals: dict[str, float] = defaultdict(float)
    keys: dict[str, float] = defaultdict(float)
    for sample in samples:
        if sample.name in OWN:
            totals[sample.name] += sample.value
        elif sample.name == REDACTED:
            keys[dict(sample.labels)["key"]] += sample.value
    return {"totals": dict(totals), "keys": dict(keys)}


def _value(labels: str, wanted: str) -> str:
    for name, value in _LABEL.findall(labels):
        if name == wanted:
            return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value)
    return ""
