"""Short memory makes the engine refuse, and memory that is there again makes it accept."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from collector.server import memory
from collector.server.memory import MemoryWatch
from collector.settings import MemoryLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
LIMITER = MemoryLimiter(1.0, 100 * MIB, 20 * MIB)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it on Linux")


class Engine:
    """What the watch presses."""

    pressed = False


def using(*bytes_: int) -> Callable[[], int]:
    """Return a measurement that gives one number after the other, the last for ever."""
    left = list(bytes_)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_above_the_limit_less_the_spike_requests_are_refused() -> None:
    """From one byte too much on, until it is less again."""
    engine = Engine()
    used = 80 * MIB
    watch = MemoryWatch(LIMITER, engine, lambda: used)
    pressed = []
    for used in (80 * MIB, 80 * MIB + 1, 200 * MIB, 80 * MIB):  # noqa: B007 - the lambda reads it
        watch.check()
        pressed.append(engine.pressed)
    assert pressed == [False, True, True, False]


def test_what_can_be_given_back_is_not_held_against_the_engine() -> None:
    """Only what is left after collecting garbage counts."""
    engine = Engine()
    MemoryWatch(LIMITER, engine, using(90 * MIB, 70 * MIB)).check()
    assert not engine.pressed


def test_it_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Not every second in between."""
    watch = MemoryWatch(LIMITER, Engine(), using(*[90 * MIB] * 30, 70 * MIB))
    for _ in range(40):
        watch.check()
    assert [record.getMessage() for record in caplog.records] == [
        "memory_limiter: 90 MiB used, requests are refused",
        "memory_limiter: 70 MiB used, requests are accepted again",
    ]


@on_linux
def test_the_system_tells_what_is_used() -> None:
    """More when there is more."""
    assert memory.can_be_measured()
    before = memory.used_bytes()
    block = bytes(b"x" * 50 * MIB)
    assert memory.used_bytes() >= before + 40 * MIB
    del block
    memory.release()
    assert memory.used_bytes() < before + 40 * MIB


def test_the_memory_of_the_machine_is_known() -> None:
    """It is not more than the machine's."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.total_bytes() <= machine
