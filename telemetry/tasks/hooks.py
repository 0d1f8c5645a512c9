"""Celery's requests and messages -> deliveries: the file that touches the worker's insides.

Comes in: what Celery calls. Goes out: what became of each delivery, at once, into the books. These
get Celery's request only as a key: no type of Celery's goes any further. Nothing of Celery is
patched: a received request gets a subclass of its own class. It knows no OpenTelemetry and no
metric's name.

Why not signals alone: in the main process they fire twice for a hard time limit, never for success,
and not at all for a body that cannot be decoded (`tests/system` holds each of these).
"""

from __future__ import annotations

import threading
from time import monotonic, time
from typing import TYPE_CHECKING, Any, TypeAlias

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined] # stubs lack it
from celery import signals
from celery.exceptions import (
    Ignore,
    Reject,
    Retry,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
)

from telemetry.tasks import facts
from telemetry.tasks.publish import bindings, enqueued_at_seconds, listen
from telemetry.tasks.routes import Routes
from telemetry.tasks.safely import Safely

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.tasks.books import Books, Outcome
    from telemetry.tasks.headers import Lifted

# Celery's own objects. Their published types leave out most of what is used here.
Request: TypeAlias = Any
Consumer: TypeAlias = Any
Message: TypeAlias = Any
Worker: TypeAlias = Any
Task: TypeAlias = Any
ErrorInfo: TypeAlias = Any
Error: TypeAlias = Any
Handed: TypeAlias = Any
"""Handed through as it came."""

_DIED = (WorkerLostError, SystemExit, KeyboardInterrupt)
"""Errors that mean the end of the process or greenlet in which the task ran."""


