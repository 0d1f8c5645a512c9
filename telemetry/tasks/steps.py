"""Celery's bootsteps: when a worker begins, has its pool, and connects -> hooks put in place.

Comes in: the worker and the consumer as Celery builds them. Goes out: calls to the site that knows
what runs in this process, and wraps of the consumer's four refusals and of the pool's notice of a
process that ended. It knows no fact's meaning and no OpenTelemetry.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from celery import bootsteps
from celery.concurrency.prefork import TaskPool as Prefork

from telemetry.tasks.facts import Fact, PoolMeasured
from telemetry.tasks.hooks import Hooks
from telemetry.tasks.safely import Safely

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.tasks.books import Books
    from telemetry.tasks.headers import Lifted

# Celery's and billiard's own objects. Their published types leave out most of what is used here.
App: TypeAlias = Any
Worker: TypeAlias = Any
Consumer: TypeAlias = Any
Pool: TypeAlias = Any
Process: TypeAlias = Any
Handed: TypeAlias = Any
"""Handed through as it came."""

_REFUSALS = {
    # The consumer's method, the place of the message among its arguments, the reason.
    "on_unknown_message": (1, "invalid"),
    "on_unknown_task": (1, "unregistered"),
    "on_invalid_task": (1, "invalid"),
    "on_decode_error": (0, "undecodable"),
}
_RECYCLED = 0x9B
"""The exit code of a pool process that had its number of tasks or its memory (billiard)."""
_SIGTERM = 15


class Site(Protocol):
    """What the process offers to a worker in it."""

    lifted: Lifted
    """The headers that are attributes."""

    def worker_begins(self, node_name: str) -> Books:
        """A worker is being built; returns what its hooks write into."""

    def broker_known(self, app: App) -> None:
        """The worker's app, whose broker is the worker's; nothing has been connected to."""

    def work_begins(self, measure: Callable[[], Fact], *, forks: bool) -> None:
        """Its pool stands; `forks` if tasks run in processes of their own."""

    def unexported(self, slot: int) -> int:
        """The tasks of the pool process in this slot whose own metrics were not exported yet."""


def steps(site: Site) -> tuple[type, type]:
    """The steps for `app.steps["worker"]` and `app.steps["consumer"]`."""
    return (
        type("Telemetry", (_WorkerStep,), {"site": site}),
        type("TelemetryConsumer", (_ConsumerStep,), {}),
    )


class _WorkerStep(bootsteps.StartStopStep):
    requires = ("celery.worker.components:Pool",)
    site: Site

    def __init__(self, worker: Worker, **kwargs: Handed) -> None:
        super().__init__(worker, **kwargs)
        worker.telemetry = None
        Safely(lambda _fact: None)("worker", self._begin, worker)

    def start(self, worker: Worker) -> None:
        hooks = worker.telemetry
        if hooks is not None:
            hooks.safely("worker", self._begin_work, worker.pool, hooks)

    def _begin(self, worker: Worker) -> None:
        books = self.site.worker_begins(worker.hostname)
        hooks = worker.telemetry = Hooks(books, worker, self.site.lifted)
        hooks.safely("observer", self.site.broker_known, worker.app)

    def _begin_work(self, pool: Pool, hooks: Hooks) -> None:
        forks = isinstance(pool, Prefork)
        self.site.work_begins(lambda: PoolMeasured(_size(pool, forks=forks)), forks=forks)
        if forks:
            _watch_exits(pool, hooks, self.site)


class _ConsumerStep(bootsteps.StartStopStep):
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Consumer, **kwargs: Handed) -> None:
        super().__init__(consumer, **kwargs)
        self._hooks: Hooks | None = getattr(consumer.controller, "telemetry", None)
        if self._hooks is not None:
            for name, (place, reason) in _REFUSALS.items():
                wrapped = _refusal(self._hooks, name, getattr(consumer, name), place, reason)
                setattr(consumer, name, wrapped)

    def start(self, consumer: Consumer) -> None:
        if self._hooks is not None:
            self._hooks.safely("reconcile", self._hooks.reconcile, consumer)


def _refusal(
    hooks: Hooks, name: str, refuse: Callable[..., Any], place: int, reason: str
) -> Callable[..., Any]:
    @functools.wraps(refuse)
    def refuse_and_tell(*args: Handed, **kwargs: Handed) -> Handed:
        hooks.safely(name, lambda: hooks.refused(args[place], reason))
        return refuse(*args, **kwargs)

    return refuse_and_tell


def _watch_exits(pool: Pool, hooks: Hooks, site: Site) -> None:
    """Hear of pool processes that ended from the one who buries them.

    Who that is a pool with an event loop decides anew for each loop, by an assignment; so the pool
    gets a subclass of its class in which whatever is assigned comes second.
    """
    processes = pool._pool  # noqa: SLF001 - Celery's pool has no other way to its processes

    def tell(process: Process) -> None:
        hooks.child_exited(_reason(process.exitcode), site.unexported(process.index))

    class Watched(processes.__class__):  # type: ignore[misc, name-defined] # billiard's or Celery's
        telemetry_buries: Callable[[Process], None] | None = processes.on_process_down

        @property
        def on_process_down(self) -> Callable[[Process], None]:
            return self._telemetry_buried

        @on_process_down.setter
        def on_process_down(self, bury: Callable[[Process], None] | None) -> None:
            self.telemetry_buries = bury

        def _telemetry_buried(self, process: Process) -> None:
            hooks.safely("child_exits", tell, process)
            if self.telemetry_buries is not None:
                self.telemetry_buries(process)

    processes.__class__ = Watched


def _size(pool: Pool, *, forks: bool) -> int:
    """Pool processes that live, or the threads or greenlets that a pool may have."""
    if not forks:
        return int(pool.num_processes or 0)
    return len(pool._pool._pool) if pool._pool is not None else 0  # noqa: SLF001 - as above


def _reason(exitcode: int | None) -> str:
    """Why a pool process ended, from its exit code; negative ones are signals."""
    if exitcode == 0:
        return "stopped"
    if exitcode == _RECYCLED:
        return "recycled"
    if exitcode in {_SIGTERM, -_SIGTERM}:  # its handler exits with -(256 - 15), 15 to the system
        return "terminated"
    return "killed" if exitcode is not None and exitcode < 0 else "failed"
