"""What this process holds of a broker's messages: reserved, settled, and kept while it lives.

Comes in: reservations by consumers, settlements from any thread, which never wait. Goes out: the
same as rows, by one thread that has its own session: settlements in batches, signs of life, sweeps.
A settlement is kept until the database has taken it, through any loss of connection. It knows no
channel, no payload and nothing of Celery.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import InterfaceError, OperationalError

from telemetry.broker.leases import database as databases
from telemetry.broker.leases.seat import Seat
from telemetry.broker.leases.sweeper import Sweeper
from telemetry.ticker import Ticker

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from telemetry.broker.leases.database import Database

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""Between two looks at what is due; the sweeper's interval."""
CLOSE_SECONDS = 5.0
"""How long the last settlements may hold up who closes."""


class Settlement(enum.Enum):
    """What becomes of a message that was held."""

    DONE = "acknowledge"
    """Its row goes."""
    UNTOUCHED = 1
    """It waits again as if nobody had seen it; the value is the row's `version`."""
    RETURNED = 2
    """It waits again, and whoever gets it is told that it was delivered before."""
    UNREADABLE = "set_aside"
    """Its row stays, for somebody to look at, and nobody gets it."""


class LeaseLost(ConnectionError):  # noqa: N818 - what happened, as the library's own names do
    """This process was taken for vanished: what it held is given to others."""


