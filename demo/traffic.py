"""The shop's customers: a process that publishes tasks, so many a second, until it is told to end.

In: an application that knows its queues. Out: messages, each written down in the books. It does not
know the tasks' code; a web server's process would not either.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from demo import books
from demo.app import app
from demo.shop import TENANTS

if TYPE_CHECKING:
    from collections.abc import Callable


class Flow(NamedTuple):
    """One kind of message."""

    task: str
    per_second: float
    arguments: Callable[[int], tuple[object, ...]]
    """From the number of the message."""
    outcome: str | None = None
    """What becomes of it, where no task will be there to say so."""


def _of_a_tenant(number: int) -> tuple[object, ...]:
    return TENANTS[number % len(TENANTS)], number


def _numbered(number: int) -> tuple[object, ...]:
    return (number,)


def _plain(_: int) -> tuple[object, ...]:
    return ()


FLOWS = (
    Flow("attribution.score", 8, _of_a_tenant),
    Flow("attribution.sale", 4, _of_a_tenant),
    Flow("attribution.live", 0.5, _plain, "revoked"),
    Flow("housekeeping.cart", 5, _numbered),
    Flow("housekeeping.file", 1, _numbered),
    Flow("llm.embed", 5, _of_a_tenant),
    Flow("llm.summarize", 4, _of_a_tenant),
    Flow("maintenance.clean", 2, _plain),
    Flow("maintenance.leak", 0.3, _plain),
    Flow("maintenance.hang", 0.25, _plain),
    Flow("maintenance.forgotten", 0.4, _plain, "discarded"),
)
"""About 30 messages a second, and of each outcome several within 20 s."""


def publish(ending: threading.Event) -> None:
    """Publish every flow at its rate until `ending` is set."""
    due = {flow: time.monotonic() for flow in FLOWS}
    numbers = dict.fromkeys(FLOWS, 0)
    while True:
        flow = min(due, key=due.__getitem__)
        if ending.wait(max(0.0, due[flow] - time.monotonic())):
            return
        _send(flow, numbers[flow])
        numbers[flow] += 1
        due[flow] += 1 / flow.per_second


def _send(flow: Flow, number: int) -> None:
    # What may not be late for a moment is late when a worker gets it.
    expires = 0 if flow.outcome == "revoked" else None
    app.send_task(flow.task, flow.arguments(number), expires=expires)
    # A task that no worker knows has no name in the metrics: names from outside have no bound.
    task = "(unregistered)" if flow.outcome == "discarded" else flow.task
    books.sent(task, flow.outcome)


if __name__ == "__main__":
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    publish(told)
