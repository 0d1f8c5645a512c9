"""`memory_limiter` says how many bytes the process may take."""

from __future__ import annotations

from functools import partial

import pytest

from collector.errors import ConfigError
from collector.processors import memory_limiter
from collector.settings import MemoryLimiter
from tests.collector.configured import processor

MIB = 1024 * 1024
TOTAL_BYTES = 1000 * MIB
LIMITS = [
    # limits in the file, bytes, bytes for a spike: a fifth where the file does not say
    ("limit_mib: 512, spike_limit_mib: 128", 512 * MIB, 128 * MIB),
    ("limit_mib: 500", 500 * MIB, 100 * MIB),
    ("limit_mib: 500, spike_limit_mib: 0", 500 * MIB, 100 * MIB),
    ("limit_percentage: 50, spike_limit_percentage: 10", 500 * MIB, 100 * MIB),
    ("limit_percentage: 50", 500 * MIB, 100 * MIB),
    ("limit_percentage: 100, spike_limit_percentage: 99", 1000 * MIB, 990 * MIB),
    ("limit_mib: 10, limit_percentage: 50", 10 * MIB, 2 * MIB),
    ("limit_mib: 10, limit_percentage: 50, spike_limit_percentage: 20", 10 * MIB, 2 * MIB),
]
REFUSED = [
    "{limit_mib: 512}",
    "{check_interval: 0, limit_mib: 512}",
    "{check_interval: -1s, limit_mib: 512}",
    "{check_interval: 1s}",
    "{check_interval: 1s, limit_mib: 0, limit_percentage: 0}",
    "{check_interval: 1s, limit_mib: 10, spike_limit_mib: 10}",
    "{check_interval: 1s, limit_percentage: 101}",
    "{check_interval: 1s, limit_percentage: 10, spike_limit_percentage: 10}",
    "{check_interval: 1s, limit_mib: 10, min_gc_interval_when_soft_limited: 10s}",
    "{check_interval: 1s, limit: 10}",
]
read = partial(memory_limiter.read, total_memory_bytes=TOTAL_BYTES)


@pytest.mark.parametrize(("limits", "limit_bytes", "spike_bytes"), LIMITS)
def test_limits_are_bytes(limits: str, limit_bytes: int, spike_bytes: int) -> None:
    """Mebibytes win over percentages, and a spike is a fifth by default, as in the Collector."""
    configured = processor(read, f"{{check_interval: 500ms, {limits}}}")
    assert configured.memory_limiter == MemoryLimiter(0.5, limit_bytes, spike_bytes)
    assert configured.rewrite is None


@pytest.mark.parametrize("text", REFUSED)
def test_a_limit_that_cannot_work_is_refused(text: str) -> None:
    """What the Collector refuses is refused here, and so is what steers its garbage collector."""
    with pytest.raises(ConfigError):
        processor(read, text)


def test_percentages_need_a_known_memory() -> None:
    """Where nobody can say how much memory there is, a percentage of it is refused."""
    with pytest.raises(ConfigError, match="the memory of this machine is not known"):
        processor(memory_limiter.read, "{check_interval: 1s, limit_percentage: 50}")
