"""How deep and how old queues are, whether they drain, and what a broker's tables keep."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.boards import shared
from deploy.grafana.panels import (
    MESSAGES,
    NUMBER,
    QUEUES,
    RATE,
    SECONDS,
    SYSTEM,
    grown,
    number,
    of,
    panel,
    rate,
)

AGE = "celery_queue_oldest_age_seconds"

NOW = panels.Row(
    "Now",
    (
        number(
            "Waiting now", MESSAGES, "Messages in the broker.", of("celery_queue_length", QUEUES)
        ),
        number(
            "Oldest",
            SECONDS,
            "How long the oldest of the messages that will be taken next has waited.",
            of(AGE, QUEUES, how="max"),
        ),
        shared.LOAD,
        number(
            "Blind",
            NUMBER,
            "Reasons for which something of the broker cannot be read now.",
            of("celery_broker_blind", SYSTEM),
            bad=True,
        ),
    ),
)

DEPTH = panels.Row(
    "Depth and age",
    (
        panel(
            "Waiting and reserved",
            MESSAGES,
            "Waiting messages are in the broker, reserved ones in the hands of workers that have "
            "not begun them.",
            ("{{queue_name}} waiting", of("celery_queue_length", QUEUES, "queue_name")),
            ("{{queue_name}} reserved", of("celery_queue_reserved", QUEUES, "queue_name")),
        ),
        shared.AGE,
        panel(
            "Queue wait by queue, p95",
            SECONDS,
            "From publishing, or from the ETA if that is later, until the task began to run.",
            (
                "{{queue_name}}",
                panels.quantile(0.95, "celery_task_queue_wait_seconds", QUEUES, "queue_name"),
            ),
        ),
    ),
)

FLOW = panels.Row(
    "Do they drain?",
    (
        panel(
            "Sent",
            RATE,
            "What instrumented publishers sent, by queue.",
            ("{{queue_name}}", rate("celery_task_sent_total", QUEUES, "queue_name")),
        ),
        panel(
            "Received by queue",
            RATE,
            "What workers got, by queue.",
            ("{{queue_name}}", rate("celery_task_received_total", QUEUES, "queue_name")),
        ),
        panel(
            "Growth",
            "suffix: messages/s",
            "How fast queues get longer, over a quarter of an hour; below 0 they drain.",
            ("{{queue_name}}", of("celery:queue_length:deriv15m", QUEUES, "queue_name")),
        ),
    ),
)

TABLES = panels.Row(
    "The broker's tables",
    (
        panel(
            "Rows of an SQL broker",
            "suffix: rows",
            "kombu deletes no message that was delivered: those rows are invisible and only grow.",
            ("{{state}}", of("celery_broker_rows", SYSTEM, "state")),
        ),
        panel(
            "Size of an SQL broker's messages",
            "bytes",
            "On disk, with indexes.",
            ("{{instance}}", of("celery_broker_table_size_bytes", SYSTEM, "instance", "max")),
        ),
        shared.BLIND,
        panel(
            "Canaries lost",
            MESSAGES,
            "Messages of workers to themselves that did not come back, by where they were lost.",
            ("{{stage}}", grown("celery_canary_failures_total", SYSTEM, "stage")),
        ),
    ),
)

BOARD = panels.Board(
    "queues",
    "Celery / Queues",
    "How deep and how old queues are, whether they drain, and what a broker's tables keep.",
    (panels.CLUSTER, panels.JOB, panels.QUEUE),
    (NOW, DEPTH, FLOW, TABLES),
)
