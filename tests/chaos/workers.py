"""Workers under supervision: whatever ends one, it is started again under its name.

A worker has a process group of its own, so that nothing of it outlives the run.
"""

from __future__ import annotations

import enum
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import psutil

from demo.processes import Child

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Broker(enum.Enum):
    """Where a worker gets its messages."""

    REDIS = "redis"
    POSTGRES = "PostgreSQL, by the transport that acknowledges"


class Kind(NamedTuple):
    """A worker as it is started, and what its tasks may do."""

    name: str
    pool: str
    options: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    """Besides those that every worker gets."""
    mortal: bool = True
    """Whether it may die of violence; what one that may not does has to be counted exactly."""
    broker: Broker = Broker.REDIS


KINDS = (
    Kind("prefork", "prefork", tasks=("soft", "hard", "killed", "quits", "memory")),
    Kind("recycled", "prefork", ("--max-tasks-per-child=3",), ("soft", "hard")),
    # A message whose task ends this one's process is delivered again, and does so for ever.
    Kind("solo", "solo"),
    Kind("threads", "threads", tasks=("quits", "memory")),
    Kind("gevent", "gevent", tasks=("quits", "memory")),
    Kind("eventlet", "eventlet", tasks=("quits", "memory")),
    Kind("leased", "prefork", tasks=("soft", "hard", "killed"), broker=Broker.POSTGRES),
    Kind("steady", "threads", mortal=False),
)
CONCURRENCY = 2
STOP_SECONDS_MAX = 8.0
OLD_SECONDS = 20.0


class Node:
    """A worker through all of its lives."""

    def __init__(self, kind: Kind, logs: Path, environ: Mapping[str, str]) -> None:
        self.kind = kind
        self.name = f"{kind.name}@chaos"
        self.starts = 0
        self.killed_children = 0
        self._logs = logs
        self._environ = environ
        self._asked_at: float | None = None
        self._due: float | None = None
        self.start()

    def start(self) -> None:
        """Begin a life; does not wait for it."""
        kind = self.kind
        command = (sys.executable, "-m", "celery", "-A", "tests.chaos.app", "worker")
        options = ("-P", kind.pool, "-n", self.name, "-Q", kind.name, "-c", str(CONCURRENCY))
        log = self._logs / f"{kind.name}-{self.starts}.log"
        self.child = Child(
            self.name, (*command, *options, "-l", "INFO", *kind.options), self._environ, log
        )
        self.starts += 1
        self._started = time.monotonic()
        self._asked_at = None
        self._due = None

    @property
    def lives(self) -> bool:
        """Whether its main process does."""
        return self.child._process.poll() is None

    @property
    def is_old(self) -> bool:
        """Whether it lives long enough to have said that it does."""
        return self.lives and time.monotonic() - self._started > OLD_SECONDS

    @property
    def ready(self) -> bool:
        """Whether it has begun to consume in this life."""
        return " ready." in self.child.log.read_text(errors="replace")

    def tend(self, delay_seconds: float) -> None:
        """Start it again a while after it ended, as a supervisor would.

        One that was asked to end and does not is killed: a pool may wait for ever for a lock that
        one of its processes held when it was killed.
        """
        if self.lives:
            if self._asked_at is not None and time.monotonic() > self._asked_at + STOP_SECONDS_MAX:
                self.kill()
        elif self._due is None:
            self._due = time.monotonic() + delay_seconds
        elif time.monotonic() >= self._due:
            self.child.kill()  # what is left of its group
            self.start()

    def kill(self) -> None:
        """SIGKILL to the main process alone."""
        self._signal(signal.SIGKILL)

    def kill_child(self, choice: float) -> None:
        """SIGKILL to one of the pool's processes, by a number from 0 to 1."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.child.pid).children()
            if children:
                children[int(choice * len(children))].kill()
                self.killed_children += 1

    def ask(self, how: signal.Signals) -> None:
        """Ask it to end, warm or cold."""
        self._asked_at = self._asked_at or time.monotonic()
        self._signal(how)

    def pause(self) -> None:
        """SIGSTOP to all of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to all of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGCONT)

    def end(self) -> None:
        """Leave nothing of it."""
        self.child.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.lives:
            os.kill(self.child.pid, number)
