"""Who works, how much fits in, and whether a worker that looks alive takes tasks."""

from __future__ import annotations

from deploy.grafana import panels
from deploy.grafana.panels import (
    COUNT,
    NODES,
    NUMBER,
    RATE,
    SECONDS,
    SHARE,
    WORKERS,
    grown,
    number,
    of,
    panel,
    rate,
)

ACTIVE = "celery_worker_tasks_active"
SLOTS = "celery_worker_pool_processes"

NOW = panels.Row(
    "Now",
    (
        number("Up", NUMBER, "Workers that report.", of("celery_worker_up", WORKERS)),
        number(
            "Gone",
            NUMBER,
            "Workers that are gone and did not say that they would stop, of the last 20 minutes.",
            f'count(celery_worker_up{{{WORKERS},reason="vanished"}}) or vector(0)',
            bad=True,
        ),
        number("Slots", NUMBER, "Processes, threads or greenlets for tasks.", of(SLOTS, WORKERS)),
        number(
            "Slots in use",
            SHARE,
            "Tasks that run, of the slots there are for them.",
            f"{of(ACTIVE, WORKERS)} / {of(SLOTS, WORKERS)}",
        ),
    ),
)

WORK = panels.Row(
    "Work",
    (
        panel(
            "Worker up",
            NUMBER,
            "1 for a worker that reports, 0 for one that stops or is gone.",
            ("{{hostname}}", of("celery_worker_up", WORKERS, "hostname", "max")),
        ),
        panel(
            "Running and reserved",
            COUNT,
            "Tasks in the hands of each worker; reserved ones have not begun, among them those "
            "that wait for their ETA.",
            ("{{hostname}} running", of(ACTIVE, WORKERS, "hostname")),
            ("{{hostname}} reserved", of("celery_worker_tasks_reserved", WORKERS, "hostname")),
        ),
        panel(
            "Slots in use by worker",
            SHARE,
            "A worker at 100 % for long takes nothing more from its queues.",
            (
                "{{hostname}}",
                f"{of(ACTIVE, WORKERS, 'hostname')} / {of(SLOTS, WORKERS, 'hostname')}",
            ),
        ),
        panel(
            "Started by worker",
            RATE,
            "Tasks that began to run.",
            ("{{instance}}", rate("celery_task_started_total", NODES, "instance")),
        ),
    ),
)

HEALTH = panels.Row(
    "Health",
    (
        panel(
            "Takes tasks",
            NUMBER,
            "1 for a worker that takes tasks, 0 for one that reports and takes none: it starts or "
            "stops, has no broker, lost its canary, or its loop stands still.",
            ("{{hostname}}", of("celery_worker_ready", WORKERS, "hostname", "min")),
        ),
        panel(
            "Canary round trip, p95",
            SECONDS,
            "How long a message of a worker to itself takes through the broker and its pool.",
            (
                "{{hostname}}",
                panels.quantile(0.95, "celery_canary_round_trip_seconds", WORKERS, "hostname"),
            ),
        ),
        panel(
            "Canaries lost by stage",
            "suffix: messages",
            "Messages of a worker to itself that did not come back, by where they were lost.",
            (
                "{{hostname}}: {{stage}}",
                grown("celery_canary_failures_total", WORKERS, "hostname, stage"),
            ),
        ),
        panel(
            "Pool processes that ended",
            "suffix: processes",
            "Recycled and stopped are business as usual; killed is somebody's SIGKILL, often that "
            "of a kernel short of memory.",
            ("{{reason}}", grown("celery_worker_child_exits_total", NODES, "reason")),
        ),
        panel(
            "Sockets bound",
            "suffix: sockets",
            "Sockets that code in a worker gave an address, or was refused to. Should be 0.",
            (
                "{{instance}}: {{reason}}",
                grown("celery_worker_binds_total", NODES, "instance, reason"),
            ),
        ),
    ),
)

TELEMETRY = panels.Row(
    "Their telemetry",
    (
        panel(
            "Exports that failed, by worker",
            NUMBER,
            "The collector did not take them; numbers are cumulative and catch up.",
            ("{{instance}}", grown("celery_telemetry_export_failures_total", NODES, "instance")),
        ),
        panel(
            "Over a limit",
            "suffix: measurements",
            "What a limit has put under 'other', so that series stay bounded.",
            ("{{reason}}", grown("celery_telemetry_overflow_total", NODES, "reason")),
        ),
        panel(
            "State files that could not be used",
            "suffix: files",
            "They keep what a worker has counted for its next life.",
            ("{{reason}}", grown("celery_telemetry_state_failures_total", NODES, "reason")),
        ),
    ),
)

BOARD = panels.Board(
    "workers",
    "Celery / Workers",
    "Who works, how much fits in, and whether a worker that looks alive takes tasks.",
    (panels.CLUSTER, panels.JOB, panels.WORKER),
    (NOW, WORK, HEALTH, TELEMETRY),
)
