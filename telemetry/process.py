"""The mouth: which report begins in which process, and when it says its last word.

Comes in: what Celery and the system tell about processes (a worker begins, a pool process was
forked, a process ends). Goes out: at most one reporter at a time, under the right name. It knows no
task and no metric; what takes more than a line is decided up the river.

A process is a worker's, a pool's or a producer's. A forked one begins anew: what it inherited
belongs to its parent, who goes on counting there.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from billiard.process import current_process
from celery import signals
from kombu.utils.compat import detect_environment
from opentelemetry.sdk.metrics import MeterProvider

from telemetry import export, identity, instruments
from telemetry.broker import brokers
from telemetry.broker.blind import Unreadable
from telemetry.broker.leases import news
from telemetry.broker.observer import Observer
from telemetry.doctor import task as doctor_task
from telemetry.health.worker import WorkerHealth
from telemetry.reporter import Reporter
from telemetry.slots import Slot, Slots
from telemetry.tasks import beat
from telemetry.tasks.facts import Befell, Bound, Fact, WorkerStarted, WorkerStopped
from telemetry.tasks.headers import Lifted
from telemetry.tasks.publish import Publisher
from telemetry.tasks.safely import Safely
from telemetry.tasks.steps import steps
from telemetry.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery
    from opentelemetry.sdk.resources import Resource

    from telemetry.settings import Settings
    from telemetry.tasks.books import Books

logger = logging.getLogger(__name__)

_UNHURRIED = (0, 0x9B, None)
"""Exit codes of a pool process that was told to stop, or had its number of tasks (billiard)."""


class ThisProcess:
    """The report of this process, whatever it is; a `telemetry.tasks.steps.Site`."""

    def __init__(self, wanted: Settings, environ: Mapping[str, str]) -> None:
        for warning in wanted.warnings:
            logger.warning("%s", warning)
        # Made once for its imports, while there is one thread: a process forked while another one
        # imports a module can never import that.
        export.exporter(wanted)
        self._detected = export.detect()
        self._wanted = wanted
        self._environ = environ
        self._lock = threading.Lock()
        self._reporter: Reporter | None = None
        self._observer: Observer | None = None
        self._observers_inherited: list[Observer] = []
        self._user: instruments.UserMetrics | None = None
        self._inherited: object | None = None
        """Whose MeterProvider was there when this process was forked."""
        self._slots: Slots | None = None
        self._forked = False
        self._down = False
        self._node_name: str | None = None
        self._is_worker = False
        self._pushes = False
        """Whether to report what the user's instruments record here, be it a worker or not."""
        self._apps: list[Celery] = []
        self.lifted = Lifted(wanted.attributes)
        own = steps(self)
        self._health = WorkerHealth(wanted, environ, self.record, self._is_down, after=own[0])
        self._steps = tuple(zip(own, self._health.steps))
        self.publisher = Publisher(self.record, self._apps, self.lifted)
        self._safely = Safely(self.record)
        # Before tracing connects to the same signal: a first span needs a provider.
        signals.before_task_publish.connect(self._publishes)
        self._tracing = Tracing(wanted)
        signals.worker_process_init.connect(self._pool_process_begins)
        signals.worker_process_shutdown.connect(self._pool_process_ends)
        signals.worker_shutdown.connect(self._ends)
        signals.beat_init.connect(self.beat_begins)
        news.listeners.append(self._messages_befell)
        atexit.register(self._ends)  # a cold shutdown sends no signal
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(before=self._forks, after_in_child=self._was_forked)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The headers that are attributes of what this process tells."""
        return self._wanted.attributes

    def add(self, app: Celery) -> None:
        """Watch the workers of `app` as well."""
        if app not in self._apps:
            self._apps.append(app)
            self._health.add(app)
            doctor_task.register(app)
            for blueprint, own in zip(("worker", "consumer"), self._steps):
                app.steps[blueprint].update(own)

    def record(self, fact: Fact) -> None:
        """Take a fact of this process; the first begins the report of one that only publishes."""
        (self._reporter or self._producer_begins()).record(fact)

    def push(self) -> None:
        """Report what the user's instruments record, here and in processes forked from here.

        A worker and its pool do so anyway, under the names that they have.
        """
        if self._is_worker:
            return
        self._pushes = True
        reporter = self._reporter or self._producer_begins()
        provider = instruments.somebody_s()
        if self._user is not None:
            reporter.include(self._user)
        elif provider is None:
            self._adopt(reporter)
        elif provider is self._inherited and isinstance(provider, MeterProvider):
            self._adopt(reporter, provider)
        else:
            self._tell_provider(provider, forks=False)

    def bound(self, *, refused: bool) -> None:
        """Count a socket that code in a worker or its pool bound, or tried to bind."""
        if self._reporter is not None:  # whoever is no worker and publishes nothing has no report
            self._reporter.record(Bound("refused" if refused else "warned"))

    def _messages_befell(self, what: news.News, queue_name: str, count: int) -> None:
        self._safely(what, self.record, Befell(what, queue_name, count))

    def worker_begins(self, node_name: str) -> Books:
        """A worker is being built here; returns its books."""
        self._ends()  # what was published on the way here was a producer's
        self._pushes = False
        self._node_name = node_name
        self._is_worker = True
        self._slots = Slots()
        reporter = self._begin(identity.worker(self._environ, node_name), durable=True)
        reporter.record(WorkerStarted(node_name))
        return self._health.diverted(reporter.books)

    def broker_known(self, app: Celery) -> None:
        """Prepare to observe the queues of the app's broker, where one of many is elected for it.

        What that needs is imported now, while nothing forks; it connects to nothing yet.
        """
        connection = app.connection_for_read()
        if not (self._wanted.observe and self._reporter and brokers.elects(connection)):
            return
        try:
            broker = brokers.broker(connection, tuple, self._wanted.interval_seconds)
        except Unreadable as error:
            logger.warning("the broker's queues are not observed: %s", error)
            return
        green = str(detect_environment())
        own = self._reporter.resource
        self._observer = Observer(broker, self._wanted, self._environ, own, green=green, quiet=True)

    def work_begins(self, measure: Callable[[], Fact], *, forks: bool) -> None:
        """Its pool stands. Exports begin only now, so that the first forks know no thread of it."""
        reporter = self._reporter
        if reporter is None:
            return
        if forks and self._wanted.protocol == "grpc":
            logger.warning("grpc is not safe in processes that fork; use http/protobuf")
        provider = None if self._user else instruments.somebody_s()
        if provider is not None:
            self._tell_provider(provider, forks=forks)
        elif not forks:
            self._adopt(reporter)
        reporter.measure(measure)
        reporter.measure(self._health.measure)
        reporter.start()
        if self._observer is not None:
            self._observer.start()

    def _pool_process_begins(self, sender: str | None = None, **_: object) -> None:
        if self._is_worker:  # the solo pool says this in the worker's own process
            return
        self._ends()
        node_name = sender or self._node_name or socket.gethostname()
        index = getattr(current_process(), "index", 0)
        reporter = self._begin(identity.slot(self._environ, node_name, index), quiet=True)
        provider = instruments.somebody_s()
        slot = self._slots.slot(index) if self._slots else None
        if slot is None and self._slots:
            logger.warning("pool process %d: what it has not exported is not counted", index)
        if provider is None:
            self._adopt(reporter, None, slot)
        elif provider is self._inherited and isinstance(provider, MeterProvider):
            self._adopt(reporter, provider, slot)
        reporter.start()

    def _pool_process_ends(self, exitcode: int | None = None, **_: object) -> None:
        """Export a last time; wait for that only where nobody has asked the process to hurry.

        After this signal billiard writes the process's end to a pipe that the pool shares, under a
        lock. The TERM of a hard time limit is followed by a KILL after 0.1 s: an export of just
        that length would put the KILL where the lock is held, and nobody would ever get a result
        through that pipe again.
        """
        if not self._is_worker:
            reporter, self._reporter = self._reporter, None
            self._say_last(reporter, wait=exitcode in _UNHURRIED)

    def beat_begins(self, sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's service
        """Beat runs here: on its own, in a process of a worker's, or in a worker's thread."""
        if not self._is_worker:
            self._ends()
            place = self._node_name or socket.gethostname()
            self._begin(identity.beat(self._environ, place)).start()
        beat.watch(sender, self.record, self._beat_ends)

    def _beat_ends(self) -> None:
        if not self._is_worker:
            self._ends()

    def _producer_begins(self) -> Reporter:
        with self._lock:
            if self._reporter is None:
                host, pid = socket.gethostname(), os.getpid()
                self._begin(identity.producer(self._environ, host, pid)).start()
            return self._reporter  # type: ignore[return-value] # begun in the line above

    def _begin(
        self, attributes: Mapping[str, str], *, quiet: bool = False, durable: bool = False
    ) -> Reporter:
        resource = export.identified(self._detected, attributes)
        self._reporter = Reporter(
            self._wanted, resource, down=self._down, quiet=quiet, durable=durable
        )
        self._safely("tracing", self._begin_tracing, resource)
        return self._reporter

    def _begin_tracing(self, resource: Resource) -> None:
        forked, self._forked = self._forked, False
        self._tracing.begin(resource, forked=forked)

    def _publishes(self, **_: object) -> None:
        """Before the first message of a process that only publishes."""
        if self._reporter is None:
            self._safely("publishes", self._producer_begins)

    def _tell_provider(self, provider: object, *, forks: bool) -> None:
        if forks and isinstance(provider, MeterProvider):
            logger.info(
                "the application has made a MeterProvider before its pool; what pool processes "
                "record is pushed under their own names, as the OTEL_* variables say"
            )
        else:
            logger.info(
                "the application has set a MeterProvider of its own; what its instruments record "
                "is left to that one"
            )

    def _adopt(
        self,
        reporter: Reporter,
        inherited: MeterProvider | None = None,
        slot: Slot | None = None,
    ) -> None:
        """Take over what the user's instruments record in this process, for as long as it lives."""
        if self._user is None:
            self._user = reporter.user_metrics(self._flush, inherited)
        if slot is not None:
            slot.begin()
            signals.task_prerun.connect(slot.task_begins, weak=False)
            signals.task_postrun.connect(slot.task_ends, weak=False)
        reporter.include(self._user, slot)

    def unexported(self, slot: int) -> int:
        """The tasks of the pool process in this slot whose own metrics were not exported yet."""
        return self._slots.unexported(slot) if self._slots is not None else 0

    def _flush(self, timeout_seconds: float) -> bool:
        return self._reporter is not None and self._reporter.flush(timeout_seconds)

    def _is_down(self) -> bool:
        return self._down if self._reporter is None else self._reporter.down

    def _ends(self, **_: object) -> None:
        """The last word; whoever asks second finds it said."""
        reporter, self._reporter = self._reporter, None
        was_worker, self._is_worker = self._is_worker, False
        if was_worker:
            self._health.ends()
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
        if reporter is not None:
            if was_worker:
                reporter.record(WorkerStopped())
            self._say_last(reporter, wait=True)
            self._down = reporter.down

    def _say_last(self, reporter: Reporter | None, *, wait: bool) -> None:
        """Export metrics and spans a last time, both at once, within the report's time."""
        if reporter is None:
            return
        ends_at = monotonic() + reporter.stop_seconds
        spans = self._tracing.flushing()
        reporter.stop(wait=wait)
        if spans is not None and wait:
            spans.join(max(0.0, ends_at - monotonic()))

    def _forks(self) -> None:
        """What a worker forks is a pool process, in which a reader made here has no business."""
        if self._is_worker:
            instruments.still(instruments.somebody_s())

    def _was_forked(self) -> None:
        self._inherited = instruments.somebody_s()
        self._forked = True
        self._down = self._is_down()
        self._health.was_forked()
        if self._reporter is not None:
            self._reporter.forget()
        self._reporter = None
        if self._observer is not None:
            # Kept: were it collected here, its connection would be ended for the parent, too.
            self._observers_inherited.append(self._observer)
            self._observer = None
        self._user = None
        forked_by_worker, self._is_worker = self._is_worker, False
        self._lock = threading.Lock()
        self._pushes = self._pushes and not forked_by_worker
        if self._pushes:
            self.push()
