"""Where an observer's waiting is done: beside the threads, or greenlets, that run tasks.

Comes in: the name of the library that made threads greenlets, if one did. Goes out: a function that
calls another and returns what that returned. A driver in C stops every greenlet while it waits for
a database, so there the call is made in one of the library's own real threads, meant for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def runner(green: str) -> Callable[[Callable[[], Any]], Any]:
    """How to wait under `green`: `gevent`, `eventlet`, any other word where threads are real."""
    made: dict[str, type[_Here]] = {"gevent": _Gevent, "eventlet": _Eventlet}
    return made.get(green, _Here)()


class _Here:
    """In the thread that asks, which is one of its own."""

    def __call__(self, work: Callable[[], T]) -> T:
        return work()


class _Gevent(_Here):
    """In a thread of a pool of one, made by the greenlet that needs it first."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, work: Callable[[], T]) -> T:
        if self._pool is None:
            from gevent.threadpool import ThreadPool  # noqa: PLC0415 - only where it is in use

            self._pool = ThreadPool(1)
        done: T = self._pool.apply(work)
        return done


class _Eventlet(_Here):
    """In a thread of eventlet's."""

    def __call__(self, work: Callable[[], T]) -> T:
        from eventlet import tpool  # noqa: PLC0415 - only where it is in use

        done: T = tpool.execute(work)
        return done
