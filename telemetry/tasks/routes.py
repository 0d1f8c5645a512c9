"""Which queue a message came through: exchange and routing key -> a name from a bounded set.

Comes in: the bindings of the queues that an app knows, as plain values. Goes out: a queue's name,
or "(unknown)", never a default by accident and never a routing key from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from telemetry.tasks.facts import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

REMEMBERED_MAX = 1000
"""Routing keys of topic exchanges can be any number; those beyond are looked up each time."""


class Binding(NamedTuple):
    """A queue bound to an exchange."""

    queue_name: str
    exchange: str
    exchange_type: str
    routing_key: str


Route: TypeAlias = "tuple[str | None, str | None]"
"""Exchange and routing key as a message has them: None and "" are the same."""


class Routes(dict[Route, str]):
    """The queue that a message with a route is in, as `routes[exchange, routing_key]`.

    Asks for the bindings again when it meets a route it does not know.
    """

    def __init__(self, bindings: Callable[[], Iterable[Binding]]) -> None:
        super().__init__()
        self._bindings = bindings

    def __missing__(self, route: Route) -> str:
        """Find it, and remember it."""
        exchange, routing_key = route
        name = _find(list(self._bindings()), exchange or "", routing_key or "")
        if name is not None and len(self) < REMEMBERED_MAX:
            self[route] = name
        return UNKNOWN if name is None else name


def _find(bindings: Sequence[Binding], exchange: str, routing_key: str) -> str | None:
    if not exchange:  # the default exchange: the routing key is the queue's name
        known = {binding.queue_name for binding in bindings}
        return routing_key if routing_key in known else None
    for binding in bindings:
        if binding.exchange == exchange and _matches(binding, routing_key):
            return binding.queue_name
    return None


def _matches(binding: Binding, routing_key: str) -> bool:
    if binding.exchange_type == "topic":
        return _topic(binding.routing_key.split("."), routing_key.split("."))
    return binding.exchange_type in {"fanout", "headers"} or binding.routing_key == routing_key


def _topic(pattern: list[str], words: list[str]) -> bool:
    """AMQP's topic matching: `*` is one word, `#` any number of them."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_topic(pattern[1:], words[i:]) for i in range(len(words) + 1))
    return bool(words) and pattern[0] in {"*", words[0]} and _topic(pattern[1:], words[1:])
