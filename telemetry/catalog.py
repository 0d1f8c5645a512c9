"""Every metric of ours as data: name, kind, unit, help, attributes, their closed values, buckets.

The one place that names a metric: tallies, exports, the command line and the tests read it here.
It does not know who counts, or how a number leaves the process.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from functools import cache


class Kind(enum.Enum):
    """What a metric's numbers mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric; an instance is its own identity, so it makes a fast key."""

    name: str
    kind: Kind
    unit: str
    """UCUM; `{task}` and the like only annotate a count."""
    help: str
    attributes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """The values that the last attribute can have, where the set is closed."""
    buckets: tuple[float, ...] = ()
    """Upper bounds, inclusive, ascending; only for histograms."""

    @property
    def exposed(self) -> str:
        """The metric's name in Prometheus text format, as the OpenTelemetry Collector makes it."""
        name = self.name.replace(".", "_")
        unit = _UNITS.get(self.unit, "")
        return f"{name}{unit}{'_total' if self.kind is Kind.COUNTER else ''}"


_UNITS = {"s": "_seconds", "By": "_bytes"}
_TASK = ("task_name", "queue_name")

# OpenTelemetry's advice for messaging durations up to 10 s, then on to the hours that tasks take:
# https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
_RUNTIME_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
# celery-exporter's for its waiting times up to half an hour, then up to a day.
_WAIT_BUCKETS = (
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
    *(3600.0, 21600.0, 86400.0),
)


def _tasks(name: str, text: str, reason: str = "", values: tuple[str, ...] = ()) -> Metric:
    attributes = (*_TASK, reason) if reason else _TASK
    return Metric(f"celery.task.{name}", Kind.COUNTER, "{task}", text, attributes, values)


SENT = _tasks("sent", "Tasks published by this process.")
RECEIVED = _tasks("received", "Messages received; each ends in exactly one of the outcomes.")
STARTED = _tasks("started", "Tasks that began to run.")
SUCCESS = _tasks("success", "Tasks that returned.")
FAILED = _tasks("failed", "Tasks that raised, by class of the exception.", "exception", ("",))
RETRIED = _tasks("retried", "Tasks that asked to be run again; the retry is a new message.")
IGNORED = _tasks("ignored", "Tasks that raised Ignore.")
REJECTED = _tasks(
    "rejected",
    "Messages given back or thrown away: Reject, Reject with requeue, not begun at shutdown.",
    "reason",
    ("rejected", "requeued", "returned"),
)
REVOKED = _tasks(
    "revoked",
    "Tasks revoked before they ran, expired, or terminated while they ran.",
    "reason",
    ("revoked", "expired", "terminated"),
)
LOST = _tasks(
    "lost",
    "Tasks that never ended: their process died, ran out of time, or the worker went away.",
    "reason",
    ("worker_lost", "time_limit", "shutdown", "connection_lost", "worker_died"),
)
DISCARDED = _tasks(
    "discarded",
    "Messages that were no task of this worker: unknown name, invalid, impossible to decode.",
    "reason",
    ("unregistered", "invalid", "undecodable"),
)
RUNTIME = Metric(
    "celery.task.runtime",
    Kind.HISTOGRAM,
    "s",
    "Time that tasks ran, of those that ended by themselves.",
    (*_TASK, "state"),
    ("success", "failure", "retry", "ignored", "rejected"),
    _RUNTIME_BUCKETS,
)
QUEUE_WAIT = Metric(
    "celery.task.queue_wait",
    Kind.HISTOGRAM,
    "s",
    "Time from publishing, or from the ETA if that is later, until the task began to run.",
    _TASK,
    buckets=_WAIT_BUCKETS,
)

_NODE = ("hostname",)
UP = Metric("celery.worker.up", Kind.GAUGE, "{worker}", "1 while the worker lives.", _NODE)
READY = Metric(
    "celery.worker.ready",
    Kind.GAUGE,
    "{worker}",
    "1 while the worker takes tasks, as `portless health ready` judges it.",
    _NODE,
)
ACTIVE = Metric("celery.worker.tasks.active", Kind.GAUGE, "{task}", "Tasks running now.", _NODE)
RESERVED = Metric(
    "celery.worker.tasks.reserved",
    Kind.GAUGE,
    "{task}",
    "Tasks received and not begun, those that wait for their ETA included.",
    _NODE,
)
PROCESSES = Metric(
    "celery.worker.pool.processes",
    Kind.GAUGE,
    "{process}",
    "Processes, threads or greenlets that the pool has for tasks.",
    _NODE,
)
CHILD_EXITS = Metric(
    "celery.worker.child.exits",
    Kind.COUNTER,
    "{process}",
    "Pool processes that ended: recycled, stopped, ended by SIGTERM, by another signal, failed.",
    ("reason",),
    ("recycled", "stopped", "terminated", "killed", "failed"),
)

BINDS = Metric(
    "celery.worker.binds",
    Kind.COUNTER,
    "{socket}",
    "Sockets that code in a worker gave an address, or was refused to: it should stay 0.",
    ("reason",),
    ("refused", "warned"),
)

_SCHEDULE = ("schedule",)
BEAT_LAST_SENT = Metric(
    "celery.beat.last_sent.timestamp",
    Kind.GAUGE,
    "s",
    "When beat sent the task of this schedule entry last, in seconds since 1970.",
    _SCHEDULE,
)
BEAT_LATENESS = Metric(
    "celery.beat.lateness",
    Kind.GAUGE,
    "s",
    "How long the task of this schedule entry had been due when beat sent it last.",
    _SCHEDULE,
)

