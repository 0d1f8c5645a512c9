from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from celery import Celery
from celery.beat import Scheduler, SchedulingError
from celery.schedules import crontab, schedule

from telemetry.tasks import beat
from telemetry.tasks.facts import BeatSent, Fact, HookFailed


def scheduler(told: list[Fact], **entry: Any) -> Any:
    """A scheduler with one entry, under watch."""
    app = Celery("beat", broker="memory://")
    app.conf.beat_schedule = {"an entry": {"task": "a.task", **entry}}
    service = SimpleNamespace(scheduler=Scheduler(app))
    beat.watch(service, told.append, lambda: None)
    return service.scheduler


@pytest.mark.parametrize(
    ("due", "late"),
    [
        (schedule(timedelta(seconds=10)), 50.0),
        (schedule(timedelta(hours=1)), 0.0),
        (crontab(), None),
    ],
)
def test_lateness_is_the_time_since_it_was_due(due: schedule, late: float | None) -> None:
    """By the schedule's own account of when that was; early is not late."""
    told: list[Fact] = []
    watched = scheduler(told, schedule=due)
    entry = watched.schedule["an entry"]
    entry.last_run_at = entry.default_now() - timedelta(seconds=60)
    before = time.time()
    watched.apply_async(entry)
    (fact,) = told
    assert isinstance(fact, BeatSent)
    assert fact.schedule == "an entry"
    assert before <= fact.at_seconds <= time.time()
    assert fact.late_seconds is not None
    if late is not None:
        assert fact.late_seconds == pytest.approx(late, abs=5)
    assert 0 <= fact.late_seconds <= 60


def test_what_was_not_sent_is_not_told() -> None:
    """An entry whose message cannot be made fails as it always did."""
    told: list[Fact] = []
    watched = scheduler(told, schedule=1.0, args=(object(),))
    with pytest.raises(SchedulingError):
        watched.apply_async(watched.schedule["an entry"])
    assert told == []


def test_a_schedule_that_cannot_say_when_it_was_due_is_still_told() -> None:
    """Without lateness; the failure is counted and beat never notices."""

    class Odd(schedule):
        def remaining_estimate(self, *_: Any) -> NoReturn:
            raise RuntimeError("nobody knows")

    told: list[Fact] = []
    watched = scheduler(told, schedule=Odd(timedelta(seconds=1)))
    watched.apply_async(watched.schedule["an entry"])
    failed, sent = told
    assert failed == HookFailed("beat_lateness")
    assert isinstance(sent, BeatSent)
    assert sent.late_seconds is None


def test_a_scheduler_is_watched_once_and_by_the_last_who_asked() -> None:
    """A service that starts again is not told of twice."""
    old: list[Fact] = []
    new: list[Fact] = []
    watched = scheduler(old, schedule=1.0)
    beat.watch(SimpleNamespace(scheduler=watched), new.append, lambda: None)
    watched.apply_async(watched.schedule["an entry"])
    assert (len(old), len(new)) == (0, 1)
