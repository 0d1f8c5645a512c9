"""A message at the head of a queue -> since when it has been due.

Comes in: the message as the broker keeps it, JSON of kombu's, and since when it has been seen.
Goes out: a time, and what was wrong with the message. It knows no broker, and of a message only the
headers.

No broker keeps the time of publishing for Celery; in kombu's SQL tables `timestamp` is the time of
delivery and NULL until then. So the time is the publisher's stamp in the message's header, and for
a message without one it is when it was first seen.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.tasks.publish import enqueued_at_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.broker.blind import Reason

AHEAD_SECONDS_MAX = 5.0
"""A stamp that is so far ahead of the broker's clock was made by another one that is wrong."""


class Waiting(NamedTuple):
    """A message that waits."""

    place: int
    """Grows with every message that is put into the broker."""
    payload: str | bytes | None
    """None where it is too long to be read for one header."""


class Due(NamedTuple):
    """Since when it could have been taken."""

    at_seconds: float
    """Since the epoch; in the future for a message that waits for its ETA."""
    wrong: Reason | None = None
    """Why the publisher's stamp was not used, where that is worth telling."""


def due(payload: str | bytes | None, seen_seconds: float, now_seconds: float) -> Due:
    """Read a message that has been seen since `seen_seconds`, on the broker's clock."""
    if payload is None:
        return Due(seen_seconds)
    headers = _headers(payload)
    if headers is None:
        return Due(seen_seconds, "undecodable")
    stamp, eta = enqueued_at_seconds(headers), _eta_seconds(headers)
    ahead = stamp is not None and stamp > now_seconds + AHEAD_SECONDS_MAX
    since = seen_seconds if stamp is None or ahead else min(stamp, now_seconds)
    return Due(since if eta is None else max(since, eta), "clock_skew" if ahead else None)


def _headers(payload: str | bytes) -> Mapping[str, Any] | None:
    """The headers of kombu's envelope; None if it is none."""
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    headers = message.get("headers") if isinstance(message, dict) else None
    return headers if isinstance(headers, dict) else None


def _eta_seconds(headers: Mapping[str, Any]) -> float | None:
    """Celery's `eta`, in ISO 8601; without a zone it means UTC, as in Celery."""
    try:
        eta = datetime.fromisoformat(headers["eta"].replace("Z", "+00:00"))
        return (eta if eta.tzinfo else eta.replace(tzinfo=timezone.utc)).timestamp()
    except (KeyError, AttributeError, ValueError, OverflowError):
        return None  # none, or one for which the worker will refuse the message