_QUEUE = ("queue_name",)
QUEUE_LENGTH = Metric(
    "celery.queue.length",
    Kind.GAUGE,
    "{message}",
    "Messages that wait in the broker for a worker.",
    _QUEUE,
)
QUEUE_OLDEST_AGE = Metric(
    "celery.queue.oldest_age",
    Kind.GAUGE,
    "s",
    "How long the next message has waited, since its ETA if it has one; 0 where none is due.",
    _QUEUE,
)
QUEUE_RESERVED = Metric(
    "celery.queue.reserved",
    Kind.GAUGE,
    "{message}",
    "Messages that this worker took and has not begun, those that wait for their ETA included.",
    _QUEUE,
)
BROKER_ROWS = Metric(
    "celery.broker.rows",
    Kind.GAUGE,
    "{row}",
    "Rows of an SQL broker's messages: those that wait, and those that were delivered once.",
    ("state",),
    ("visible", "invisible"),
)
BROKER_TABLE_SIZE = Metric(
    "celery.broker.table_size",
    Kind.GAUGE,
    "By",
    "What an SQL broker's messages take on disk, indexes included.",
)
BROKER_RECOVERED = Metric(
    "celery.broker.recovered",
    Kind.COUNTER,
    "{message}",
    "Messages that a vanished worker held and others can have again, of an acknowledging broker.",
    _QUEUE,
)
BROKER_SET_ASIDE = Metric(
    "celery.broker.set_aside",
    Kind.COUNTER,
    "{message}",
    "Messages that an acknowledging broker cannot read; their rows stay, and nobody gets them.",
    _QUEUE,
)
BROKER_BLIND = Metric(
    "celery.broker.blind",
    Kind.GAUGE,
    "{reason}",
    "1 while something about the broker cannot be read for this reason; what is not read is not "
    "reported.",
    ("reason",),
    (
        *("unreachable", "timeout", "denied", "missing", "undecodable"),
        *("clock_skew", "too_many", "unsupported", "failed"),
    ),
)

CANARY_ROUND_TRIP = Metric(
    "celery.canary.round_trip",
    Kind.HISTOGRAM,
    "s",
    "Time from a worker's message to itself until it was run and acknowledged; those that failed "
    "are not in it.",
    _NODE,
    buckets=_WAIT_BUCKETS,
)
CANARY_FAILURES = Metric(
    "celery.canary.failures",
    Kind.COUNTER,
    "{message}",
    "Messages to itself that a worker lost sight of, by where; a pool that is full loses none.",
    (*_NODE, "stage"),
    ("publish", "receive", "execute", "row", "acknowledge"),
)

API_READY = Metric(
    "celery.api.ready",
    Kind.GAUGE,
    "{check}",
    "1 where this check of an API's readiness was well when somebody last asked, within a minute.",
    ("check",),
)

UNEXPORTED = Metric(
    "celery.telemetry.unexported",
    Kind.COUNTER,
    "{task}",
    "Tasks whose own metrics went, wholly or in part, with a pool process that ended unexported.",
    ("reason",),
    CHILD_EXITS.values,
)
EXPORT_FAILURES = Metric(
    "celery.telemetry.export.failures",
    Kind.COUNTER,
    "{export}",
    "Exports that the collector did not take; cumulative numbers catch up with the next one.",
)
HOOK_ERRORS = Metric(
    "celery.telemetry.hook.errors",
    Kind.COUNTER,
    "{error}",
    "Errors of the telemetry itself, by the hook they happened in; no task noticed.",
    ("reason",),
)
OVERFLOW = Metric(
    "celery.telemetry.overflow",
    Kind.COUNTER,
    "{measurement}",
    "What a limit put under 'other': a series, an exception's class, attributes of a task, an "
    "instrument of the user's.",
    ("reason",),
    ("series", "exception", "attribute", "user_series"),
)

STATE_FAILURES = Metric(
    "celery.telemetry.state.failures",
    Kind.COUNTER,
    "{failure}",
    "State files that a worker could not use: damaged and set aside, held by another worker of the "
    "same name, impossible to write, too many left by others.",
    ("reason",),
    ("damaged", "taken", "unwritable", "too_many"),
)

METRICS = (
    *(SENT, RECEIVED, STARTED, SUCCESS, FAILED, RETRIED, IGNORED, REJECTED, REVOKED, LOST),
    *(DISCARDED, RUNTIME, QUEUE_WAIT),
    *(UP, READY, ACTIVE, RESERVED, PROCESSES, CHILD_EXITS),
    *(BINDS, BEAT_LAST_SENT, BEAT_LATENESS),
    *(QUEUE_LENGTH, QUEUE_OLDEST_AGE, QUEUE_RESERVED),
    *(BROKER_ROWS, BROKER_TABLE_SIZE, BROKER_RECOVERED, BROKER_SET_ASIDE, BROKER_BLIND),
    *(CANARY_ROUND_TRIP, CANARY_FAILURES, API_READY),
    *(EXPORT_FAILURES, UNEXPORTED, HOOK_ERRORS, OVERFLOW, STATE_FAILURES),
)
ENDS = (SUCCESS, FAILED, RETRIED, IGNORED, REJECTED, REVOKED, LOST, DISCARDED)
"""A message ends in one of these."""
OUTCOMES = tuple(metric.name.rpartition(".")[2] for metric in ENDS)
"""What a message can end in; each is a counter of its own."""
ATTRIBUTES = tuple(sorted({key for metric in METRICS for key in metric.attributes}))
"""Every attribute key that our metrics carry: what a collector has to let through."""


@cache
def lifting(keys: tuple[str, ...]) -> dict[Metric, Metric]:
    """Each metric as it is with attributes of the user's after those that every task has."""
    return {
        metric: replace(metric, attributes=(*_TASK, *keys, *metric.attributes[len(_TASK) :]))
        if keys and metric.attributes[: len(_TASK)] == _TASK
        else metric
        for metric in METRICS
    }
