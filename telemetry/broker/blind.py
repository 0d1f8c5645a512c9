"""Why something about a broker cannot be read: an error -> a reason from a closed set.

Comes in: whatever a database, its driver or kombu raised. Goes out: a value of
`celery.broker.blind{reason}`. It imports none of these libraries and quotes none of their texts,
which may hold a password or what a task was given.
"""

from __future__ import annotations

import sqlite3
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "unreachable",
    "timeout",
    "denied",
    "missing",
    "undecodable",
    "clock_skew",
    "too_many",
    "unsupported",
    "failed",
]

# https://www.postgresql.org/docs/current/errcodes-appendix.html; the first that fits.
_STATES: tuple[tuple[str, Reason], ...] = (
    ("42P01", "missing"),
    ("42703", "missing"),  # a column: the table is not kombu's
    ("3F000", "missing"),
    ("42501", "denied"),
    ("28", "denied"),
    ("57014", "timeout"),
    ("55P03", "timeout"),
    ("25P0", "timeout"),  # idle for too long in a transaction, or at all
    ("57P05", "timeout"),
    ("08", "unreachable"),
    ("3D000", "unreachable"),
    ("53", "unreachable"),  # among these: too many connections
    ("57P", "unreachable"),
)
# libpq has no state for a connection that was not made.
_TEXTS: tuple[tuple[str, Reason], ...] = (
    ("authentication failed", "denied"),
    ("no password supplied", "denied"),
    ("permission denied", "denied"),
    ('role "', "denied"),
    ("timeout expired", "timeout"),
    ("no such table", "missing"),
    ("no such column", "missing"),
    ("locked", "timeout"),
    ("interrupted", "timeout"),
)
# Errors of redis-py, py-amqp and the standard library, by the names of their classes.
_CLASSES: dict[str, Reason] = {
    "AuthenticationError": "denied",
    "AuthorizationError": "denied",
    "NoPermissionError": "denied",
    "AccessRefused": "denied",
    "NotAllowed": "denied",
    "TimeoutError": "timeout",
    "ConnectionError": "unreachable",
    "MasterNotFoundError": "unreachable",
    "OSError": "unreachable",
    "OperationalError": "unreachable",
    "InterfaceError": "unreachable",
    "RecoverableConnectionError": "unreachable",
}


class Unreadable(Exception):  # noqa: N818 - that is what the broker is
    """Nothing can be read of this broker; the message says why and what to do, and no address."""


class Unseen(Exception):  # noqa: N818 - it is what happened to the look
    """A look that saw nothing."""

    def __init__(self, reason: Reason, name: str | None = None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.name = name
        """The broker's name, if whoever looked may speak for it."""


def reason(error: BaseException) -> Reason:
    """What an error means for whoever wanted to read."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps the driver's
    state = _state(cause)
    if state:
        return next((why for prefix, why in _STATES if state.startswith(prefix)), "failed")
    if getattr(error, "connection_invalidated", False):
        return "unreachable"  # SQLAlchemy knows; psycopg2 may call it no more than a DatabaseError
    names = [cls.__name__ for cls in type(cause).__mro__]
    if isinstance(cause, sqlite3.Error) or "OperationalError" in names:
        text = str(cause).lower()
        found = next((why for part, why in _TEXTS if part in text), None)
        if found:
            return found
    return next((_CLASSES[name] for name in names if name in _CLASSES), "failed")


def _state(error: BaseException) -> str:
    """The SQLSTATE: of psycopg2, of psycopg and asyncpg, of pg8000."""
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    if state is None and error.args and isinstance(error.args[0], dict):
        state = error.args[0].get("C")
    return state if isinstance(state, str) else ""
