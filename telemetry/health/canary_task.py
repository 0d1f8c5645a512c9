"""The canary's task: what the pool runs of it. A row is written, read back and taken away again.

Comes in: a token. Goes out: nothing, or an error that the worker's main process hears of like any
other. The row lies where tasks of the application leave their results, under a name of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from celery import states

if TYPE_CHECKING:
    from celery import Celery

Task: TypeAlias = Any
Backend: TypeAlias = Any

NAME = "portless.canary"
_NO_ROWS = ("DisabledBackend", "RPCBackend")
"""Without results, or with results as messages, there is no row to write."""


class RowLostError(Exception):
    """The result backend took a row and did not give it back."""


def register(app: Celery) -> None:
    """Make the task known to `app`: its worker's main process and its pool processes alike.

    It acknowledges late, so that what is acknowledged has run, and leaves no result of its own.
    """
    if not any(name == NAME for name in getattr(app, "_tasks", ())):
        app.task(name=NAME, bind=True, ignore_result=True, acks_late=True, shared=False)(_run)


def _run(task: Task, token: str) -> None:
    backend: Backend = task.app.backend
    if any(cls.__name__ in _NO_ROWS for cls in type(backend).__mro__):
        return
    key = f"portless-canary-{token}"
    try:
        backend.store_result(key, token, states.SUCCESS)
        if backend.get_task_meta(key, cache=False).get("result") != token:
            raise RowLostError
    finally:
        backend.forget(key)
