"""What happened, in words of our own: frozen values without a type of Celery's or OpenTelemetry's.

Hooks make them, the lifecycle counts them. A delivery is one message as one worker received it; its
number ties the facts of one delivery together and means nothing else.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

UNREGISTERED = "(unregistered)"
"""The task name of a message that is no task of the worker: names from outside have no bound."""
UNKNOWN = "(unknown)"
"""The queue name of a message whose routing matches no queue that the app knows."""

Outcome: TypeAlias = Literal[
    "success", "failed", "retried", "ignored", "rejected", "revoked", "lost", "discarded"
]


class Sent(NamedTuple):
    """A task was published."""

    task_name: str
    queue_name: str
    lifted: tuple[str, ...] = ()
    """The values of the headers that are attributes, "" for one that is missing."""


class Received(NamedTuple):
    """The worker received a message."""

    delivery: int
    task_name: str
    queue_name: str
    lifted: tuple[str, ...] = ()
    """As of `Sent`."""


class Started(NamedTuple):
    """The pool began to run it."""

    delivery: int
    at_seconds: float
    """On the monotonic clock."""
    waited_seconds: float | None
    """Since it was published, or since its ETA; None where the publisher did not say."""


class Finished(NamedTuple):
    """It ended; only the first of a delivery counts."""

    delivery: int
    outcome: Outcome
    detail: str
    """The exception's class or the reason, where the outcome has one."""
    at_seconds: float
    """On the monotonic clock."""
    runtime_seconds: float | None
    """As the process that ran it measured; None where it did not say."""


class WorkerStarted(NamedTuple):
    """A worker came to life."""

    hostname: str
    """Its node name."""


class PoolMeasured(NamedTuple):
    """The size of the pool now."""

    processes: int


class ChildExited(NamedTuple):
    """A pool process ended."""

    reason: str
    unexported: int = 0
    """Tasks in it whose own metrics the collector did not get."""


class WorkerStopped(NamedTuple):
    """The worker's last word: what it still has in hand it will not finish."""


class BeatSent(NamedTuple):
    """Beat published the task of a schedule entry."""

    schedule: str
    """The entry's name."""
    at_seconds: float
    """Since the epoch."""
    late_seconds: float | None
    """Since it was due; None where the schedule does not say."""


class Bound(NamedTuple):
    """Code of a process that must not listen gave a socket an address, or tried to."""

    result: Literal["refused", "warned"]


class CanaryStarted(NamedTuple):
    """A worker is going to send messages to itself."""

    hostname: str
    """Its node name."""


class CanaryReturned(NamedTuple):
    """A worker's message to itself was run and acknowledged."""

    hostname: str
    seconds: float
    """From before it was published."""


class CanaryLost(NamedTuple):
    """A worker lost sight of its message to itself."""

    hostname: str
    stage: str
    """What did not come to pass, as `telemetry.catalog.CANARY_FAILURES` names it."""


class HookFailed(NamedTuple):
    """Our own code failed in a hook."""

    hook: str


class ExportFailed(NamedTuple):
    """The collector did not take an export."""


class StateFailed(NamedTuple):
    """A state file could not be used."""

    reason: str


class Recovered(NamedTuple):
    """Messages of a vanished worker wait again."""

    queue_name: str
    messages: int


class Overflowed(NamedTuple):
    """An instrument of the user's reached the SDK's limit of attribute sets."""


Fact: TypeAlias = (
    Sent
    | Received
    | Started
    | Finished
    | WorkerStarted
    | PoolMeasured
    | ChildExited
    | WorkerStopped
    | BeatSent
    | Bound
    | CanaryStarted
    | CanaryReturned
    | CanaryLost
    | HookFailed
    | ExportFailed
    | StateFailed
    | Overflowed
    | Recovered
)
