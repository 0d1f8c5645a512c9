"""Checks -> a report: all at once, each in bounded time, one round at a time, kept for a second.

Comes in: checks, which are calls that return or raise `NotReady`. Goes out: a report, asked for
from an event loop. A check runs in a thread of its own, so that one that hangs holds up no request;
while it hangs it is not started again, however many probes ask. It knows no HTTP and no database.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from telemetry.health import told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

CHECK_SECONDS_MAX = 2.0
CACHE_SECONDS = 1.0


class NotReady(Exception):  # noqa: N818 - it is what was found out, and no error
    """Why something is not ready, in a sentence without secrets."""


class Check(NamedTuple):
    """One thing that has to be so."""

    name: str
    """Everybody may read it."""
    run: Callable[[], None]
    """Returns, or raises `NotReady`; anything else that it raises is named by its class."""


class Result(NamedTuple):
    """What one check found."""

    name: str
    ok: bool
    seconds: float
    why: str = ""
    """For those who may read it; empty where all is well."""


class Report(NamedTuple):
    """What all of them found."""

    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is so."""
        return all(result.ok for result in self.results)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [result.name for result in self.results if not result.ok]


class Readiness:
    """Runs checks for whoever asks. Raises ValueError without any, or where two share a name."""

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        check_seconds_max: float = CHECK_SECONDS_MAX,
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        names = [check.name for check in checks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"checks need names of their own, and there must be one: {names}")
        self._runs = [_Run(check) for check in checks]
        self._check_seconds_max = check_seconds_max
        self._cache_seconds = cache_seconds
        self._round: asyncio.Task[Report] | None = None
        self._report: Report | None = None
        self._made = 0.0
        told.tell(self)

    def found(self) -> tuple[dict[str, bool], float]:
        """What the last round found, by check, and when; see `told.Found`."""
        results = self._report.results if self._report else ()
        return {result.name: result.ok for result in results}, self._made

    async def report(self) -> Report:
        """What the last round found, or the one that is under way, or a new one."""
        if self._report is not None and monotonic() - self._made < self._cache_seconds:
            return self._report
        if self._round is None or self._round.done() or self._is_of_another_loop(self._round):
            self._round = asyncio.create_task(self._new_round())
        # Whoever asked may go away; others wait for the same answer.
        return await asyncio.shield(self._round)

    async def _new_round(self) -> Report:
        limit = self._check_seconds_max
        found = await asyncio.gather(*(run.result(limit) for run in self._runs))
        report = Report(tuple(found))
        if self._report is None or report.failed != self._report.failed:
            _log(report, first=self._report is None)
        self._report, self._made = report, monotonic()
        return report

    @staticmethod
    def _is_of_another_loop(task: asyncio.Task[Report]) -> bool:
        return task.get_loop() is not asyncio.get_running_loop()


class _Run:
    """One check, and the thread that it runs in."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._future: Future[None] | None = None
        self._begun = 0.0

    async def result(self, seconds_max: float) -> Result:
        if self._future is None or self._future.done():
            self._future, self._begun = Future(), monotonic()
            # A daemon: a server that stops must not wait for a database.
            threading.Thread(
                target=self._work, args=(self._future,), name=self._check.name, daemon=True
            ).start()
        why = ""
        try:
            waiting = asyncio.wrap_future(self._future)
            await asyncio.wait_for(asyncio.shield(waiting), seconds_max)
        except asyncio.TimeoutError:
            waiting.add_done_callback(_heard)
            why = f"no answer within {monotonic() - self._begun:.1f} s"
        except NotReady as found:
            why = str(found)
        except Exception as error:  # noqa: BLE001 - a check may raise what it likes
            why = described(error)
        return Result(self._check.name, not why, round(monotonic() - self._begun, 4), why)

    def _work(self, future: Future[None]) -> None:
        try:
            self._check.run()
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            future.set_exception(error)
        else:
            future.set_result(None)


def described(error: BaseException) -> str:
    """An error without what it may quote: its class, and what PostgreSQL says of it in short.

    PostgreSQL's primary message names tables and columns; values are in its details.
    """
    words = [type(error).__name__]
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state:
        words.append(str(state))
        words.append(str(getattr(getattr(error, "diag", None), "message_primary", None) or ""))
    return " ".join(word for word in words if word)


def _heard(future: asyncio.Future[None]) -> None:
    """Take notice of an error that came too late, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()


def _log(report: Report, *, first: bool) -> None:
    for result in report.results:
        if not result.ok:
            logger.warning("not ready: %s: %s", result.name, result.why)
    if report.ok and not first:
        logger.warning("ready again")
