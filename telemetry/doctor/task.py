"""The marked task: it does nothing, and is counted like any other, under a name of its own.

Comes in: an app. Goes out: the app, knowing the task; so do all workers that run `instrument`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

NAME = "portless.doctor"


def register(app: Celery) -> None:
    """Make the task known to `app`; doing it again changes nothing."""
    if not any(name == NAME for name in getattr(app, "_tasks", ())):
        app.task(name=NAME, ignore_result=True, shared=False)(_run)


def is_known(app: Celery) -> bool:
    """Whether `instrument` has seen this app, which is finalized by asking."""
    return NAME in app.tasks


def _run() -> None:
    """Nothing: that it ran is all there is to know."""
