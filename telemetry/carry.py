"""Headers that go with every task published in a block: `with carrying(tenant_id="acme"): …`.

Comes in: names and values. Goes out: what is to be carried now, to whoever publishes. It knows no
Celery; the values are those of this thread, greenlet or asyncio task.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CARRIED: ContextVar[Mapping[str, str]] = ContextVar("portless_carried")


@contextmanager
def carrying(**headers: str) -> Iterator[None]:
    """Give these headers to every task that is published in the block.

    Only those that `instrument(app, attributes=…)` names are sent; a header that a message has
    already, by `apply_async(headers=…)`, stays. What the task itself publishes, its chain and its
    retries carry them on. An inner block adds to an outer one, and an empty value takes away.
    """
    token = _CARRIED.set({**carried(), **headers})
    try:
        yield
    finally:
        _CARRIED.reset(token)


def carried() -> Mapping[str, str]:
    """The headers of the blocks around here."""
    return _CARRIED.get({})
