"""Families -> delimited protobuf, the one format of Prometheus that holds native histograms.

The messages are those of io.prometheus.client, and each stands behind its length
(https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto). Here is
how they are written; which series there are and in which order, the blocks know.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from collector.histogram import coarser
from collector.model import Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from collector.exposition.alphabet import Labels
    from collector.exposition.families import Family
    from collector.reading import Exemplar, Exponential, HistogramReading, Readings, SummaryReading

TYPES = {Type.COUNTER: 0, Type.GAUGE: 1, Type.SUMMARY: 2, Type.HISTOGRAM: 4}
"""io.prometheus.client.MetricType"""
SCHEMA_MAX = 8
"""The finest grid of Prometheus (https://prometheus.io/docs/specs/native_histograms/#schema)."""
ZERO_THRESHOLD = 1e-128
"""Where none is told; the OpenTelemetry Collector writes the same."""
GAP_MAX = 2
"""As many empty buckets are written in place of a new span, as Prometheus's client in Go does."""
SECOND = 1_000_000_000


def family(told: Family, metrics: Iterable[bytes]) -> bytes:
    """Write a MetricFamily and its length before it."""
    head = _text(1, told.name) + _text(2, told.help) + _whole(3, TYPES[told.type])
    body = head + b"".join([_message(4, metric) for metric in metrics])
    return _varint(len(body)) + body


def metric(told: Family, labels: Labels, readings: Readings, number: int) -> bytes:
    """Write a Metric: the labels of a series, what it reads and when that was so."""
    body = _metric(told, labels, readings, number)
    return body + _whole(6, readings.times[number]) if readings.times else body


def _metric(told: Family, labels: Labels, readings: Readings, number: int) -> bytes:
    pairs = b"".join([_pair(name, value) for name, value in labels])
    exemplars = readings.exemplars.get(number, ())
    if told.type is Type.HISTOGRAM:
        return pairs + _message(7, _histogram(readings.histogram(number), exemplars))
    if told.type is Type.SUMMARY:
        return pairs + _message(4, _summary(readings.summaries[number]))
    value = _double(1, float(readings.numbers[number]))
    if told.type is Type.COUNTER:
        newest = b"".join([_message(2, _exemplar(exemplar)) for exemplar in exemplars[-1:]])
        return pairs + _message(3, value + newest)
    return pairs + _message(2, value)


def gauge(labels: Labels, value: float) -> bytes:
    """Write a Metric that is no series."""
    pairs = b"".join([_pair(name, text) for name, text in labels])
    return pairs + _message(2, _double(1, value))


def _summary(reading: SummaryReading) -> bytes:
    quantiles = [_message(3, _double(1, at) + _double(2, value)) for at, value in reading.quantiles]
    return _whole(1, reading.count) + _double(2, reading.sum) + b"".join(quantiles)


def _histogram(reading: HistogramReading, exemplars: Sequence[Exemplar]) -> bytes:
    """Write a native histogram where every source is exponential, else one with bounds."""
    head = _whole(1, reading.count) + _double(2, reading.sum)
    if reading.native is not None:
        shown = b"".join([_message(16, _exemplar(exemplar)) for exemplar in exemplars])
        return head + _native(reading.native()) + shown
    behind = {at: _message(3, _exemplar(one)) for at, one in reading.in_buckets(exemplars)}
    buckets = list(zip(reading.cumulated, reading.bounds))
    if len(buckets) in behind:
        # the infinite bucket is what the count says, unless there is more to say
        buckets.append((reading.count, float("inf")))
    return head + b"".join(
        [
            _message(3, _whole(1, count) + _double(2, bound) + behind.get(at, b""))
            for at, (count, bound) in enumerate(buckets)
        ]
    )


def _native(told: Exponential) -> bytes:
    one = coarser(told, min(told.scale, SCHEMA_MAX))
    return (
        _whole(5, _zigzag(one.scale))
        + _double(6, one.zero_threshold or ZERO_THRESHOLD)
        + _whole(7, one.zeros)
        + _side(one.negative, 9, 10)
        + _side(one.positive, 12, 13)
    )


def _side(buckets: Mapping[int, int], span_field: int, delta_field: int) -> bytes:
    """Write buckets as spans without large gaps, each count as the difference to the one before.

    An index of Prometheus names the upper bound of a bucket, one of OpenTelemetry the lower.
    """
    spans: list[list[int]] = []
    deltas = []
    following = before = 0
    for index, count in sorted(buckets.items()):
        gap = index + 1 - following
        if not spans or gap > GAP_MAX:
            spans.append([gap, 0])
            gap = 0
        for told in [*[0] * gap, count]:
            spans[-1][1] += 1
            deltas.append(told - before)
            before = told
        following = index + 2
    written = [_message(span_field, _whole(1, _zigzag(a)) + _whole(2, n)) for a, n in spans]
    return b"".join([*written, *(_whole(delta_field, _zigzag(delta)) for delta in deltas)])


def _exemplar(exemplar: Exemplar) -> bytes:
    ids = ("trace_id", exemplar.trace_id), ("span_id", exemplar.span_id)
    pairs = b"".join([_pair(name, id_) for name, id_ in ids if id_])
    seconds, nanoseconds = divmod(exemplar.time, SECOND)
    # here zero is written by being absent
    told = (1, seconds), (2, nanoseconds)
    time = b"".join([_whole(field, number) for field, number in told if number])
    return pairs + _double(2, exemplar.value) + _message(3, time)


def _pair(name: str, value: str) -> bytes:
    return _message(1, _text(1, name) + _text(2, value))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode(errors="replace"))


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else ~(value << 1)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
