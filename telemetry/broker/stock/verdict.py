"""What is known of a delivered message: its task's recorded state -> done, unfinished or unknown.

Comes in: a row's payload and what the result backend says. Goes out: a verdict. It knows no
database.
"""

from __future__ import annotations

import enum
import json
from typing import NamedTuple

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
"""States after which a task does not run again by itself (`celery.states.READY_STATES`)."""
BEGUN = frozenset({"STARTED", "RETRY"})
"""States that say it did begin, and that its end was to be recorded."""


class Verdict(enum.Enum):
    """What is to be thought of a delivered row."""

    DONE = "done"
    """Its end is recorded."""
    UNFINISHED = "unfinished"
    """Its beginning is recorded and its end is not."""
    UNKNOWN = "unknown"
    """Nothing is recorded: no result was wanted, or it has expired, or it was lost, or ignored."""


class Task(NamedTuple):
    """Which task a message is for."""

    task_id: str
    name: str


def task_of(payload: str) -> Task | None:
    """The task of a message, from Celery's headers; None where it has none that can be read."""
    try:
        headers = json.loads(payload)["headers"]
        found = Task(headers["id"], headers["task"])
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found.task_id, str) and isinstance(found.name, str) else None


def judge(state: str | None, *, waits: bool) -> Verdict:
    """The verdict on a delivered message, from its task's recorded state.

    Where another message of the same task waits, or is held by an acknowledging worker, the task
    has a future that no record tells of.
    """
    if waits:
        return Verdict.UNKNOWN
    if state in ENDED:
        return Verdict.DONE
    return Verdict.UNFINISHED if state in BEGUN else Verdict.UNKNOWN
