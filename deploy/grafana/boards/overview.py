"""Is work done, is the queue draining, is anything lost, is the telemetry itself lying."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.boards import shared
from deploy.grafana.panels import (
    COUNT,
    MESSAGES,
    NUMBER,
    POINTS,
    QUEUES,
    RATE,
    SHARE,
    SYSTEM,
    TASKS,
    grown,
    number,
    of,
    panel,
    rate,
)

NOW = panels.Row(
    "Now",
    (
        number(
            "Started", RATE, "Tasks that began to run.", rate("celery_task_started_total", TASKS)
        ),
        shared.SUCCESS_SHARE,
        number("Workers", NUMBER, "Workers that report.", of("celery_worker_up", SYSTEM)),
        shared.VANISHED,
        shared.LOAD,
        number(
            "Alerts",
            NUMBER,
            "Alerts of this system that fire.",
            'count(ALERTS{alertname=~"Celery.*",alertstate="firing"}) or vector(0)',
            bad=True,
        ),
    ),
)

WORK = panels.Row(
    "Is work done?",
    (
        shared.OUTCOMES,
        panel(
            "Started by task",
            RATE,
            "Tasks that began to run.",
            ("{{task_name}}", rate("celery_task_started_total", TASKS, "task_name")),
        ),
        panel(
            "Success share by task",
            SHARE,
            "Of the executions that succeeded, failed or were lost.",
            ("{{task_name}}", panels.success_share(TASKS, "task_name")),
        ),
    ),
)

DRAINING = panels.Row(
    "Is the queue draining?",
    (
        panel(
            "Waiting",
            MESSAGES,
            "Messages in the broker that no worker has yet.",
            ("{{queue_name}}", of("celery_queue_length", QUEUES, "queue_name")),
        ),
        shared.AGE,
        panel(
            "Sent and received",
            RATE,
            "What publishers sent and what workers got; the gap is in the queues.",
            ("sent", rate("celery_task_sent_total", TASKS)),
            ("received", rate("celery_task_received_total", TASKS)),
        ),
    ),
)

LOST = panels.Row(
    "Is anything lost?",
    (
        panel(
            "Lost tasks by reason",
            COUNT,
            "Nothing of them came back: their process was killed, they took longer than their hard "
            "time limit, or the worker or its connection went away.",
            ("{{reason}}", grown("celery_task_lost_total", TASKS, "reason")),
        ),
        panel(
            "Discarded messages by reason",
            MESSAGES,
            "They were no task of the worker: its name is unknown there, it is invalid, or it "
            "cannot be decoded. Their own names are not shown: anybody could choose them.",
            ("{{reason}}", grown("celery_task_discarded_total", QUEUES, "reason")),
        ),
        panel(
            "Tasks whose own metrics are missing",
            COUNT,
            "A pool process ended before it had pushed what these tasks recorded themselves; what "
            "became of them is known all the same.",
            ("{{reason}}", grown("celery_telemetry_unexported_total", SYSTEM, "reason")),
        ),
    ),
)

LYING = panels.Row(
    "Is the telemetry itself lying?",
    (
        panel(
            "Points at the collector",
            POINTS,
            "Data points that were pushed. Where it is 0, everything above is old.",
            ("accepted", rate("otelcol_receiver_accepted_metric_points", 'cluster=~"$cluster"')),
            ("refused", rate("otelcol_receiver_refused_metric_points", 'cluster=~"$cluster"')),
        ),
        shared.BALANCE,
        panel(
            "Exports that failed",
            NUMBER,
            "The collector did not take them; numbers are cumulative and catch up.",
            ("{{instance}}", grown("celery_telemetry_export_failures_total", SYSTEM, "instance")),
        ),
        shared.BLIND,
    ),
)

BOARD = panels.Board(
    "overview",
    "Celery / Overview",
    "Is work done, is the queue draining, is anything lost, is the telemetry itself lying.",
    (panels.CLUSTER, panels.JOB, panels.QUEUE, panels.TASK),
    (NOW, WORK, DRAINING, LOST, LYING),
)
