"""Gives what vanished processes held to the others; one process of all does it.

Comes in: a session and the time. Goes out: messages that are visible again, and their numbers. Only
what an acknowledging consumer reserved is ever touched: the rows of a stock worker carry no seat.

Whether a process vanished is not guessed from clocks. Its session ended and it did not come back
for `lease_grace` as watched from here; or it gave no sign of life for `visibility_timeout`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from telemetry.broker.leases import news

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from telemetry.broker.leases.database import Database

logger = logging.getLogger(__name__)

ELECTION_SECONDS = 2.0
"""How often each process asks to be the one that sweeps."""
ORPHANS_SECONDS = 30.0
"""How often to look for messages whose holder left without a sweep."""
_NOBODYS_SEAT = 0
"""The second key of the advisory lock that the sweeper holds; seats begin at 1."""


class Vacancies:
    """How long each seat has been seen empty."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._since: dict[int, float] = {}

    def vanished(self, seats: list[Any], now: float) -> list[int]:
        """Of `(seat, present, overdue)` those whose process is gone."""
        empty = {seat for seat, present, _ in seats if not present}
        self._since = {seat: self._since.get(seat, now) for seat in empty}
        return [
            seat
            for seat, _, overdue in seats
            if overdue or now - self._since.get(seat, now) >= self._grace_seconds
        ]


class Sweeper:
    """Sweeps if it is elected."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None
        self._elected = False
        self._due = 0.0
        self._orphans_due = 0.0
        self._vacancies = Vacancies(database.options.lease_grace)

    def sweep(self, session: Connection, now: float) -> None:
        """What is due now."""
        if session is not self._session:  # the lock went with the last one
            self._session, self._elected, self._due = session, False, now
            self._vacancies = Vacancies(self._database.options.lease_grace)
        if not self._elected and now >= self._due:
            self._due = now + ELECTION_SECONDS
            ((self._elected,),) = self._run("sit_down", seat=_NOBODYS_SEAT, locks=self._locks)
            self._orphans_due = now
        if self._elected:
            self._sweep(now)

    @property
    def _locks(self) -> int:
        return self._database.locks

    def _sweep(self, now: float) -> None:
        timeout = self._database.options.visibility_timeout
        seats = self._run("seats", locks=self._locks, visibility_timeout=timeout)
        vanished = self._vacancies.vanished(seats, now)
        if vanished:
            self._run("leave_seats", seats=vanished)
        if vanished or now >= self._orphans_due:
            self._orphans_due = now + ORPHANS_SECONDS
            self._recover()

    def _recover(self) -> None:
        orphans = [version for (version,) in self._run("orphaned")]
        if not orphans:
            return
        listeners = self._database.listeners
        for queue_name, count, _ in self._run("recover", orphans=orphans, listeners=listeners):
            logger.warning("%s messages of %s wait again; their worker vanished", count, queue_name)
            news.tell("recovered", queue_name, count)

    def _run(self, statement: str, **parameters: Any) -> list[Any]:  # noqa: ANN401 - a statement's
        assert self._session is not None  # noqa: S101 - `sweep` has set it
        return self._database.run_on(self._session, statement, **parameters)
