"""A command under watch: it runs as it would, and whatever it ever listens on is noted.

Comes in: a command. Goes out: its exit code, each listener once as it is seen, and whether there
were any. The clock, the child process and the signals are here; it knows neither Celery nor how
sockets are found.

Watching is sampling: what opens and closes between two looks, and a process that lives shorter than
that, is missed. `bindhook` sees those of Python; the two belong together.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from telemetry.guard.sockets import Family, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

INTERVAL_SECONDS = 0.05
"""Between two looks; a server that is started to be used lives longer."""
_FORWARDED = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")


class Result(NamedTuple):
    """What a watched command came to."""

    exit_code: int
    """Its own; 128 and the signal's number where a signal ended it, as a shell has it."""
    listeners: tuple[Listener, ...]
    denied: tuple[str, ...]
    """Processes that could not be looked into."""
    looks: int
    killed: bool
    """It was asked to end, and did not while there was patience."""


def run(
    command: Sequence[str],
    see: Callable[[Listener], None],
    stop_after_seconds: float | None,
    grace_seconds: float,
) -> Result:
    """Run a command to its end, and look all the time.

    Signals are passed on: the command has a session of its own, so that a terminal's go to it once
    and not twice. On Windows, where a console tells everybody in it, they are not. With
    `stop_after_seconds` it is asked to end then, by SIGTERM, and killed with all of its session
    if it has not after `grace_seconds` more. Raises `OSError` where it cannot be started.
    """
    signals: list[int] = []
    restore = _catch(signals)
    try:
        return _watch(command, see, signals, stop_after_seconds, grace_seconds)
    finally:
        restore()


def _watch(
    command: Sequence[str],
    see: Callable[[Listener], None],
    signals: list[int],
    stop_after_seconds: float | None,
    grace_seconds: float,
) -> Result:
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - it is the user's
    family = Family([process.pid])
    stop_at = time.monotonic() + (math.inf if stop_after_seconds is None else stop_after_seconds)
    kill_at, killed = math.inf, False
    listeners: dict[Listener, None] = {}
    denied: dict[str, None] = {}
    looks = 0
    while True:
        ended = process.poll() is not None  # asked before the last look, which thus comes after
        look = family.look()
        looks += 1
        for listener in look.listeners:
            if listener not in listeners:
                listeners[listener] = None
                see(listener)
        denied.update(dict.fromkeys(look.denied))
        if ended:
            break
        if time.monotonic() >= stop_at:
            stop_at, kill_at = math.inf, time.monotonic() + grace_seconds
            process.terminate()
        if time.monotonic() >= kill_at:
            kill_at, killed = math.inf, True
            _kill(process)
        while signals and os.name != "nt":
            process.send_signal(signals.pop(0))
        time.sleep(INTERVAL_SECONDS)
    code = process.returncode
    exit_code = code if code >= 0 else 128 - code
    return Result(exit_code, tuple(listeners), tuple(denied), looks, killed)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)  # its session is a group of its own


def _catch(signals: list[int]) -> Callable[[], None]:
    """Note signals instead of dying of them; returns what undoes that."""

    def note(number: int, _frame: FrameType | None) -> None:
        signals.append(number)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    before = {number: signal.signal(number, note) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
