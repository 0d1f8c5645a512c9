"""Panels that more than one board shows."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.panels import (
    MESSAGES,
    NUMBER,
    QUEUES,
    RATE,
    SECONDS,
    SHARE,
    SYSTEM,
    TASKS,
    number,
    of,
    panel,
    rate,
)
from telemetry import catalog

SUCCESS_SHARE = number(
    "Success share",
    SHARE,
    "Of the tasks that succeeded, failed or were lost. Retries count when they end.",
    panels.success_share(TASKS),
)
VANISHED = number(
    "Vanished",
    NUMBER,
    "Workers that are gone and did not say that they would stop, of the last 20 minutes.",
    f'count(celery_worker_up{{{SYSTEM},reason="vanished"}}) or vector(0)',
    bad=True,
)
LOAD = number(
    "Load",
    SHARE,
    "Work that waits or runs, of the slots there are for it; above 100 % queues grow.",
    of("celery:load:ratio", SYSTEM, how="max"),
)
OUTCOMES = panel(
    "Tasks by outcome",
    RATE,
    "Every message that a worker receives ends in exactly one of these.",
    *((outcome, rate(f"celery_task_{outcome}_total", TASKS)) for outcome in catalog.OUTCOMES),
)
AGE = panel(
    "Age of the next message",
    SECONDS,
    "How long the message that will be taken next has waited, since its ETA if it has one.",
    ("{{queue_name}}", of("celery_queue_oldest_age_seconds", QUEUES, "queue_name", "max")),
)
BLIND = panel(
    "Blind at the broker",
    NUMBER,
    "1 while something of the broker cannot be read; what is not read is not shown.",
    ("{{reason}}", of("celery_broker_blind", SYSTEM, "reason", "max")),
)
BALANCE = panel(
    "Messages unaccounted for",
    MESSAGES,
    "Received, and neither ended nor in hand. It is 0, or the counting is wrong; a worker that was "
    "killed without a state directory leaves what it held.",
    ("{{job}}", of("celery:task_balance:difference", SYSTEM, "job")),
)
