"""What this process takes of the machine, under the names that the OpenTelemetry Collector has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from collector.self_metrics import counter, gauge
from collector.server import memory

if TYPE_CHECKING:
    from collector.self_metrics import Sample


class Usage:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def samples(self) -> list[Sample]:
        """Return seconds of CPU and of life, and bytes where the system tells them."""
        uptime = time.monotonic() - self._start
        found = [
            counter("otelcol_process_cpu_seconds", time.process_time(), "CPU, user and system."),
            counter("otelcol_process_uptime", uptime, "Seconds since the start."),
        ]
        if memory.can_be_measured():
            what = "Memory of the process that is in RAM."
            found.append(gauge("otelcol_process_memory_rss", memory.used_bytes(), what))
        return found
