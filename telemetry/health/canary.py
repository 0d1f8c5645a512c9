"""A worker's message to itself: through the broker, run in the pool, a row, acknowledged.

Comes in: the worker's own word on this one message (received, ended). Goes out: how long it took,
or the stage at which it was lost sight of, as facts, and the same for the state file. One message
is under way at a time. While every slot of the pool is taken it is no wonder that it waits, and its
time stands still: a full pool is no broken broker.
"""

from __future__ import annotations

import logging
import threading
import uuid
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from celery import signals

from telemetry.health import canary_task
from telemetry.health import state as states
from telemetry.tasks import facts
from telemetry.tasks.books import Books
from telemetry.tasks.publish import listen
from telemetry.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.health.canary_queue import CanaryQueue
    from telemetry.health.pulse import Pulse
    from telemetry.tasks.books import Delivery, Ended, Outcome, Received, Started, Succeeded
    from telemetry.tasks.facts import Fact

Request: TypeAlias = Any

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
"""Between two looks at a message under way: the resolution of the round trip."""
STALL_SECONDS_MAX = 1.0
"""Time that one look can have taken; more is a process that was stopped, or a machine asleep."""
STOP_SECONDS = 1.0
"""How long its end may hold up the worker's."""


class Pace(NamedTuple):
    """How often one is sent, and how long it may wait at one stage, in seconds."""

    interval_seconds: float
    timeout_seconds: float


class End(NamedTuple):
    """How its delivery ended."""

    outcome: Outcome
    detail: str


class _Flight:
    """One message: what is known of it so far."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self.request: Request = None
        self.ended: End | None = None

    def stage(self) -> str | None:
        """What it waits for, or at what it was lost; None where all is done."""
        if self.request is None:
            return "receive"
        if self.ended is None or self.ended.outcome not in {"success", "failed"}:
            return "execute"
        if self.ended.outcome == "failed":
            return "row"
        return None if _was_acknowledged(self.request) else "acknowledge"

    def is_lost(self) -> bool:
        """Whether it ended, and not well: there is nothing more to wait for."""
        return self.ended is not None and self.ended.outcome != "success"

    def waits_for_slot(self) -> bool:
        """Whether nothing has begun to run it."""
        return self.ended is None and getattr(self.request, "time_start", None) is None


def _was_acknowledged(request: Request) -> bool:
    """Celery says so before it is done, and even where it failed; the message knows better.

    Best of all does a channel that waits for the broker's word, as our SQL transport's does.
    """
    message = request.message
    if not (request.acknowledged and message.acknowledged):
        return False
    holds = getattr(message.channel, "holds", None)
    return holds is None or not holds(message.delivery_tag)


class Canary:
    """The canary of one worker; `is_full` says whether every slot of its pool is taken."""

    def __init__(
        self,
        queue: CanaryQueue,
        pulse: Pulse,
        is_full: Callable[[], bool],
        record: Callable[[Fact], None],
        pace: Pace,
    ) -> None:
        self.outcome = states.UNDER_WAY
        """As `telemetry.health.state.State.canary` has it."""
        self.round_trip_seconds: float | None = None
        """Of the last one that returned."""
        self._queue = queue
        self._pulse = pulse
        self._is_full = is_full
        self._record = record
        self._node = queue.node
        self._timeout_seconds = pace.timeout_seconds
        self._flight: _Flight | None = None
        self._stopping = threading.Event()
        self._ticker = Ticker(self._tick, pace.interval_seconds)
        listen(signals.task_received, self._on_received)
        record(facts.CanaryStarted(queue.node))

    def start(self) -> None:
        """Send the first one now."""
        self._ticker.start()
        self._ticker.flush(0)

    def stop(self) -> None:
        """Take the queue away; a message under way is forgotten."""
        self._stopping.set()
        signals.task_received.disconnect(dispatch_uid=f"telemetry.{self._on_received.__qualname__}")
        if not self._ticker.stop(STOP_SECONDS):
            logger.info("the queue %s stays at the broker, which does not answer", self._queue.name)

    def told(self, delivery: Delivery, outcome: Outcome, detail: str) -> None:
        """Hear how a delivery of the canary's task ended."""
        flight = self._flight
        if flight is not None and flight.request is delivery:
            flight.ended = End(outcome, detail)

    def _on_received(self, request: Request = None, **_: object) -> None:
        flight = self._flight
        if flight is not None and getattr(request, "id", None) == flight.token:
            flight.request = request

    def _tick(self) -> None:
        if self._stopping.is_set():
            self._clean(self._queue.remove)
        elif self._pulse.phase != states.STOPPING:
            self._fly()

    def _fly(self) -> None:
        self._flight = flight = _Flight()
        begun = monotonic()
        try:
            self._queue.publish(flight.token)
        except Exception as error:  # noqa: BLE001 - whatever a broker's library raises
            self._lost("publish", type(error).__name__)
            return
        stage = self._follow(flight)
        if self._stopping.is_set() or self._pulse.phase == states.STOPPING:
            return
        if stage is None:
            self.round_trip_seconds = monotonic() - begun
            self.outcome = states.RETURNED
            self._record(facts.CanaryReturned(self._node, self.round_trip_seconds))
        else:
            self._lost(stage, flight.ended.detail if flight.ended is not None else "")
        self._clean(self._queue.purge)

    def _follow(self, flight: _Flight) -> str | None:
        """Wait until all is done, or too long at one stage; that stage."""
        waited, looked, before = 0.0, monotonic(), flight.stage()
        while before is not None and waited < self._timeout_seconds and not flight.is_lost():
            if self._stopping.wait(LOOK_SECONDS) or self._pulse.phase == states.STOPPING:
                break
            now = monotonic()
            stage = flight.stage()
            if stage != before:
                waited, before = 0.0, stage
            elif flight.waits_for_slot() and self._is_full():
                self.outcome = states.POOL_FULL
            else:
                waited += min(now - looked, STALL_SECONDS_MAX)
            looked = now
        return flight.stage()

    def _clean(self, clean: Callable[[], None]) -> None:
        """Leave nothing behind, or say so; the next one cleans up as well."""
        try:
            clean()
        except Exception as error:  # noqa: BLE001 - whatever a broker's library raises
            logger.info("the queue %s was not cleaned: %s", self._queue.name, type(error).__name__)

    def _lost(self, stage: str, why: str) -> None:
        if self.outcome != stage:
            # Not the error's message: it may quote the broker's address.
            logger.warning(
                "the worker's message to itself was lost at the stage %r%s",
                stage,
                f" ({why})" if why else "",
            )
        self.outcome = stage
        self._record(facts.CanaryLost(self._node, stage))


