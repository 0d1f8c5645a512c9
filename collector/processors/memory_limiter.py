"""The `memory_limiter` processor: how much memory the collector may take.

In: its section and the machine's memory. Out: `settings.MemoryLimiter`; the process that measures
and refuses is elsewhere. It knows no stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.rule import Processor
from collector.settings import MemoryLimiter

if TYPE_CHECKING:
    from collector.fields.section import Section

_MIB = 1024 * 1024
_SPIKE_DIVISOR = 5
"""The Collector's default: a spike of 20 % of the limit."""


def read(section: Section, total_memory_bytes: int | None = None) -> Processor:
    """Read the processor's settings.

    `limit_mib` wins over `limit_percentage`, which needs `total_memory_bytes`.
    https://github.com/open-telemetry/opentelemetry-collector/tree/main/processor/memorylimiterprocessor
    """
    section.elsewhere(
        "max_gc_interval_when_hard_limited",
        "max_gc_interval_when_soft_limited",
        "min_gc_interval_when_hard_limited",
        "min_gc_interval_when_soft_limited",
    )
    section.require("check_interval")
    check_interval = section.seconds("check_interval", 1.0)
    if check_interval <= 0:
        section.mistake("check_interval", "must be longer than 0", "1s is what the docs advise")
    limit_mib, spike_mib = _limit(section, "mib", 2**32 - 1)
    limit_percentage, spike_percentage = _limit(section, "percentage", 100)
    if limit_mib:
        limit_bytes, spike_bytes = limit_mib * _MIB, spike_mib * _MIB
    elif limit_percentage:
        total_bytes = _total(section, total_memory_bytes)
        limit_bytes = limit_percentage * total_bytes // 100
        spike_bytes = spike_percentage * total_bytes // 100
    else:
        limit_bytes = spike_bytes = 0
        if not section.mistaken("limit_mib", "limit_percentage"):
            section.mistake("", "limit_mib or limit_percentage must be greater than 0")
    spike_bytes = spike_bytes or limit_bytes // _SPIKE_DIVISOR
    return Processor(memory_limiter=MemoryLimiter(check_interval, limit_bytes, spike_bytes))


def _limit(section: Section, unit: str, most: int) -> tuple[int, int]:
    limit = section.whole(f"limit_{unit}", most=most)
    spike = section.whole(f"spike_limit_{unit}", most=most)
    if 0 < limit <= spike:
        section.mistake(f"spike_limit_{unit}", f"must be smaller than limit_{unit}")
    return limit, spike


def _total(section: Section, total_memory_bytes: int | None) -> int:
    if total_memory_bytes is None:
        what = "the memory of this machine is not known"
        section.mistake("limit_percentage", what, "write limit_mib instead")
    return total_memory_bytes or 0
