"""Whoever looks at the running system once a second, and what was seen in all that time.

In: a system and a view. Out: pictures for the view while the traffic runs, and the account when it
has come to rest. The clock of the demo is here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from demo.account import Account, Line, canaries, draw_up, exposed, leaks
from demo.picture import Observer
from demo.shop import TENANTS
from demo.sockets import family, listening
from demo.system import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.picture import Picture
    from demo.system import System
    from demo.view import View

LOOK_SECONDS = 1.0
QUIET_LOOKS = 3
"""So often nothing may be in hand in a row: a worker's word is up to an export interval old."""
REST_SECONDS_MAX = 30.0
"""For the last tasks to end; then the account is drawn up all the same."""


class Watch:
    """Looks, and remembers what must not have been there even once."""

    def __init__(self, system: System, view: View) -> None:
        self._system = system
        self._view = view
        self._started = time.monotonic()
        self._observer = Observer(self._started)
        self._processes = 0
        self._listening: set[str] = set()
        self._leaks: set[str] = set()
        self._quiet_looks = 0
        self._ready = 0
        self._told_ready = 0

    def traffic(self, seconds: float, ending: Callable[[], bool]) -> None:
        """Look for so long, 0 for ever, or until `ending`. Raises what `System.check` does."""
        until = self._started + (seconds or float("inf"))
        while time.monotonic() < until and not ending():
            self._look()

    def rest(self) -> None:
        """Look until no task is waiting or in hand, or for `REST_SECONDS_MAX`."""
        until = time.monotonic() + REST_SECONDS_MAX
        self._quiet_looks = 0
        while self._quiet_looks < QUIET_LOOKS and time.monotonic() < until:
            self._look()
        self._ready = self._system.ready()
        self._told_ready = round(self._system.scrape().sum("celery_worker_ready"))

    def account(self) -> Account:
        """Draw up the account; the workers have said their last word."""
        page = self._system.scrape()
        self._search(page.text, self._system.scrape_self().text)
        recorded = self._system.database.books()
        listening, leaking = len(self._listening), len(self._leaks)
        health = (
            Line("workers that called themselves ready", len(WORKERS), self._ready),
            Line("workers that /metrics called ready", len(WORKERS), self._told_ready),
            Line("workers whose canaries all came back", len(WORKERS), canaries(page)),
        )
        return draw_up(recorded, exposed(page), self._processes, listening, leaking, health)

    def _look(self) -> None:
        self._system.check()
        page, own = self._system.scrape(), self._system.scrape_self()
        self._search(page.text, own.text)
        workers = family(worker.pid for worker in self._system.workers)
        self._processes = max(self._processes, len(workers))
        self._listening |= set(listening(workers))
        picture = self._observer.look(time.monotonic(), page, own, self._system.database.tenants())
        self._quiet_looks = self._quiet_looks + 1 if self._is_quiet(picture) else 0
        self._view.show(picture)
        time.sleep(LOOK_SECONDS)

    def _is_quiet(self, picture: Picture) -> bool:
        in_hand = sum(worker.active + worker.reserved for worker in picture.workers)
        return not in_hand and not self._system.database.waiting()

    def _search(self, *texts: str) -> None:
        self._leaks |= set(leaks(TENANTS, *texts))
