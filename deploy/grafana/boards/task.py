"""How long tasks run and wait, and what becomes of them."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.boards import shared
from deploy.grafana.panels import COUNT, RATE, SECONDS, TASKS, grown, number, panel, rate

RUNTIME = "celery_task_runtime_seconds"
WAIT = "celery_task_queue_wait_seconds"
SPENT = rate(f"{RUNTIME}_sum", TASKS, "state")
ENDED = rate(f"{RUNTIME}_count", TASKS, "state")

NOW = panels.Row(
    "Now",
    (
        number(
            "Received",
            RATE,
            "Messages that workers got.",
            rate("celery_task_received_total", TASKS),
        ),
        shared.SUCCESS_SHARE,
        number(
            "Runtime, p95",
            SECONDS,
            "How long tasks ran, of those that ended by themselves.",
            panels.quantile(0.95, RUNTIME, TASKS),
        ),
        number(
            "Queue wait, p95",
            SECONDS,
            "From publishing, or from the ETA if that is later, until the task began to run.",
            panels.quantile(0.95, WAIT, TASKS),
        ),
    ),
)

TIME = panels.Row(
    "Runtime",
    (
        panel(
            "Runtime",
            SECONDS,
            "How long tasks ran, of those that ended by themselves.",
            *panels.quantiles(RUNTIME, TASKS),
        ),
        panels.heatmap(
            "Runtimes",
            SECONDS,
            "How many tasks ran for how long; a second band is a second way.",
            RUNTIME,
            TASKS,
        ),
        panel(
            "Runtime by task, p95",
            SECONDS,
            "How long tasks ran, of those that ended by themselves.",
            ("{{task_name}}", panels.quantile(0.95, RUNTIME, TASKS, "task_name")),
        ),
    ),
)

WAITING = panels.Row(
    "Wait",
    (
        panel(
            "Queue wait",
            SECONDS,
            "From publishing, or from the ETA if that is later, until the task began to run.",
            *panels.quantiles(WAIT, TASKS),
        ),
        panels.heatmap("Waits", SECONDS, "How many tasks waited for how long.", WAIT, TASKS),
        panel(
            "Mean runtime by state",
            SECONDS,
            "Tasks that fail slowly hold a slot as long as those that succeed.",
            (
                "{{state}}",
                f"{SPENT} / {ENDED}",
            ),
        ),
    ),
)

BECAME = panels.Row(
    "What became of them",
    (
        shared.OUTCOMES,
        panel(
            "Exceptions",
            RATE,
            "Tasks that raised, by class of the exception.",
            (
                "{{exception}} in {{task_name}}",
                rate("celery_task_failed_total", f'{TASKS},exception!=""', "task_name, exception"),
            ),
        ),
        panel(
            "Revoked, rejected and lost by reason",
            COUNT,
            "They were not run, would not run, or never came back.",
            ("revoked: {{reason}}", grown("celery_task_revoked_total", TASKS, "reason")),
            ("rejected: {{reason}}", grown("celery_task_rejected_total", TASKS, "reason")),
            ("lost: {{reason}}", grown("celery_task_lost_total", TASKS, "reason")),
        ),
    ),
)

OWN = panels.Row(
    "Their own metrics: the demo's, which carry a tenant as far as the collector; put yours here",
    (
        panel(
            "Tokens",
            "suffix: tokens/s",
            "A counter that tasks of the demo record. All tenants in one exact sum.",
            ("tokens", rate("shop_llm_tokens_total", panels.SYSTEM)),
        ),
        panel(
            "From click to purchase",
            SECONDS,
            "A histogram that tasks of the demo record. All tenants in one exact histogram.",
            *panels.quantiles("shop_conversion_delay_seconds", panels.SYSTEM),
        ),
    ),
)

BOARD = panels.Board(
    "task",
    "Celery / Task",
    "How long tasks run and wait, and what becomes of them.",
    (panels.CLUSTER, panels.JOB, panels.QUEUE, panels.TASK),
    (NOW, TIME, WAITING, BECAME, OWN),
)