class Hooks:
    """One worker's hooks, which write into `books`."""

    def __init__(self, books: Books, worker: Worker, lifted: Lifted) -> None:
        self.safely = Safely(books.record)
        self.books = books
        self._worker = worker
        self._lifted = lifted
        self._classes: dict[type, type] = {}
        self._routes = Routes(lambda: bindings(worker.app))
        self._announcing = threading.local()
        listen(signals.task_received, self._receiving(lifted))
        listen(signals.task_revoked, self._on_revoked)

    def _receiving(self, lifted: Lifted) -> Callable[..., None]:
        """The handler of `task_received`; every task comes through it, and through `_every`."""
        worker, classes, routes = self._worker, self._classes, self._routes
        received, lifts = self.books.received, bool(lifted.names)

        def on_received(sender: Consumer, request: Request, **_: object) -> None:
            try:
                if getattr(sender, "controller", None) is not worker:
                    return
                base = request.__class__
                request.__class__ = classes.get(base) or self._watched(base)
                # Its properties `delivery_info`, `type` and `request_dict` take a call each.
                route = request._delivery_info  # noqa: SLF001
                queue_name = routes[route["exchange"], route["routing_key"]]
                values = lifted.values(request._request_dict) if lifts else ()  # noqa: SLF001
                received((request, request._type, queue_name, values))  # noqa: SLF001
            except Exception as error:  # noqa: BLE001 - as in `Safely`, without a call
                self.safely.failed("task_received", error)

        return on_received

    def _on_revoked(
        self, sender: Task, request: Request, *, expired: bool = False, **_: object
    ) -> None:
        """One revoked on receipt never was a received request; those that were tell themselves."""
        if not getattr(self._announcing, "now", False):
            reason = "expired" if expired else "revoked"
            self.safely("task_revoked", self._revoked_on_receipt, sender.name, request, reason)

    def _revoked_on_receipt(self, task_name: str, request: Request, reason: str) -> None:
        queue_name = self._queue_name(request.delivery_info or {})
        values = self._lifted.values(request)  # a Context of Celery's: a mapping of the headers
        self._ended_on_receipt(task_name, queue_name, values, ("revoked", reason))

    def refused(self, message: Message, reason: str) -> None:
        """The consumer refused a message that is no task of this worker."""
        headers = message.headers if isinstance(message.headers, dict) else {}
        name = headers.get("task")
        known = name if isinstance(name, str) and name in self._worker.app.tasks else None
        task_name = known or facts.UNREGISTERED
        queue_name = self._queue_name(message.delivery_info or {})
        self._ended_on_receipt(task_name, queue_name, (), ("discarded", reason))

    def _ended_on_receipt(
        self, task_name: str, queue_name: str, lifted: tuple[str, ...], end: tuple[Outcome, str]
    ) -> None:
        delivery = object()
        self.books.received((delivery, task_name, queue_name, lifted))
        self.books.ended((delivery, *end, monotonic()))

    def reconcile(self, consumer: Consumer) -> None:
        """After a connection was lost: what Celery dropped without a word is lost.

        It drops what was not handed to the pool; where an event loop feeds the pool
        (`consumer.hub`), also what the pool had not begun.
        """
        self._classes.clear()  # Celery makes new ones for each connection
        requests: list[Request] = self.books.reserved()
        for request in requests:
            if consumer.hub or not request.telemetry_in_pool:
                self.end(request, "lost", "connection_lost")

    def child_exited(self, reason: str, unexported: int) -> None:
        """A pool process ended, with the metrics of so many tasks not exported."""
        self.books.record(facts.ChildExited(reason, unexported))

    def returned(self, request: Request, result: Handed) -> None:
        """The pool called back: `(failed, result or error, runtime)`, or the error alone.

        Alone where a thread or a greenlet met a BaseException. A greenlet that was killed looks
        like a success without a runtime.
        """
        failed, value, runtime = result if isinstance(result, tuple) else (True, result, None)
        if failed:
            if isinstance(_exception(value), _DIED):  # others come by `failed`
                self.end(request, "lost", "worker_lost")
        elif runtime is None:
            self.end(request, *request.telemetry_doom)
        else:
            self.books.succeeded((request, runtime))

    def failed(self, request: Request, error: ErrorInfo) -> None:
        """Tell the outcome that Celery is about to see in the error."""
        exception = _exception(error)
        if isinstance(exception, Terminated):
            return  # Celery announces it as revoked, or has announced it as cancelled
        if isinstance(exception, TimeLimitExceeded):
            self.end(request, "lost", "time_limit")
        elif isinstance(exception, _DIED):
            if not request.telemetry_asks_backend:  # if it does, `stored` tells
                self.end(request, "lost", "worker_lost")
        elif isinstance(exception, Reject):
            requeue = exception.requeue  # type: ignore[attr-defined] # stubs lack it
            self.end(request, "rejected", "requeued" if requeue else "rejected")
        elif isinstance(exception, Ignore):
            self.end(request, "ignored")
        elif isinstance(exception, Retry):
            self.end(request, "retried")
        else:
            self.end(request, "failed", _class_name(exception))

    def stored(self, request: Request, success: object) -> None:
        """The process was lost; Celery has asked whether the task's success was stored before."""
        self.end(request, *(("success",) if success else ("lost", "worker_lost")))

    def end(self, request: Request, outcome: Outcome, detail: str = "") -> None:
        """Celery may announce more than one end; the books take the first."""
        self.books.ended((request, outcome, detail, monotonic()))

    def announce(self, announce: Callable[..., Any], *args: Handed, **kwargs: Handed) -> Handed:
        """Let Celery send `task_revoked` for a request that has told it already."""
        self._announcing.now = True
        try:
            return announce(*args, **kwargs)
        finally:
            self._announcing.now = False

    def _watched(self, base: type) -> type:
        body = {
            "telemetry_hooks": self,
            "telemetry_asks_backend": hasattr(base, "_success_was_stored"),
            **_every(base, self),
        }
        watched = self._classes[base] = type(base.__name__, (_Watched, base), body)
        return watched

    def _queue_name(self, route: Mapping[str, Any]) -> str:
        return self._routes[route.get("exchange"), route.get("routing_key")]


if TYPE_CHECKING:
    AnyRequest: TypeAlias = Any
else:
    AnyRequest = object


