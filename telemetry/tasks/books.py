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


class Books(NamedTuple):
    """The doors of `telemetry.tasks.deliveries.Deliveries`, where it says what each means."""

    received: Callable[[Delivery, str, str, tuple[str, ...]], None]
    started: Callable[[Delivery, float, float | None], None]
    succeeded: Callable[[Delivery, float], None]
    ended: Callable[[Delivery, Outcome, str, float], None]
    reserved: Callable[[], list[Delivery]]
    record: Callable[[Fact], None]
