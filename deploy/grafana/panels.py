"""Words for dashboards: boards of rows of panels, each with a question, a unit and its PromQL.

In: nothing. Out: plain values that know nothing of Grafana's JSON, and the few shapes of PromQL
that boards/ is written in. Labels of a cluster, a job and so on are chosen at the top of a board;
where a label does not exist its choice matches everything.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

SYSTEM = 'cluster=~"$cluster",job=~"$job"'
TASKS = f'{SYSTEM},queue_name=~"$queue",task_name=~"$task"'
QUEUES = f'{SYSTEM},queue_name=~"$queue"'
WORKERS = f'{SYSTEM},hostname=~"$worker"'
NODES = f'{SYSTEM},instance=~"($worker)(/.*)?"'
"""Of workers and of the processes of their pools, which are called NODE/SLOT."""
COLLECTORS = 'cluster=~"$cluster",instance=~"$collector"'

RATE = "suffix: tasks/s"
COUNT = "suffix: tasks"
MESSAGES = "suffix: messages"
POINTS = "suffix: points/s"
SECONDS = "s"
SHARE = "percentunit"
NUMBER = "none"


class Choice(NamedTuple):
    """What can be chosen at the top of a board: the values of a metric's label."""

    name: str
    metric: str
    label: str


CLUSTER = Choice("cluster", "celery_worker_up", "cluster")
JOB = Choice("job", "celery_worker_up", "job")
QUEUE = Choice("queue", "celery_task_received_total", "queue_name")
TASK = Choice("task", "celery_task_received_total", "task_name")
WORKER = Choice("worker", "celery_worker_up", "hostname")
COLLECTOR = Choice("collector", "otelcol_receiver_accepted_metric_points", "instance")


class Look(enum.Enum):
    """What a panel looks like."""

    LINES = "lines"
    NUMBER = "number"
    HEATMAP = "heatmap"


class Query(NamedTuple):
    """A PromQL expression, and what its series are called."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """One graph, or one large number."""

    title: str
    unit: str
    """Grafana's id of a unit, or `suffix:` and the unit's name."""
    description: str
    queries: tuple[Query, ...]
    look: Look
    bad: bool
    """Whether a large number is red above 0."""


class Row(NamedTuple):
    """Panels under a headline; they share its width."""

    title: str
    panels: tuple[Panel, ...]


class Board(NamedTuple):
    """One dashboard."""

    name: str
    """Of its file and its address, after `celery-`."""
    title: str
    description: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]


def panel(title: str, unit: str, description: str, *queries: tuple[str, str]) -> Panel:
    """Make a graph of lines; queries are pairs of legend and expression."""
    made = tuple(Query(expression, legend) for legend, expression in queries)
    return Panel(title, unit, description, made, Look.LINES, bad=False)


def number(title: str, unit: str, description: str, expression: str, *, bad: bool = False) -> Panel:
    """Make a large number."""
    queries = (Query(expression, title.lower()),)
    return Panel(title, unit, description, queries, Look.NUMBER, bad)


def heatmap(title: str, unit: str, description: str, metric: str, chosen: str) -> Panel:
    """Make a heatmap of a histogram: colour is how many fell into a bucket."""
    queries = (
        Query(f"sum by (le) (increase({metric}_bucket{{{chosen}}}[$__rate_interval]))", "{{le}}"),
    )
    return Panel(title, unit, description, queries, Look.HEATMAP, bad=False)


def rate(metric: str, chosen: str, by: str = "") -> str:
    """Sum of increases a second, maybe by labels."""
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}{{{chosen}}}[$__rate_interval]))"


def grown(metric: str, chosen: str, by: str = "") -> str:
    """How much counters grew in an interval of the graph, maybe by labels."""
    return f"sum{f' by ({by}) ' if by else ''}(increase({metric}{{{chosen}}}[$__rate_interval]))"


def of(metric: str, chosen: str, by: str = "", how: str = "sum") -> str:
    """A gauge, added up or otherwise put together, maybe by labels."""
    return f"{how}{f' by ({by}) ' if by else ''}({metric}{{{chosen}}})"


def quantile(share: float, metric: str, chosen: str, by: str = "") -> str:
    """Quantile of a histogram, maybe by a label."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', chosen, labels)})"


def quantiles(metric: str, chosen: str) -> tuple[tuple[str, str], ...]:
    """Median, and what the slowest see."""
    shares = (0.5, 0.95, 0.99)
    return tuple((f"p{share * 100:.0f}", quantile(share, metric, chosen)) for share in shares)


def success_share(chosen: str, by: str = "") -> str:
    """Success among what ended for good: neither retried nor turned away."""
    success, failed, lost = (
        rate(f"celery_task_{outcome}_total", chosen, by)
        for outcome in ("success", "failed", "lost")
    )
    return f"{success} / ({success} + {failed} + {lost})"
