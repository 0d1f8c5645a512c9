"""What happened, in words of our own: frozen values without a type of Celery's or OpenTelemetry's.

Hooks make them, the lifecycle counts them. What becomes of a delivery is told without one
(`telemetry.tasks.books`): a worker has thousands of these a second.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

UNREGISTERED = "(unregistered)"
"""The task name of a message that is no task of the worker: names from outside have no bound."""
UNKNOWN = "(unknown)"
"""The queue name of a message whose routing matches no queue that the app knows."""


class Sent(NamedTuple):
    """A task was published."""

    task_name: str
    queue_name: str
    lifted: tuple[str, ...] = ()
    """The values of the headers that are attributes, "" for one that is missing."""


class WorkerStarted(NamedTuple):
    """A worker came to life."""

    hostname: str
    """Its node name."""


class PoolMeasured(NamedTuple):
    """The size of the pool now."""

    processes: int


class HealthMeasured(NamedTuple):
    """Whether the worker takes tasks now."""

    ready: bool


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


class Befell(NamedTuple):
    """Messages that no worker has in hand: what befell them at the broker."""

    what: Literal["recovered", "set_aside"]
    queue_name: str
    messages: int


class Overflowed(NamedTuple):
    """An instrument of the user's reached the SDK's limit of attribute sets."""


Fact: TypeAlias = (
    Sent
    | WorkerStarted
    | PoolMeasured
    | HealthMeasured
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
    | Befell
)
