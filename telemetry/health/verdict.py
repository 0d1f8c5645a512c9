"""State -> verdict: is a worker live, is it ready, and one line why. No file, no clock, no process.

Live asks whether a restart would help: the process is there and its loop turns, or does not turn
for a reason that is no fault of its own. Ready asks whether it takes tasks now. A broker that is
down makes a worker not ready and leaves it live: a restart would help nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from telemetry.health import state as states

if TYPE_CHECKING:
    from telemetry.health.state import State

AGE_SECONDS_MAX = 30.0
"""For the loop's last turn, and the file. The loop turns every 2 s at the latest when it is idle
(celery.worker.loops), and every second if it is fed by an event loop."""
CONNECT_SECONDS_MAX = 300.0
"""For one attempt to connect or one step of a start. Linux gives up on an address from which
nothing comes back after 127 s (tcp_syn_retries)."""
GRACE_SECONDS = 10.0
"""Beyond a task's time limit, before a worker that runs it itself is given up."""


class Verdict(NamedTuple):
    """Yes or no, and why."""

    ok: bool
    why: str


def yes(why: str) -> Verdict:
    """It is so."""
    return Verdict(ok=True, why=why)


def no(why: str) -> Verdict:
    """It is not, or nobody can say that it is."""
    return Verdict(ok=False, why=why)


class Limits(NamedTuple):
    """How much silence is too much, in seconds."""

    age_seconds_max: float = AGE_SECONDS_MAX
    busy_seconds_max: float | None = None
    """For the task that holds up the loop; None: as long as its time limit says, or for ever."""


def live(state: State, now: float, limits: Limits) -> Verdict:
    """Whether the worker lives, `now` being on the monotonic clock. Its process is known to."""
    if state.written > now:
        return no("its file is from before this machine was started")
    age = now - state.written
    if age > limits.age_seconds_max:
        return no(f"has not written for {_seconds(age)}: stopped, or blocked as a whole")
    silence = now - state.turned
    if state.phase == states.STOPPING:
        return yes(f"has been stopping for {_seconds(now - state.since)}")
    if state.handing is not None:
        return _handing(state.handing, now, limits)
    if state.phase == states.CONSUMING:
        if silence > limits.age_seconds_max:
            return no(f"its loop has not turned for {_seconds(silence)}: wedged")
        return yes(f"its loop turned {_seconds(silence)} ago")
    if silence > CONNECT_SECONDS_MAX:
        return no(f"has been {state.phase} without a sign for {_seconds(silence)}")
    return yes(f"has been {state.phase} for {_seconds(now - state.since)}")


def ready(state: State, now: float, limits: Limits) -> Verdict:
    """Whether it takes tasks now; what is dead is not ready, for the same reason."""
    alive = live(state, now, limits)
    if not alive.ok:
        return alive
    if state.phase == states.CONNECTING:
        return no(f"no connection to the broker for {_seconds(now - state.since)}")
    if state.phase != states.CONSUMING:
        return no(alive.why)
    if not state.queues:
        return no("consumes from no queue")
    if state.canary not in states.CANARIES_WELL:
        return no(f"its last message to itself was lost at the stage {state.canary!r}")
    return yes(f"consumes from {state.queues} queue(s), {alive.why}{_beside(state)}")


def _handing(handing: states.Handing, now: float, limits: Limits) -> Verdict:
    seconds = now - handing.since
    doing = "runs" if handing.runs else "waits for a free slot for"
    why = f"{doing} {handing.task_name} since {_seconds(seconds)}"
    if limits.busy_seconds_max is not None and seconds > limits.busy_seconds_max:
        return no(f"{why}, longer than --max-busy allows")
    limit = handing.limit_seconds
    if limit is not None and seconds > limit + GRACE_SECONDS:
        return no(f"{why}, beyond its time limit of {_seconds(limit)}")
    return yes(why)


def _beside(state: State) -> str:
    """What else is good to know, and no reason to send tasks elsewhere."""
    words = ""
    if state.canary == states.POOL_FULL:
        words += "; its pool is full"
    elif state.canary_seconds is not None:
        words += f"; the last message to itself took {_seconds(state.canary_seconds)}"
    return words if state.exports else words + "; the collector does not take its metrics"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
