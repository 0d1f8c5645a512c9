"""The way of a worker's metrics, hop by hop: what is asked at each, and of whom.

Comes in: what was asked for, the environment. Goes out: steps in their order, each of which looks
when it is called and may use what an earlier one found. Verdicts are made elsewhere.
"""

from __future__ import annotations

import re
import socket
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from doctor import mark as marks
from doctor import page as pages
from doctor.asking import skewed
from doctor.prometheus import Prometheus, Wanted, other_job
from doctor.pushing import Receiver, push
from doctor.walk import Step, Verdict, broken, fine, unseen, waiting
from telemetry import export, identity, settings
from telemetry.doctor import hops, probe, task
from telemetry.doctor.hops import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

App: TypeAlias = Any

LOOK_SECONDS = 0.5
WAIT_SECONDS = 30.0


class Asked(NamedTuple):
    """What the command line says."""

    app_name: str
    queue: str | None
    metrics_url: str
    prometheus_url: str | None
    jobs: str
    wait_seconds: float | None


class Way:
    """One walk."""

    _app: App
    _wanted: settings.Settings
    _to: Receiver
    _mark: marks.Mark

    def __init__(self, asked: Asked, environ: Mapping[str, str]) -> None:
        self._asked = asked
        self._environ = environ
        self._page = pages.Page(asked.metrics_url)
        self._seconds = asked.wait_seconds or WAIT_SECONDS
        self._text = ""
        self._skew: float | None = None

    def steps(self) -> list[Step]:
        """Every hop. The worker's comes when its count can be seen, before Prometheus alone."""
        asked, page = self._asked, self._page.where
        state = f"{settings.STATE_DIR} of workers"
        prometheus = "the scrape job of Prometheus"
        return [
            Step("export", "the OTEL_* variables of workers", self._export),
            Step("app", f"{asked.app_name}, as `celery -A` has it", self._looked_at_app),
            Step("instrument", f"the module of {asked.app_name}", self._instrument),
            Step("state", state, lambda: hops.state(self._wanted.state_dir)),
            Step("broker", f"broker_url of {asked.app_name}", self._broker),
            Step("receiver", "between workers and the collector's receiver", self._receiver),
            Step("exposition", f"the collector's page at {page}", self._exposition),
            Step("redactor", "the processors in the collector's file", self._redactor),
            Step("worker", f"workers of {asked.app_name}", self._worker),
            Step("prometheus", prometheus, self._prometheus),
        ]

    def _export(self) -> Verdict:
        try:
            self._wanted = settings.read(self._environ)
            if self._wanted.enabled:
                export.exporter(self._wanted)
        except settings.SettingsError as error:
            return broken(str(error), "correct the variable, here and for workers")
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of its variables
            return hops.no_exporter(type(error).__name__)
        if self._asked.wait_seconds is None:
            self._seconds = max(self._seconds, 2 * self._wanted.interval_seconds)
        return hops.enabled(self._wanted)

    def _looked_at_app(self) -> Verdict:
        self._app, verdict = probe.app(self._asked.app_name)
        return verdict or hops.app(self._app, self._asked.app_name)

    def _instrument(self) -> Verdict:
        # Its entry point is loaded by opentelemetry-instrument alone.
        by_command = "telemetry.zero" in sys.modules
        return hops.instrument(known=task.is_known(self._app), by_command=by_command)

    @property
    def _queue(self) -> str:
        return self._asked.queue or str(self._app.conf.task_default_queue)

    def _broker(self) -> Verdict:
        waiting("for the broker")
        error = probe.broker_error(self._app, self._queue)
        return hops.broker(error, in_memory=not error and probe.is_in_memory(self._app))

    def _receiver(self) -> Verdict:
        self._to = probe.receiver(self._environ, is_grpc=self._wanted.protocol == "grpc")
        who = identity.doctor(self._environ, socket.gethostname())
        resource = export.identified(export.detect(), who).attributes
        self._mark = marks.mark({key: str(value) for key, value in resource.items()})
        answer = push(self._to, marks.request(self._mark, self._wanted.attributes))
        self._skew = answer.skew_seconds
        return hops.receiver(answer, self._to)

    def _exposition(self) -> Verdict:
        heard = self._page.ask()
        skew = heard.skew_seconds if self._skew is None else self._skew
        fault = pages.fault(heard, self._page.where)
        if fault is None and skewed(skew):
            return hops.skewed(skew or 0.0, self._page.where)
        return fault or fine(f"the page at {self._page.where} can be read")

    def _redactor(self) -> Verdict:
        waiting(f"for the mark on the page, {self._seconds:.0f} s at most")
        until(self._has_mark, self._seconds)
        return marks.verdict(self._mark, self._text, self._wanted.attributes)

    def _has_mark(self) -> bool:
        self._text = self._page.text() or self._text
        return self._mark.on(self._text) is not None or pages.is_of_the_collector_itself(self._text)

    def _worker(self) -> Verdict:
        before, sent_at = Counts.of(self._text), monotonic()
        error = probe.send(self._app, self._queue, self._seconds)
        if error is not None:
            return hops.broker(error)
        waiting(f"for a worker to run the marked task, {self._seconds:.0f} s at most")
        rose = before.since(before)

        def ended() -> bool:
            nonlocal rose
            text = self._page.text()
            rose = Counts.of(text).since(before) if text else rose
            return rose.has_ended

        until(ended, self._seconds)
        left = None if rose.has_ended else probe.waiting(self._app, self._queue)
        return hops.worker(rose, left, self._queue, monotonic() - sent_at)

    def _prometheus(self) -> Verdict:
        asked = self._asked
        if asked.prometheus_url is None:
            return unseen("give --prometheus with its address")
        job = self._mark.jobs[0]
        if not re.fullmatch(asked.jobs, job):
            return other_job(job, asked.jobs, "OTEL_SERVICE_NAME of workers")
        wanted = Wanted(asked.metrics_url, self._mark, asked.wait_seconds, asked.jobs)
        return Prometheus(asked.prometheus_url).look(wanted)


def until(look: Callable[[], bool], seconds: float) -> None:
    """Look again and again, until it is true or the time is over."""
    ends_at = monotonic() + seconds
    while not look() and monotonic() < ends_at:
        sleep(LOOK_SECONDS)
