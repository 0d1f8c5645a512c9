"""How much memory the process has and uses, and what follows when it is too much.

The operating system is asked where it can be: `/proc` and control groups on Linux. Why memory is
short is not known here, and nothing is thrown away for it: requests wait with their senders.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.settings import MemoryLimiter

log = logging.getLogger(__name__)

STATM = Path("/proc/self/statm")
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Of control groups, versions 2 and 1."""

CHECKS_PER_RELEASE = 10
"""Collecting all garbage stops everything for a moment, and rarely finds much the second time."""


class Engine(Protocol):
    """What is needed of an engine."""

    pressed: bool


class MemoryWatch:
    """Has an engine refuse requests while the process is above its limit less the spike."""

    def __init__(
        self, limiter: MemoryLimiter, engine: Engine, used_bytes: Callable[[], int]
    ) -> None:
        self._bytes_max = limiter.limit_bytes - limiter.spike_bytes
        self._engine = engine
        self._used_bytes = used_bytes
        self._checks_pressed = 0

    def check(self) -> None:
        """Look, and press or release the engine."""
        used = self._used_bytes()
        if used > self._bytes_max and self._checks_pressed % CHECKS_PER_RELEASE == 0:
            release()
            used = self._used_bytes()
        pressed = used > self._bytes_max
        self._checks_pressed = self._checks_pressed + 1 if pressed else 0
        if pressed and not self._engine.pressed:
            log.warning("memory_limiter: %d MiB used, requests are refused", used >> 20)
        if self._engine.pressed and not pressed:
            log.warning("memory_limiter: %d MiB used, requests are accepted again", used >> 20)
        self._engine.pressed = pressed


def used_bytes() -> int:
    """Return the resident set of this process. Raises OSError where there is no /proc."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def can_be_measured() -> bool:
    """Whether this system tells what a process uses."""
    return STATM.exists()


def total_bytes() -> int:
    """Return the memory of the machine, or of the control group where that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [path.read_text().strip() for path in CGROUP_LIMITS if path.exists()]
    return min([total, *(int(limit) for limit in limits if limit.isdecimal())])


def release() -> None:
    """Give back to the system what is free inside the process, where the C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)