class _Watched(AnyRequest):  # type: ignore[misc] # it is mixed into what Celery has
    """A received request: each method tells, then does what it always did.

    Mixed into the class that Celery made for the task. That one overrides `on_success` and
    `execute_using_pool` without calling its parent, so a parent of it (`Task.Request`) would miss
    them. What every task comes through is in `_every`.
    """

    telemetry_hooks: Hooks
    telemetry_asks_backend: bool
    telemetry_in_pool = False
    telemetry_doom: tuple[Outcome, str] = ("revoked", "terminated")
    """What a task that is about to be killed will count as."""

    def on_failure(self, error: Handed, *args: Handed, **kwargs: Handed) -> Handed:
        self.telemetry_hooks.safely("on_failure", self.telemetry_hooks.failed, self, error)
        return super().on_failure(error, *args, **kwargs)

    def on_timeout(self, soft: bool, timeout: float) -> Handed:
        if not soft:
            self._telemetry_tell("on_timeout", "lost", "time_limit")
        return super().on_timeout(soft, timeout)

    def reject(self, requeue: bool = False) -> Handed:
        if not self.acknowledged:
            self._telemetry_tell("reject", "rejected", "requeued" if requeue else "rejected")
        return super().reject(requeue)

    def cancel(self, *args: Handed, **kwargs: Handed) -> Handed:
        # Celery cancels when the connection is lost (late tasks, which are retried) and at a cold
        # shutdown (the others, and late ones without a retry).
        retried = self.task.acks_late and kwargs.get("emit_retry", True)
        self.telemetry_doom = ("lost", "connection_lost" if retried else "shutdown")
        return super().cancel(*args, **kwargs)

    def _announce_cancelled(self, *args: Handed, **kwargs: Handed) -> Handed:
        self._telemetry_tell("cancelled", *self.telemetry_doom)
        return super()._announce_cancelled(*args, **kwargs)

    def _announce_revoked(self, reason: str, *args: Handed, **kwargs: Handed) -> Handed:
        known = reason if reason in {"expired", "terminated"} else "revoked"
        self._telemetry_tell("revoked", "revoked", known)
        announce = super()._announce_revoked
        return self.telemetry_hooks.announce(announce, reason, *args, **kwargs)

    def _success_was_stored(self) -> Handed:
        success = super()._success_was_stored()
        self.telemetry_hooks.safely("stored", self.telemetry_hooks.stored, self, success)
        return success

    def _telemetry_tell(self, hook: str, outcome: Outcome, detail: str) -> None:
        self.telemetry_hooks.safely(hook, self.telemetry_hooks.end, self, outcome, detail)


def _every(base: Any, hooks: Hooks) -> dict[str, Callable[..., Handed]]:  # noqa: ANN401 - Celery's class
    """The methods of a watched class that every task comes through.

    They are as those of `_Watched`, with what these look up each time looked up once: `super` and a
    call of `Safely` take longer than counting does.
    """
    execute, accepted, succeeded = base.execute_using_pool, base.on_accepted, base.on_success
    books, returned, failed = hooks.books, hooks.returned, hooks.safely.failed
    started, returned_well = books.started, books.succeeded

    def execute_using_pool(request: Request, pool: Handed, **kwargs: Handed) -> Handed:
        request.telemetry_in_pool = True  # not every pool has a result to tell it by
        return execute(request, pool, **kwargs) if kwargs else execute(request, pool)

    def on_accepted(request: Request, pid: int, time_accepted: float) -> Handed:
        try:
            # As in `on_received`: these are no properties.
            waited = enqueued_at_seconds(request._request_dict)  # noqa: SLF001
            if waited is not None:
                if request._eta is not None:  # noqa: SLF001
                    waited = max(waited, request._eta.timestamp())  # noqa: SLF001
                waited = time() - (monotonic() - time_accepted) - waited
                if waited < 0:  # clocks of two machines
                    waited = 0.0
            started((request, time_accepted, waited))
        except Exception as error:  # noqa: BLE001 - as in `Safely`
            failed("on_accepted", error)
        return accepted(request, pid, time_accepted)

    def on_success(request: Request, result: Handed, **kwargs: Handed) -> Handed:
        try:
            # As `returned` has it, for nearly all.
            if result.__class__ is tuple and not result[0] and result[2] is not None:
                returned_well((request, result[2]))
            else:
                returned(request, result)
        except Exception as error:  # noqa: BLE001 - as in `Safely`
            failed("on_success", error)
        return succeeded(request, result, **kwargs) if kwargs else succeeded(request, result)

    watched = (execute_using_pool, on_accepted, on_success)
    return {method.__name__: method for method in watched}


def _exception(error: ErrorInfo) -> Error:
    """The exception itself: threads and greenlets wrap it together with its traceback."""
    exception = error.exception
    return exception.exc if isinstance(exception, ExceptionWithTraceback) else exception


def _class_name(exception: Error) -> str:
    """The name of its class, also of one that could not be pickled on its way here."""
    return str(getattr(exception, "exc_cls_name", None) or type(exception).__name__)
