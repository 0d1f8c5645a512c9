"""What hooks write down: what becomes of each delivery, and facts of everything else.

A delivery is one message as one worker received it: to who counts anything that can be a key, to
hooks Celery's request. Every one of these calls may come from any thread, and none of them waits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from telemetry.tasks.facts import Fact

Delivery: TypeAlias = Hashable
Outcome: TypeAlias = Literal[
    "success", "failed", "retried", "ignored", "rejected", "revoked", "lost", "discarded"
]


Received: TypeAlias = tuple[Delivery, str, str, tuple[str, ...]]
"""A message came: the task's name, the queue's, the values of the headers that are attributes."""
Started: TypeAlias = "tuple[Delivery, float, float | None]"
"""The pool began to run it: when, and how long after it was published or due; None: nobody said."""
Succeeded: TypeAlias = tuple[Delivery, float]
"""It returned, after a runtime that the process that ran it measured."""
Ended: TypeAlias = tuple[Delivery, Outcome, str, float]
"""It came to its end: as what, the exception's class or the reason if it has one, and when."""


class Books(NamedTuple):
    """The doors of `telemetry.tasks.lifecycle.Lifecycle`; times are seconds, monotonic ones."""

    received: Callable[[Received], None]
    started: Callable[[Started], None]
    succeeded: Callable[[Succeeded], None]
    ended: Callable[[Ended], None]
    """Only the first end of a delivery counts."""
    reserved: Callable[[], list[Delivery]]
    """Those that were received, and neither began nor ended."""
    record: Callable[[Fact], None]
