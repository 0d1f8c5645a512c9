"""Celery beat -> facts: what it sent of each schedule entry, when, and how late that was.

Comes in: a beat service that begins to run. Goes out: a fact for each task it sent. The scheduler,
whichever class it is of, gets a subclass of its own class, as received requests do. It knows no
OpenTelemetry and no metric's name.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.tasks.facts import BeatSent, Fact
from telemetry.tasks.safely import Safely

if TYPE_CHECKING:
    from collections.abc import Callable

# Celery's own objects.
Service: TypeAlias = Any
Entry: TypeAlias = Any
Handed: TypeAlias = Any
"""Handed through as it came."""


def watch(service: Service, record: Callable[[Fact], None], ended: Callable[[], None]) -> None:
    """Tell `record` of whatever this service sends, and call `ended` after the last.

    Raises nothing. At the end of a beat that is embedded in a worker nothing else is called:
    billiard leaves its processes without running what was registered for the exit.
    """
    safely = Safely(record)
    safely("beat", _watch, service.scheduler, _Teller(record, ended, safely))


def _watch(scheduler: object, teller: _Teller) -> None:
    if not isinstance(scheduler, _Watched):
        base = type(scheduler)
        watched: Any = type(base.__name__, (_Watched, base), {})
        scheduler.__class__ = watched
    scheduler.telemetry = teller  # type: ignore[attr-defined] # a scheduler takes any attribute


class _Teller:
    """Where the facts of a scheduler go."""

    def __init__(
        self, record: Callable[[Fact], None], ended: Callable[[], None], safely: Safely
    ) -> None:
        self._record = record
        self._ended = ended
        self._safely = safely

    def late_seconds(self, entry: Entry) -> float | None:
        """How long ago the entry was due; None where its schedule does not say."""
        found: list[float] = []
        self._safely("beat_lateness", self._look, entry, found)
        return found[0] if found else None

    def sent(self, entry: Entry, late_seconds: float | None) -> None:
        """The entry's task was sent just now."""
        self._safely("beat_sent", self._tell, entry, late_seconds)

    def ended(self) -> None:
        """The scheduler was closed."""
        self._safely("beat_ends", self._ended)

    def _tell(self, entry: Entry, late_seconds: float | None) -> None:
        self._record(BeatSent(str(entry.name), time(), late_seconds))

    @staticmethod
    def _look(entry: Entry, found: list[float]) -> None:
        # What is left until the next run after the last one, as every kind of schedule tells;
        # below zero since it is due.
        left = entry.schedule.remaining_estimate(entry.last_run_at)
        found.append(max(0.0, -left.total_seconds()))


if TYPE_CHECKING:
    AnyScheduler: TypeAlias = Any
else:
    AnyScheduler = object


class _Watched(AnyScheduler):  # type: ignore[misc] # it is mixed into what Celery has
    """A scheduler: it sends as it always did, then tells."""

    telemetry: _Teller

    def apply_async(self, entry: Entry, *args: Handed, **kwargs: Handed) -> Handed:
        late = self.telemetry.late_seconds(entry)
        sent = super().apply_async(entry, *args, **kwargs)
        self.telemetry.sent(entry, late)
        return sent

    def close(self) -> Handed:
        closed = super().close()
        self.telemetry.ended()
        return closed
