"""The account: what tasks wrote down against what Prometheus would read, to the last task.

In: the same books twice, from the database and from a page of /metrics, and two things that must
not be. Out: lines, each of which balances or does not. It knows no database, process or terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from demo.shop import QUEUES
from telemetry.catalog import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from demo.scrape import Page


class Books(NamedTuple):
    """What happened, according to somebody."""

    outcomes: Mapping[tuple[str, str], int]
    """Executions and refused messages by task and outcome."""
    sent: int
    """Messages that were published, retries included."""
    received: int
    """Messages that a worker got."""
    tokens: int
    """Sum over all tenants of the shop's counter."""
    delays: int
    """Count over all tenants of the shop's histogram."""
    delay_seconds: int
    """Its sum."""
    queues: Mapping[str, int]
    """Messages that wait in each of the shop's queues."""


class Line(NamedTuple):
    """One thing that two sides say something about."""

    what: str
    expected: int
    found: int

    @property
    def balances(self) -> bool:
        """Whether they say the same."""
        return self.expected == self.found


@dataclass(frozen=True)
class Account:
    """Everything that was compared."""

    tasks: Mapping[tuple[str, str], Line]
    """By task and outcome."""
    others: tuple[Line, ...]
    processes: int
    """How many processes of workers were searched for sockets."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All of it."""
        return (*self.tasks.values(), *self.others)

    @property
    def balances(self) -> bool:
        """Whether all lines do; where nothing happened nothing is proven."""
        happened = any(line.expected for line in self.tasks.values())
        return happened and self.processes > 0 and all(line.balances for line in self.lines)


def exposed(page: Page) -> Books:
    """Read the books off a scrape, summed over workers and whatever else distinguishes series."""
    return Books(
        outcomes={
            (task, outcome): round(count)
            for outcome in OUTCOMES
            for task, count in page.sum_by("task_name", f"celery_task_{outcome}_total").items()
            if count
        },
        sent=round(page.sum("celery_task_sent_total")),
        received=round(page.sum("celery_task_received_total")),
        tokens=round(page.sum("shop_llm_tokens_total")),
        delays=round(page.sum("shop_conversion_delay_seconds_count")),
        delay_seconds=round(page.sum("shop_conversion_delay_seconds_sum")),
        queues={
            queue: round(length)
            for queue, length in page.sum_by("queue_name", "celery_queue_length").items()
            if queue in QUEUES
        },
    )


def canaries(page: Page) -> int:
    """Count the workers whose messages to themselves came back, every one of them."""
    returned = page.sum_by("hostname", "celery_canary_round_trip_seconds_count")
    lost = page.sum_by("hostname", "celery_canary_failures_total")
    return sum(count > 0 and not lost.get(node) for node, count in returned.items())


def draw_up(
    recorded: Books,
    found: Books,
    processes: int,
    listening: int,
    leaks: int,
    health: tuple[Line, ...] = (),
) -> Account:
    """Compare; sockets that listened and tenants that got out are expected to be none.

    `processes` is how many processes of workers were searched for sockets, at most at a time;
    `health` is what else was expected of the workers.
    """
    keys = sorted(
        {*recorded.outcomes, *found.outcomes}, key=lambda key: (key[0], OUTCOMES.index(key[1]))
    )
    tasks = {
        key: Line(" ".join(key), recorded.outcomes.get(key, 0), found.outcomes.get(key, 0))
        for key in keys
    }
    told = [queue for queue, length in recorded.queues.items() if found.queues.get(queue) == length]
    others = (
        Line("messages sent, retries included", recorded.sent, found.sent),
        Line("messages received by workers", recorded.received, found.received),
        Line("messages that came to an outcome", recorded.sent, sum(found.outcomes.values())),
        Line("shop_llm_tokens_total, over all tenants", recorded.tokens, found.tokens),
        Line("shop_conversion_delay_seconds_count, likewise", recorded.delays, found.delays),
        Line("shop_conversion_delay_seconds_sum", recorded.delay_seconds, found.delay_seconds),
        Line("queues told as long as they are", len(recorded.queues), len(told)),
        *health,
        Line(f"sockets on which one of {processes} worker processes listened", 0, listening),
        Line("tenants named behind the collector", 0, leaks),
    )
    return Account(tasks, others, processes)


def leaks(tenants: Iterable[str], *texts: str) -> list[str]:
    """Find the tenants that are named in any of the texts, in whatever case."""
    everything = "\n".join(texts).casefold()
    return [tenant for tenant in tenants if tenant.casefold() in everything]
