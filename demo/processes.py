"""Children: started in process groups of their own, watched, and gone at the end, all of them.

In: commands and environments. Out: running processes with a log file each, or `Ended` with the
tail of the log of one that did not stay. It knows nothing of what they do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

STOP_SECONDS_MAX = 15.0
"""For a polite end; a worker's warm shutdown takes its time, some 5 s on two busy cores."""
ABORT_SECONDS_MAX = 3.0
"""The same when it was not the plan."""
TAIL_LINES = 12


class Ended(Exception):  # noqa: N818 - what happened, be it an error or not
    """A part of the system is not there any more, or never came."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(what)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        self.tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:] or ["(nothing)"])
        """The last lines of its log, read now: the log may go with it."""


class Child:
    """A process that was started here."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            # A session of its own: a terminal's Ctrl-C is for the demo, which ends the parts in
            # their order.
            self._process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise Ended if it has."""
        code = self._process.poll()
        if code is not None:
            how = f"exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
            raise Ended(f"{self.name} has ended ({how})", self.log)

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process, which is to end its own children."""
        if self._process.poll() is None:
            self._process.terminate()

    def ends_by(self, deadline: float) -> bool:
        """Wait for its end, on the monotonic clock; whether it came."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """Leave nothing of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


class Children:
    """Those that run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.all: list[Child] = []
        """In the order of their start."""

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start a process with this environment and nothing else of it."""
        child = Child(name, command, environ, self._logs / f"{name}.log")
        self.all.append(child)
        return child

    def check(self) -> None:
        """Raise Ended if one of them is gone that nobody has stopped."""
        for child in self.all:
            child.check()

    def kill(self, child: Child) -> None:
        """SIGKILL one that is not to be missed."""
        child.kill()
        self.all.remove(child)

    def stop(self, children: Iterable[Child], seconds: float = STOP_SECONDS_MAX) -> list[Child]:
        """End some politely, all at once, and leave nothing of them; those that would not go."""
        ending = list(children)
        for child in ending:
            child.ask_to_end()
        deadline = time.monotonic() + seconds
        late = [child for child in ending if not child.ends_by(deadline)]
        for child in ending:
            self.kill(child)
        return late


@contextmanager
def children(logs: Path) -> Iterator[Children]:
    """Have children for the length of a `with` block; their logs are in the directory `logs`."""
    started = Children(logs)
    try:
        yield started
    finally:
        started.stop(reversed(started.all), ABORT_SECONDS_MAX)
