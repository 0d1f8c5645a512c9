"""What the dashboard shows: rows of panels, each with its question, its unit and its PromQL.

In: nothing. Out: `ROWS`, plain values that know nothing of Grafana's JSON. The metrics are those of
telemetry/catalog.py, the collector's own and, in one row, those of the demo; a test holds every
expression to that, and another one asks a real Prometheus.
"""

from __future__ import annotations

from typing import NamedTuple

from telemetry.catalog import OUTCOMES

CHOSEN = '{task_name=~"$task",queue_name=~"$queue"}'
RATE = "suffix: tasks/s"
COUNT = "suffix: tasks"
SECONDS = "s"
SHARE = "percentunit"
NUMBER = "none"


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


class Row(NamedTuple):
    """Panels under a headline; they share its width."""

    title: str
    panels: tuple[Panel, ...]
    numbers: bool = False
    """Large numbers, not lines."""


def panel(title: str, unit: str, description: str, *queries: tuple[str, str]) -> Panel:
    """Make a panel; queries are pairs of legend and expression."""
    made = tuple(Query(expression, legend) for legend, expression in queries)
    return Panel(title, unit, description, made)


def rate(metric: str, by: str = "", chosen: str = CHOSEN) -> str:
    """Sum of increases a second, maybe by labels."""
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}{chosen}[$__rate_interval]))"


