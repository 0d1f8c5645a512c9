"""The `debug` exporter's sink: what was kept goes into the collector's log.

`basic` tells how much, `normal` a line for each point, `detailed` the request as OTLP/JSON. All of
it is what the rules left; whoever reads the log reads it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToJson

from collector.exposition import digits
from collector.server.push.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    from collector.outlets.otlp import Batch
    from collector.push_settings import Debug
    from collector.self_metrics import Sample

log = logging.getLogger(__name__)


class DebugSink:
    """Writes into the log."""

    def __init__(self, name: str, settings: Debug) -> None:
        self._name = name
        self._verbosity = settings.verbosity
        self._counts = Counts(name)

    def open(self) -> None:
        """There is nothing to open."""

    def put(self, batch: Batch, since: float) -> None:  # noqa: ARG002 - as every sink
        """Write a request."""
        metrics = [
            metric
            for outer in batch.message.resource_metrics
            for inner in outer.scope_metrics
            for metric in inner.metrics
        ]
        text = "exporters::%s: resource metrics %d, metrics %d, data points %d"
        resources = len(batch.message.resource_metrics)
        log.info(text, self._name, resources, len(metrics), batch.points)
        if self._verbosity == "normal":
            for line in (line for metric in metrics for line in _lines(metric)):
                log.info("%s", line)
        elif self._verbosity == "detailed":
            log.info("%s", MessageToJson(batch.message, use_integers_for_enums=True))
        self._counts.sent += batch.points

    def lost_since(self) -> float | None:
        """Nothing is lost."""
        return None

    def close(self, seconds: float) -> None:
        """There is nothing to close."""

    def self_metrics(self) -> list[Sample]:
        """Return its own numbers."""
        return self._counts.samples()


def _lines(metric: Metric) -> Iterator[str]:
    data = getattr(metric, metric.WhichOneof("data") or "gauge")
    for point in data.data_points:
        yield f"{metric.name}{{{_attributes(point.attributes)}}} {_value(point)}"


def _attributes(pairs: Iterable[KeyValue]) -> str:
    return ",".join(f"{pair.key}={_text(pair)}" for pair in pairs)


def _text(pair: KeyValue) -> str:
    kind = pair.value.WhichOneof("value")
    return "" if kind is None else str(getattr(pair.value, kind))


def _value(point: object) -> str:
    if hasattr(point, "as_int"):
        return digits.text(getattr(point, str(point.WhichOneof("value"))))  # type: ignore[attr-defined] # a protobuf message
    return f"count={getattr(point, 'count', 0)} sum={digits.text(getattr(point, 'sum', 0.0))}"
