"""`python -m demo [--seconds N]`: arguments, and the order of things.

In: a wish from the command line, and Ctrl-C. Out: a system that starts, is watched, comes to rest
and is held to account; exit code 0 only if the account balances.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from demo.processes import Ended
from demo.system import MORTAL, Interrupted, running
from demo.view import View, view
from demo.watch import Watch

if TYPE_CHECKING:
    from demo.account import Account

OK = 0
FAILED = 1
INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as shells have it."""


class Interrupts:
    """Ctrl-C and its relatives, counted: the first ends the traffic, one more everything."""

    def __init__(self) -> None:
        self.count = 0
        self.tolerated = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)

    def any(self) -> bool:
        """Whether there was one."""
        return self.count > 0

    def too_many(self) -> bool:
        """Whether there were more than are tolerated now."""
        return self.count > self.tolerated

    def _interrupt(self, number: int, _: object) -> None:
        self.count += 1
        if number == signal.SIGHUP:  # the terminal is gone, and with it whoever would wait
            self.tolerated = 0
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> int:
    """Run the demo; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=0, help="how long traffic runs; 0: until Ctrl-C"
    )
    seconds = parser.parse_args().seconds
    interrupts = Interrupts()
    directory = Path(tempfile.mkdtemp(prefix="portless-demo-"))
    code = INTERRUPTED
    try:
        code = _shown(directory, seconds, interrupts)
    finally:
        if code != FAILED:
            shutil.rmtree(directory)
    return code


def _shown(directory: Path, seconds: float, interrupts: Interrupts) -> int:
    """Run everything before somebody's eyes; the exit code."""
    shown = view()
    code = FAILED
    try:
        with shown.shown():
            account = _run(directory, seconds, interrupts, shown)
    except (Interrupted, Ended) as ended:
        if interrupts.too_many():  # Ctrl-C in a terminal may have ended a part before us
            shown.say("Interrupted; everything has been ended.")
            return INTERRUPTED
        shown.say(f"{ended}. Everything else has been ended, too. Its last lines:")
        shown.say(str(getattr(ended, "tail", "")))
    else:
        shown.account(account)
        code = OK if account.balances else FAILED
    if code == FAILED:
        shown.say(f"Logs: {directory}")
    return code


def _run(directory: Path, seconds: float, interrupts: Interrupts, shown: View) -> Account:
    """Run everything; the account when it is over."""
    with running(directory, shown.step, interrupts.too_many) as system:
        interrupts.tolerated = 1
        length = f" for {seconds:g} s" if seconds else ""
        shown.say(f"Open {system.page_url} in a browser; Prometheus reads {system.metrics_url}")
        shown.step(f"traffic{length}; Ctrl-C ends it")
        system.start_publishing()
        watch = Watch(system, shown)
        watch.traffic(seconds, interrupts.any)
        shown.step("no more traffic; the last tasks run")
        system.stop_publishing()
        watch.rest()
        shown.step(f"SIGKILL for {MORTAL}; it starts again, and its counts go on")
        system.kill_worker(MORTAL)
        shown.step("workers end and say their last word")
        for name in system.stop_workers():
            shown.say(f"  {name} would not end and was killed")
        account = watch.account()
        shown.step("collector and PostgreSQL end")
    return account


sys.exit(main())