def grown(metric: str, by: str, chosen: str = CHOSEN) -> str:
    """How much counters grew in an interval of the graph, by a label."""
    return f"sum by ({by}) (increase({metric}{chosen}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", chosen: str = CHOSEN) -> str:
    """Quantile of a histogram, maybe by a label."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, chosen)})"


def quantiles(metric: str, chosen: str = CHOSEN) -> tuple[tuple[str, str], ...]:
    """Median, and what the slowest see."""
    shares = (0.5, 0.95, 0.99)
    return tuple((f"p{share * 100:.0f}", quantile(share, metric, "", chosen)) for share in shares)


def success_share(by: str = "") -> str:
    """Success among what ended for good: neither retried nor turned away."""
    success, failed, lost = (
        rate(f"celery_task_{outcome}_total", by) for outcome in ("success", "failed", "lost")
    )
    return f"{success} / ({success} + {failed} + {lost})"


NOW = Row(
    "Now",
    (
        panel(
            "Started",
            RATE,
            "Tasks that began to run.",
            ("started", rate("celery_task_started_total")),
        ),
        panel(
            "Success share",
            SHARE,
            "Of the tasks that succeeded, failed or were lost. Retries count when they end.",
            ("success", success_share()),
        ),
        panel(
            "Lost",
            RATE,
            "Tasks that never ended: their process died, ran out of time, or the worker left.",
            ("lost", rate("celery_task_lost_total")),
        ),
        panel(
            "Queue wait, p95",
            SECONDS,
            "From publishing, or from the ETA if that is later, until the task began to run.",
            ("p95", quantile(0.95, "celery_task_queue_wait_seconds")),
        ),
        panel(
            "Workers",
            NUMBER,
            "Workers that report.",
            ("workers", "sum(celery_worker_up)"),
        ),
        panel(
            "Slots in use",
            SHARE,
            "Tasks that run, of the processes, threads or greenlets there are for them.",
            ("in use", "sum(celery_worker_tasks_active) / sum(celery_worker_pool_processes)"),
        ),
    ),
    numbers=True,
)

TASKS = Row(
    "Tasks",
    (
        panel(
            "Tasks by outcome",
            RATE,
            "Every message that a worker receives ends in exactly one of these.",
            *((outcome, rate(f"celery_task_{outcome}_total")) for outcome in OUTCOMES),
        ),
        panel(
            "Started by task",
            RATE,
            "Tasks that began to run.",
            ("{{task_name}}", rate("celery_task_started_total", "task_name")),
        ),
        panel(
            "Success share by task",
            SHARE,
            "Of the executions that succeeded, failed or were lost.",
            ("{{task_name}}", success_share("task_name")),
        ),
    ),
)

TROUBLE = Row(
    "Trouble",
    (
        panel(
            "Exceptions",
            RATE,
            "Tasks that raised, by class of the exception.",
            (
                "{{exception}} in {{task_name}}",
                rate(
                    "celery_task_failed_total",
                    "task_name, exception",
                    CHOSEN.replace("}", ',exception!=""}'),
                ),
            ),
        ),
        panel(
            "Lost tasks by reason",
            COUNT,
            "Nothing of them came back: their process was killed, they took longer than their "
            "hard time limit, or the worker or its connection went away.",
            ("{{reason}}", grown("celery_task_lost_total", "reason")),
        ),
        panel(
            "Discarded messages by reason",
            "suffix: messages",
            "They were no task of the worker: its name is unknown there, it is invalid, or it "
            "cannot be decoded. Their own names are not shown: anybody could choose them.",
            (
                "{{reason}}",
                grown("celery_task_discarded_total", "reason", '{queue_name=~"$queue"}'),
            ),
        ),
        panel(
            "Revoked and rejected by reason",
            COUNT,
            "They were not run, or would not run.",
            ("revoked: {{reason}}", grown("celery_task_revoked_total", "reason")),
            ("rejected: {{reason}}", grown("celery_task_rejected_total", "reason")),
        ),
    ),
)

TIME = Row(
    "Time",
    (
        panel(
            "Runtime",
            SECONDS,
            "How long tasks ran, of those that ended by themselves.",
            *quantiles("celery_task_runtime_seconds"),
        ),
        panel(
            "Runtime by task, p95",
            SECONDS,
            "How long tasks ran, of those that ended by themselves.",
            ("{{task_name}}", quantile(0.95, "celery_task_runtime_seconds", "task_name")),
        ),
        panel(
            "Queue wait by queue, p95",
            SECONDS,
            "From publishing, or from the ETA if that is later, until the task began to run.",
            ("{{queue_name}}", quantile(0.95, "celery_task_queue_wait_seconds", "queue_name")),
        ),
        panel(
            "Sent and received",
            RATE,
            "What publishers sent and what workers got; the gap is in the queues.",
            ("sent", rate("celery_task_sent_total")),
            ("received", rate("celery_task_received_total")),
        ),
    ),
)

WORKERS = Row(
    "Workers",
    (
        panel(
            "Running and reserved",
            COUNT,
            "Tasks in the hands of each worker; reserved ones have not begun, among them those "
            "that wait for their ETA.",
            ("{{hostname}} running", "sum by (hostname) (celery_worker_tasks_active)"),
            ("{{hostname}} reserved", "sum by (hostname) (celery_worker_tasks_reserved)"),
        ),
        panel(
            "Up, and slots",
            NUMBER,
            "1 for a worker that reports; slots are processes, threads or greenlets.",
            ("{{hostname}} up", "sum by (hostname) (celery_worker_up)"),
            ("{{hostname}} slots", "sum by (hostname) (celery_worker_pool_processes)"),
        ),
        panel(
            "Pool processes that ended",
            "suffix: processes",
            "Recycled and stopped are business as usual; killed is somebody's SIGKILL, often that "
            "of a kernel short of memory.",
            ("{{reason}}", grown("celery_worker_child_exits_total", "reason", "")),
        ),
    ),
)

IN_QUEUE = '{queue_name=~"$queue"}'
QUEUES = Row(
    "Queues",
    (
        panel(
            "Waiting and reserved",
            "suffix: messages",
            "Waiting messages are in the broker, reserved ones in the hands of workers that have "
            "not begun them.",
            ("{{queue_name}} waiting", f"sum by (queue_name) (celery_queue_length{IN_QUEUE})"),
            ("{{queue_name}} reserved", f"sum by (queue_name) (celery_queue_reserved{IN_QUEUE})"),
        ),
        panel(
            "Age of the next message",
            SECONDS,
            "How long the message that will be taken next has waited, since its ETA if it has one.",
            (
                "{{queue_name}}",
                f"max by (queue_name) (celery_queue_oldest_age_seconds{IN_QUEUE})",
            ),
        ),
        panel(
            "Rows of an SQL broker",
            "suffix: rows",
            "kombu deletes no message that was delivered: those rows are invisible and only grow.",
            ("{{state}}", "sum by (state) (celery_broker_rows)"),
        ),
        panel(
            "Size of an SQL broker's messages",
            "bytes",
            "On disk, with indexes.",
            ("{{instance}}", "max by (instance) (celery_broker_table_size_bytes)"),
        ),
        panel(
            "Blind",
            NUMBER,
            "1 while something of the broker cannot be read, by reason; what is not read is not "
            "in the other graphs.",
            ("{{reason}}", "max by (reason) (celery_broker_blind)"),
        ),
    ),
)

BUSINESS = Row(
    "Business: the demo's own metrics, which carry a tenant as far as the collector",
    (
        panel(
            "Tokens",
            "suffix: tokens/s",
            "All tenants in one exact sum. Put your own counters here.",
            ("tokens", rate("shop_llm_tokens_total", chosen="")),
        ),
        panel(
            "From click to purchase",
            SECONDS,
            "All tenants in one exact histogram.",
            *quantiles("shop_conversion_delay_seconds", chosen=""),
        ),
    ),
)

TELEMETRY = Row(
    "Telemetry itself",
    (
        panel(
            "Points at the collector",
            "suffix: points/s",
            "Data points that were pushed.",
            ("accepted", rate("otelcol_receiver_accepted_metric_points", chosen="")),
            ("refused", rate("otelcol_receiver_refused_metric_points", chosen="")),
        ),
        panel(
            "Refused points by reason",
            "suffix: points",
            "What the embedded collector could not place, and why. Should be 0.",
            ("{{reason}}", grown("portless_refused_points", "reason", "")),
        ),
        panel(
            "Streams in, series out",
            NUMBER,
            "What the embedded collector keeps: streams with all their labels, and the series "
            "that they become without tenants.",
            ("streams", "sum(portless_streams)"),
            ("series", "sum(portless_series)"),
        ),
        panel(
            "Trouble in workers",
            NUMBER,
            "Exports that the collector did not take (numbers are cumulative and catch up), and "
            "measurements that a limit has put under 'other'.",
            (
                "exports failed: {{instance}}",
                grown("celery_telemetry_export_failures_total", "instance", ""),
            ),
            ("over a limit: {{reason}}", grown("celery_telemetry_overflow_total", "reason", "")),
        ),
    ),
)

ROWS = (NOW, TASKS, TROUBLE, TIME, QUEUES, WORKERS, BUSINESS, TELEMETRY)
