from __future__ import annotations

import sqlite3
from typing import get_args

import psycopg2
import pytest
from amqp.exceptions import AccessRefused
from sqlalchemy.exc import DatabaseError

from telemetry import catalog
from telemetry.broker.blind import Reason, reason


class StateError(Exception):
    """As drivers of PostgreSQL have it."""

    def __init__(self, state: str) -> None:
        super().__init__("secret")
        self.sqlstate = state


class Wrapped(Exception):  # noqa: N818 - it is what SQLAlchemy makes
    def __init__(self, orig: Exception) -> None:
        super().__init__("secret")
        self.orig = orig


ERRORS = [
    (StateError("42P01"), "missing"),
    (Wrapped(StateError("42501")), "denied"),
    (StateError("28P01"), "denied"),
    (StateError("57014"), "timeout"),
    (StateError("57P01"), "unreachable"),
    (StateError("08006"), "unreachable"),
    (StateError("XX000"), "failed"),
    (Exception({"C": "42501"}), "denied"),  # pg8000
    (psycopg2.OperationalError("could not connect to server"), "unreachable"),
    (psycopg2.OperationalError('FATAL:  role "nobody" does not exist'), "denied"),
    (psycopg2.OperationalError("connection to server failed: timeout expired"), "timeout"),
    (sqlite3.OperationalError("no such table: kombu_message"), "missing"),
    (sqlite3.OperationalError("unable to open database file"), "unreachable"),
    (sqlite3.OperationalError("database is locked"), "timeout"),
    (sqlite3.OperationalError("interrupted"), "timeout"),
    (
        DatabaseError(None, None, psycopg2.DatabaseError(), connection_invalidated=True),
        "unreachable",
    ),
    (DatabaseError(None, None, psycopg2.DatabaseError()), "failed"),
    (AccessRefused("no"), "denied"),
    (TimeoutError(), "timeout"),
    (ConnectionRefusedError(), "unreachable"),
    (ZeroDivisionError(), "failed"),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=lambda value: repr(value)[:40])
def test_every_error_has_a_reason(error: Exception, expected: str) -> None:
    """What drivers raise, wrapped or not, is one of the reasons; what is not known is a failure."""
    assert reason(error) == expected


def test_the_reasons_are_the_catalogues() -> None:
    """A reason that the metric does not have would be a series of its own, and never an alert."""
    assert get_args(Reason) == catalog.BROKER_BLIND.values
