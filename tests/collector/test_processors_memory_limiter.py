"""`memory_limiter` says how many bytes the process may take."""

from __future__ import annotations

from functools import partial

import pytest

from collector.errors import ConfigError
from collector.processors import memory_limiter
from collector.settings import MemoryLimiter
from tests.collector.configured import processor

MIB = 1024 * 1024
TOTAL_BYTES = 1000 * MIB + 1
LIMITS = [
    # limits in the file, bytes, bytes for a spike: a fifth where the file does not say
    ("limit_mib: 512, spike_limit_mib: 128", 512 * MIB, 128 * MIB),
    ("limit_mib: 500", 500 * MIB, 100 * MIB),
    ("limit_mib: 500, spike_limit_mib: 0", 500 * MIB, 100 * MIB),
    ("limit_percentage: 50, spike_limit_percentage: 10", 500 * MIB, 100 * MIB),
    ("limit_mib: 1", MIB, 209715),
    ("limit_percentage: 50", 500 * MIB, 100 * MIB),
    ("limit_percentage: 100, spike_limit_percentage: 99", TOTAL_BYTES, 990 * MIB),
    ("limit_mib: 10, limit_percentage: 50", 10 * MIB, 2 * MIB),
    ("limit_mib: 10, limit_percentage: 50, spike_limit_percentage: 20", 10 * MIB, 2 * MIB),
]
read = partial(memory_limiter.read, total_memory_bytes=TOTAL_BYTES)


@pytest.mark.parametrize(("limits", "limit_bytes", "spike_bytes"), LIMITS)
def test_limits_are_bytes(limits: str, limit_bytes: int, spike_bytes: int) -> None:
    """Mebibytes win over percentages, and a spike is a fifth by default, as in the Collector."""
    configured = processor(read, f"{{check_interval: 500ms, {limits}}}")
    assert configured.memory_limiter == MemoryLimiter(0.5, limit_bytes, spike_bytes)
    assert configured.rewrite is None


def test_percentages_need_a_known_memory() -> None:
    """Where nobody can say how much memory there is, a percentage of it is refused."""
    with pytest.raises(ConfigError, match="the memory of this machine is not known"):
        processor(memory_limiter.read, "{check_interval: 1s, limit_percentage: 50}")
