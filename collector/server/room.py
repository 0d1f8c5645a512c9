"""What the connections of one server share: the handler, limits and counts, the time.

The time is told, once a second is enough; all waiting here is counted in seconds. Which bytes a
connection reads and writes is not known.
"""

from __future__ import annotations

import heapq
import logging
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from collector.server.door import OPEN, Door
from collector.server.limits import Limit
from collector.server.messages import PLAIN, Response

if TYPE_CHECKING:
    from collector.server.limits import Limits
    from collector.server.messages import Handler, Request

log = logging.getLogger(__name__)

INBOUND_BYTES = 256 * 1024
"""As much as asyncio would read at once; it would make room for as many bytes each time anew."""

ASKING_SECONDS = 2.0
"""Any client's head is there by then; who takes longer may have to go when there is no room."""
FAULT = Response(500, PLAIN, b"500 internal server error\n")


class Guest(Protocol):
    """A connection, as the room sees it."""

    deadline: float
    """When its patience ends, on the room's clock."""

    @property
    def idle(self) -> bool:
        """Whether nobody would miss it."""

    @property
    def asks_since(self) -> float:
        """Since when it is sending the head of a request; infinity where it is not."""

    def leave(self) -> None:
        """Close when all that was written is sent."""

    def expire(self) -> None:
        """Do what has to be done when the deadline has passed."""

    def abort(self) -> None:
        """Close at once."""


def report(fault: BaseException) -> None:
    """Log where a fault happened, but not its text, which may repeat what the request held."""
    frames = traceback.extract_tb(fault.__traceback__)
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    log.error("%s while answering: %s", type(fault).__name__, where)


class Room:
    """One server's connections and what they have in common."""

    def __init__(
        self, handler: Handler, limits: Limits, now: float, date: str, door: Door = OPEN
    ) -> None:
        self.handler = handler
        self.door = door
        self.limits = limits
        self.now = now
        self.date = date
        """The value of the Date header."""
        self.draining = False
        self.buffered_bytes = 0
        """Length of all bodies that are coming in."""
        self.inbound = memoryview(bytearray(INBOUND_BYTES))
        """Where every connection reads into, one after the other."""
        self.guests: set[Guest] = set()
        self.counts: Counter[Limit] = Counter()
        self._full_since_tick = False

    def enter(self, guest: Guest) -> bool:
        """Let a connection in, if need be in place of one that is idle or slow to ask."""
        if len(self.guests) >= self.limits.connections_max and not self._made_room():
            self.counts[Limit.CONNECTIONS] += 1
            return False
        self.guests.add(guest)
        return True

    def _made_room(self) -> bool:
        """Close some connections that were idle for longest: several, since all are looked at.

        If none is idle, those go that have not even finished the head of a request: who holds
        connections by asking slowly does not keep others out. All are looked at once a tick at most
        where that was in vain, since whoever comes in a flood would make it dear.
        """
        if self._full_since_tick:
            return False
        some = max(1, self.limits.connections_max // 100)
        idle = [guest for guest in self.guests if guest.idle]
        for guest in heapq.nsmallest(some, idle, key=lambda one: one.deadline):
            self.counts[Limit.EVICTED] += 1
            guest.leave()
        if idle:
            return True
        slow = [guest for guest in self.guests if guest.asks_since < self.now - ASKING_SECONDS]
        for guest in heapq.nsmallest(some, slow, key=lambda one: one.asks_since):
            self.counts[Limit.EVICTED] += 1
            guest.abort()
        self._full_since_tick = not slow
        return bool(slow)

    def answer(self, request: Request) -> Response:
        """Ask the handler; a fault of ours costs one request, not the process."""
        try:
            response = self.handler.answer(request)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the others are served on
            report(fault)
            return FAULT
        if response.limit is not None:
            self.counts[response.limit] += 1
        return response

    def tick(self, now: float, date: str) -> None:
        """Tell the time, and end whatever is past its deadline."""
        self.door.tick(now)
        self._full_since_tick = False
        self.now = now
        self.date = date
        for guest in [guest for guest in self.guests if guest.deadline < now]:
            guest.expire()

    def drain(self) -> int:
        """Let everybody go who is idle; an answer is the last one. Return how many are left."""
        self.draining = True
        for guest in [guest for guest in self.guests if guest.idle]:
            guest.leave()
        return len(self.guests)
