"""What a sink counts, under the OpenTelemetry Collector's names."""

from __future__ import annotations

from dataclasses import dataclass

from collector.self_metrics import Sample, counter, gauge

SENT = "Data points that an exporter sent."
FAILED = "Data points that an exporter gave up on; what their series add up to is told again."
REJECTED = "Data points that a receiver said it did not take."
NOT_QUEUED = "Data points that found no room in the queue; their series are told again."


@dataclass
class Counts:
    """Points, since the start."""

    exporter: str
    """A label of all."""
    sent: int = 0
    failed: int = 0
    not_queued: int = 0
    rejected: int = 0

    def samples(self) -> list[Sample]:
        """Return them, all from 0 on."""
        own = {"exporter": self.exporter}
        name = "otelcol_exporter_{}_metric_points"
        return [
            counter(name.format("sent"), self.sent, SENT, **own),
            counter(name.format("send_failed"), self.failed, FAILED, **own),
            counter(name.format("enqueue_failed"), self.not_queued, NOT_QUEUED, **own),
            counter("portless_exporter_rejected_points", self.rejected, REJECTED, **own),
        ]

    def queue(self, size: int, capacity: int) -> list[Sample]:
        """Return how full a queue is."""
        own = {"exporter": self.exporter, "data_type": "metrics"}
        return [
            gauge("otelcol_exporter_queue_size", size, "Requests that wait.", **own),
            gauge("otelcol_exporter_queue_capacity", capacity, "Requests that may wait.", **own),
        ]