class Leases:
    """The leases of this process in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seat = Seat(database)
        self._sweeper = Sweeper(database)
        self._desk = threading.Lock()
        """Taken by whoever uses the session that keeps the seat."""
        self._turn = threading.Lock()
        """Taken from the statement that reserves until what it reserved is in the books."""
        self._held: Counter[int] = Counter()
        self._pending: deque[tuple[int, int, Settlement]] = deque()
        self._ticker: Ticker | None = None
        self._users = 0
        self._due = 0.0
        self._failing = False
        self.seats_lost = 0
        """How often this process was taken for vanished."""

    def attach(self) -> None:
        """A consumer begins; the first takes a seat. Raises what the database raises."""
        with self._desk:
            if self._ticker is None:
                self._seat.keep(time.monotonic())
                self._ticker = Ticker(self._work, TICK_SECONDS)
                self._ticker.start()
                databases.at_end(self._end)
            self._users += 1

    def detach(self) -> None:
        """A consumer has settled all it had; the last one leaves the seat.

        Where the database cannot be reached now, everything stays as it is: settlements are tried
        every second, and the next consumer goes on with the same seat.
        """
        with self._desk:
            self._users -= 1
            ticker = self._ticker if self._users == 0 else None
        if ticker is not None and ticker.flush(CLOSE_SECONDS) and not self._pending:
            self._end()

    def reserve(
        self, connection: Connection, queue: str, room: int
    ) -> tuple[int, list[tuple[int, str, bool]]]:
        """Up to `room` messages of a queue: the seat, and rows of (id, payload, delivered before).

        Raises `LeaseLost` where this process has no seat just now.
        """
        with self._turn:
            seat = self._seat.number
            if seat is None:
                raise LeaseLost("the seat among the consumers was lost; a new one is being taken")
            rows: list[Any] = self._database.run_on(
                connection, "reserve", queue=queue, room=room, held=-seat
            )
            self._held.update(row for row, _, _ in rows)
        return seat, rows

    def reconcile(self, connection: Connection) -> None:
        """After a connection was lost: give back what was reserved while its answer was lost."""
        with self._turn:
            if self._seat.number is not None:
                held, known = -self._seat.number, list(self._held)
                self._database.run_on(connection, "forget_unknown", held=held, known=known)

    def settle(self, seat: int, row: int, settlement: Settlement) -> None:
        """Decide on a message; done soon, and never waits."""
        self._pending.append((seat, row, settlement))
        if self._ticker is not None:
            self._ticker.wake()

    def holds(self, seat: int, row: int) -> bool:
        """Whether a message is in the books: reserved, and not settled in the database.

        It waits for nobody, so what it says may be out of date by a statement.
        """
        return seat == self._seat.number and row in self._held

    def flush(self) -> None:
        """Wait, for a bounded time, until what was settled so far is told to the database."""
        if self._ticker is not None:
            self._ticker.flush(CLOSE_SECONDS)

    def _work(self) -> None:
        """What the thread does, every second and whenever something was settled."""
        now = time.monotonic()
        if self._failing and now < self._due:
            return
        error = self._try(now)
        if error is not None and databases.lost(error):
            error = self._try(now)  # on a new connection
        if error is not None:
            self._due = now + TICK_SECONDS
        if error is not None and not self._failing:
            unreachable = isinstance(error, (OperationalError, InterfaceError))
            logger.warning(
                "the broker's database does not hear what is settled (%s); tried every second",
                type(error).__name__,
                exc_info=None if unreachable else error,
            )
        if error is None and self._failing:
            logger.info("the broker's database hears again what is settled")
        self._failing = error is not None

    def _try(self, now: float) -> Exception | None:
        """Do what is due on the session; where that fails, the session is given up."""
        with self._desk:
            try:
                self._settle()
                if now >= self._due:
                    self._keep(now)
                    self._due = now + TICK_SECONDS
            except Exception as error:  # noqa: BLE001 - told by whoever called
                self._seat.drop()
                return error
        return None

    def _keep(self, now: float) -> None:
        if not self._seat.keep(now):
            with self._turn:
                self._held.clear()
            self.seats_lost += 1
            logger.warning("this process was taken for vanished; others have what it held")
            self._seat.keep(now)
        self._sweeper.sweep(self._seat.session(), now)

    def _settle(self) -> None:
        batches: defaultdict[tuple[int, Settlement], list[int]] = defaultdict(list)
        while self._pending:
            seat, row, settlement = self._pending.popleft()
            batches[seat, settlement].append(row)
        for (seat, settlement), rows in list(batches.items()):
            try:
                settled = self._execute(settlement, rows, -seat)
            except BaseException:
                self._pending.extend(
                    (seat, row, settlement)
                    for (seat, settlement) in batches
                    for row in batches[seat, settlement]
                )
                raise
            del batches[seat, settlement]
            self._forget(seat, rows)
            if settled < len(rows):
                logger.warning(
                    "%s messages were purged, or given to others, before they were settled here",
                    len(rows) - settled,
                )

    def _forget(self, seat: int, rows: list[int]) -> None:
        with self._turn:
            if seat == self._seat.number:
                self._held.subtract(rows)
                self._held = +self._held

    def _execute(self, settlement: Settlement, rows: list[int], held: int) -> int:
        session = self._seat.session()
        if settlement in {Settlement.UNTOUCHED, Settlement.RETURNED}:
            queues = self._database.run_on(
                session,
                "give_back",
                ids=rows,
                held=held,
                version=settlement.value,
                listeners=self._database.listeners,
            )
            return sum(count for _, count, _ in queues)
        ((settled,),) = self._database.run_on(session, str(settlement.value), ids=rows, held=held)
        return int(settled)

    def _end(self) -> None:
        """Nobody consumes here any more: give back what is left, and leave."""
        with self._desk:
            ticker, self._ticker = self._ticker, None
            if ticker is None:
                return
        if self._seat.number is not None:
            settled = {row for _, row, _ in self._pending}
            for row in [row for row in self._held if row not in settled]:
                self._pending.append((self._seat.number, row, Settlement.RETURNED))
        self._failing = False
        if ticker.stop(CLOSE_SECONDS) and not self._pending:
            try:
                with self._desk:
                    self._seat.leave()
            except (OperationalError, InterfaceError):
                logger.warning("the database did not hear that this process leaves; it is swept")


_leases: dict[Database, Leases] = {}


def of(database: Database) -> Leases:
    """The leases of this process in a database."""
    found = _leases.get(database)
    return found if found is not None else _leases.setdefault(database, Leases(database))
