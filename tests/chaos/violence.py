"""What is done to a system: a deck of acts that a seed shuffles, each at least once.

Meanwhile tasks are published, some of which end their own process. What lasts for a while, such as
a sick network, is undone by itself.
"""

from __future__ import annotations

import heapq
import itertools
import signal
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from tests.chaos.workers import CONCURRENCY, KINDS
from tests.support.proxy import Mode

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.chaos.system import System
    from tests.chaos.workers import Kind, Node

COMMON = ("ok", "ok", "slow", "late", "boom", "again", "ignore", "reject")
"""Tasks that every worker gets."""
_SECONDS = {"slow": (0.1, 1.0), "late": (0.1, 1.5)}
_REDELIVERED = ("prefork", "leased")
"""Who is killed over a late task: one worker of each broker."""
LATE_SECONDS = 3.0
LOOK_SECONDS = 0.2
GIVE_UP_SECONDS = 60.0
NASTY_SHARE = 0.12
"""Of a worker's tasks: those that end a process or run into a limit."""


class Violence:
    """A run of acts against a system."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        """How often each act was committed."""
        self._system = system
        self._chance = chance
        self._nasty = not system.forgets
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def rage(self, seconds: float) -> None:
        """Commit every act, and go on for so long; then let what was begun come to its end."""
        end = time.monotonic() + seconds
        deck = self._first_deck()
        while deck or time.monotonic() < end:
            deck = deck or self._deck()
            for _ in range(self._chance.randint(5, 20)):
                self._publish()
            deck.pop()()
            self._pass(self._chance.uniform(0.2, 1.0))
        while self._later:
            self._pass(0.1)

    def _first_deck(self) -> list[Callable[[], None]]:
        """The last card is the first act. See `System.forgets` about their order."""
        if not self._system.forgets:
            return self._deck() + self._shuffled([self._kill_collector] * 2)

        def from_now_on() -> None:
            self._nasty = True

        before = self._shuffled([self._kill_collector] * 2 + [self._kill_worker] * 2)
        return [*self._deck(), from_now_on, *before]

    def _deck(self) -> list[Callable[[], None]]:
        acts: list[Callable[[], None]] = [self._restart_postgres]
        acts += [self._kill_worker] * 4 + [self._kill_child] * 3 + [self._pause] * 2
        acts += [self._stop_warm] * 2 + [self._stop_cold] * 2
        acts += [self._sickness(mode) for mode in Mode if mode is not Mode.PASS]
        if self._nasty:
            acts += [self._task(kind, task) for kind in KINDS[:1] for task in kind.tasks]
        acts += [self._kill_over_late(kind) for kind in KINDS if kind.name in _REDELIVERED]
        return self._shuffled(acts)

    def _shuffled(self, acts: list[Callable[[], None]]) -> list[Callable[[], None]]:
        return self._chance.sample(acts, len(acts))

    def _publish(self) -> None:
        kind = self._chance.choice(KINDS)
        if self._nasty and kind.tasks and self._chance.random() < NASTY_SHARE:
            task = self._chance.choice(kind.tasks)
        else:
            task = self._chance.choice(COMMON)
        args = (round(self._chance.uniform(*_SECONDS[task]), 2),) if task in _SECONDS else ()
        self._system.publish(kind, task, *args)

    def _pass(self, seconds: float) -> None:
        """Let time pass: workers are started again, and what was put off is done."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._system.tend(self._chance.uniform(0.1, 1.5))
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()
            time.sleep(0.05)

    def _then(self, seconds: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), undo))

    def _mortal(self) -> Node:
        return self._chance.choice([node for node in self._system.nodes if node.kind.mortal])

    def _kill_worker(self) -> None:
        """SIGKILL to a worker's main process."""
        self.done["worker killed"] += 1
        self._mortal().kill()

    def _kill_child(self) -> None:
        """SIGKILL to a process of a pool."""
        self.done["pool process killed by us"] += 1
        nodes = [node for node in self._system.nodes if node.kind.pool == "prefork"]
        self._chance.choice(nodes).kill_child(self._chance.random())

    def _pause(self) -> None:
        """SIGSTOP to a whole worker, SIGCONT later."""
        self.done["worker stopped and continued"] += 1
        node = self._chance.choice(self._system.nodes)
        node.pause()
        self._then(self._chance.uniform(0.5, 3.0), node.resume)

    def _task(self, kind: Kind, task: str) -> Callable[[], None]:
        """One of the tasks that end a process or run into a limit, for certain."""
        return lambda: self._system.publish(kind, task)

    def _kill_over_late(self, kind: Kind) -> Callable[[], None]:
        """SIGKILL to a worker that runs what has to be delivered again then."""
        (node,) = (node for node in self._system.nodes if node.kind is kind)

        def give() -> None:
            before = self._system.begun(node.name, "late")
            for _ in range(CONCURRENCY):
                self._system.publish(kind, "late", LATE_SECONDS)
            self._then(LOOK_SECONDS, partial(kill, before, time.monotonic() + GIVE_UP_SECONDS))

        def kill(before: int, deadline: float) -> None:
            if self._system.begun(node.name, "late") > before:
                self.done["worker killed over a late task"] += 1
                node.kill()
            elif time.monotonic() < deadline:
                self._then(LOOK_SECONDS, partial(kill, before, deadline))

        return give

    def _stop_warm(self) -> None:
        """SIGTERM: what runs may end."""
        self.done["warm stop"] += 1
        self._mortal().ask(signal.SIGTERM)

    def _stop_cold(self) -> None:
        """SIGQUIT: what runs is lost."""
        self.done["cold stop"] += 1
        self._mortal().ask(signal.SIGQUIT)

    def _kill_collector(self) -> None:
        """SIGKILL to the collector."""
        self.done["collector killed"] += 1
        self._system.restart_collector()

    def _restart_postgres(self) -> None:
        """As after a crash: of a broker, and of the books."""
        self.done["PostgreSQL restarted"] += 1
        self._system.postgres.restart()

    def _sickness(self, mode: Mode) -> Callable[[], None]:
        """The way to the collector is sick for a while."""
        proxy = self._system.proxy

        def befall() -> None:
            self.done[f"collector {mode.value}"] += 1
            proxy.mode = mode
            self._then(self._chance.uniform(0.5, 3.0), heal)

        def heal() -> None:
            if proxy.mode is mode:
                proxy.mode = Mode.PASS

        return befall