class Diversion:
    """Keeps the canary's deliveries out of the books: they are no tasks of the application's."""

    def __init__(self, books: Books, told: Callable[[Delivery, Outcome, str], None]) -> None:
        self.books = Books(
            self._received,
            self._started,
            self._succeeded,
            self._ended,
            self._reserved,
            books.record,
        )
        """To write into; the canary is told how its own deliveries end."""
        self._others = books
        self._told = told
        self._under_way: set[Delivery] = set()
        self._begun: set[Delivery] = set()

    def _received(self, said: Received) -> None:
        delivery, task_name, *_ = said
        if task_name == canary_task.NAME:
            self._under_way.add(delivery)
        else:
            self._others.received(said)

    def _started(self, said: Started) -> None:
        if said[0] in self._under_way:
            self._begun.add(said[0])
        else:
            self._others.started(said)

    def _succeeded(self, said: Succeeded) -> None:
        if not self._ends(said[0], "success", ""):
            self._others.succeeded(said)

    def _ended(self, said: Ended) -> None:
        delivery, outcome, detail, _ = said
        if not self._ends(delivery, outcome, detail):
            self._others.ended(said)

    def _reserved(self) -> list[Delivery]:
        return [*self._others.reserved(), *(self._under_way - self._begun)]

    def _ends(self, delivery: Delivery, outcome: Outcome, detail: str) -> bool:
        if delivery not in self._under_way:
            return False
        self._under_way.discard(delivery)
        self._begun.discard(delivery)
        self._told(delivery, outcome, detail)
        return True
