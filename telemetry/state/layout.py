"""The bytes of a state file <-> what they say: whose life it is, its series, their numbers.

Comes in: a head and series, or bytes from anywhere. Goes out: bytes, or `Contents`; `Damaged` says
why bytes mean nothing. A file explains itself: who reads it needs neither the app nor its version
of the catalogue. This file knows no path, no lock and no clock.

    0   8  "PORTLESS"
    8   4  1 in the byte order of the machine, which is that of every number here
    12  4  version of this layout
    16  4  length of the head's text
    20  4  CRC-32 of the 20 bytes before, and of that text
    24  8  the seal: where the last whole series ends, and the same inverted
    32     the head's text: JSON, padded with zeros to 8 bytes
           then each series: CRC-32 of what follows, place of its metric in the head, how many
           numbers, length of its text (4 bytes each); text, a JSON list of attribute values,
           padded likewise; the numbers, doubles

Whatever is behind the seal is not there. A series is written first and sealed afterwards, by one
store of eight bytes, so a process that dies at any moment leaves whole series. What changes later
are the numbers alone; they bear no checksum, since that would cost more than counting does.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any, NamedTuple

from telemetry import catalog
from telemetry.catalog import Kind, Metric
from telemetry.tally import Reading, width

MAGIC = b"PORTLESS"
VERSION = 1
SEAL_AT = 24
_PREFIX = struct.Struct("=8sIIII")
_SERIES = struct.Struct("=IIII")
_TEXT_AT = 32
_OUTCOMES = tuple(metric.name for metric in catalog.ENDS)
_COUNT_MAX = 2.0**53
"""Doubles count no further one by one."""


class Damaged(ValueError):  # noqa: N818 - what is wrong with a file, not with who reads it
    """These bytes are no whole state file of this version; the message says in what way."""


class Head(NamedTuple):
    """Whose numbers these are; two heads that differ are two sources at the collector."""

    start_unix_nano: int
    boot: str
    """The system's own name for its time since it was started; empty where it has none."""
    resource: dict[str, Any]
    """OpenTelemetry's resource attributes."""
    metrics: tuple[Metric, ...] = catalog.METRICS
    received: str = catalog.RECEIVED.name
    outcomes: tuple[str, ...] = _OUTCOMES
    """The counters that `received` is the sum of when nothing is in hand."""

    def continues(self, other: Head) -> bool:
        """Whether the life of `other` may go on under this head."""
        return self._replace(start_unix_nano=0) == other._replace(start_unix_nano=0)


class Series(NamedTuple):
    """A series as it was found."""

    reading: Reading
    cell: int
    """Where its numbers begin, counted in doubles from the beginning of the file."""


class Contents(NamedTuple):
    """A whole file."""

    head: Head
    series: tuple[Series, ...]
    end: int
    """Where the next series goes, in bytes."""


def seal(end: int) -> int:
    """What stands at `SEAL_AT`, an unsigned integer of eight bytes."""
    return end | (end ^ 0xFFFFFFFF) << 32


def encode_head(head: Head) -> bytes:
    """A file without a series."""
    said = {
        **head._asdict(),
        "metrics": [_definition(metric) for metric in head.metrics],
    }
    text = json.dumps(said).encode()
    start = _PREFIX.pack(MAGIC, 1, VERSION, len(text), 0)[:-4]
    crc = zlib.crc32(text, zlib.crc32(start))
    end = _TEXT_AT + _padded(len(text))
    return b"".join(
        (start, struct.pack("=I", crc), struct.pack("=Q", seal(end)), text.ljust(end - 32, b"\0"))
    )


def encode_series(place: int, values: tuple[str, ...], numbers: int) -> bytes:
    """A series at 0; its numbers are the end of it."""
    text = json.dumps(values).encode()
    meta = struct.pack("=III", place, numbers, len(text))
    crc = struct.pack("=I", zlib.crc32(text, zlib.crc32(meta)))
    return crc + meta + text.ljust(_padded(len(text)), b"\0") + bytes(8 * numbers)


def numbers_at(series: bytes) -> int:
    """Where in an encoded series its numbers begin."""
    return len(series) - 8 * int(_SERIES.unpack_from(series)[2])


def is_blank(data: bytes) -> bool:
    """Whether whoever made the file died before saying anything in it."""
    return not any(data)


def decode(data: bytes, metrics: tuple[Metric, ...] = catalog.METRICS) -> Contents:
    """Read a whole file; what is defined as one of `metrics` becomes that. Raises `Damaged`."""
    text, end = _checked(data)
    try:
        head = _head(json.loads(text), metrics)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged("its head makes no sense") from error
    found: dict[tuple[Metric, tuple[str, ...]], Series] = {}
    at = _TEXT_AT + _padded(len(text))
    while at < end:
        series, at = _series(data, at, end, head.metrics)
        key = (series.reading.metric, series.reading.attributes)
        if key in found:
            raise Damaged("it has a series twice")
        found[key] = series
    return Contents(head, tuple(found.values()), end)


def _checked(data: bytes) -> tuple[bytes, int]:
    """The head's text and the end of the last series."""
    if not data.startswith(MAGIC):
        raise Damaged("it is no state file")
    if len(data) < _TEXT_AT:
        raise Damaged("it is cut short")
    _, order, version, length, crc = _PREFIX.unpack_from(data)
    if order != 1:
        raise Damaged("it comes from a machine with another byte order")
    if version != VERSION:
        raise Damaged(f"it has version {version} of its layout, and this is {VERSION}")
    text = data[_TEXT_AT : _TEXT_AT + length]
    if zlib.crc32(text, zlib.crc32(data[: _PREFIX.size - 4])) != crc:
        raise Damaged("its head has changed")
    (sealed,) = struct.unpack_from("=Q", data, SEAL_AT)
    end = sealed & 0xFFFFFFFF
    if sealed != seal(end):
        raise Damaged("its seal is broken")
    if not _TEXT_AT + _padded(length) <= end <= len(data) or end % 8:
        raise Damaged("it is cut short")
    return text, end


def _head(said: dict[str, Any], metrics: tuple[Metric, ...]) -> Head:
    return Head(
        start_unix_nano=int(said["start_unix_nano"]),
        boot=str(said["boot"]),
        resource=dict(said["resource"]),
        metrics=tuple(_metric(definition, metrics) for definition in said["metrics"]),
        received=str(said["received"]),
        outcomes=tuple(said["outcomes"]),
    )


def _series(data: bytes, at: int, end: int, metrics: tuple[Metric, ...]) -> tuple[Series, int]:
    """The series at `at`, and where the next one begins."""
    if at + _SERIES.size > end:
        raise Damaged("a series is cut short")
    crc, place, numbers, length = _SERIES.unpack_from(data, at)
    text = data[at + _SERIES.size : at + _SERIES.size + length]
    if zlib.crc32(text, zlib.crc32(data[at + 4 : at + _SERIES.size])) != crc:
        raise Damaged("a series' name has changed")
    cells = at + _SERIES.size + _padded(length)
    after = cells + 8 * numbers
    if after > end or place >= len(metrics) or numbers != width(metrics[place]):
        raise Damaged("a series is of another size than its metric's")
    values = tuple(json.loads(text))
    found = struct.unpack_from(f"={numbers}d", data, cells)
    if not all(map(_possible(metrics[place]), found, range(numbers))):
        raise Damaged("a number is none that anybody counted")
    return Series(Reading(metrics[place], values, found), cells // 8), after


def _possible(metric: Metric) -> Any:  # noqa: ANN401 - a function of a number and its place
    """What can stand in a cell of this metric: counts, of a histogram first their sum."""

    def possible(number: float, place: int) -> bool:
        if metric.kind is Kind.GAUGE:
            return True
        if metric.kind is Kind.HISTOGRAM and place == 0:
            return 0 <= number < float("inf")
        return 0 <= number <= _COUNT_MAX and number.is_integer()

    return possible


def _definition(metric: Metric) -> list[Any]:
    return [
        *(metric.name, metric.kind.value, metric.unit, metric.help),
        *(list(metric.attributes), list(metric.buckets)),
    ]


def _metric(definition: list[Any], metrics: tuple[Metric, ...]) -> Metric:
    """The one of `metrics` that is defined so, or one of another version's catalogue."""
    for metric in metrics:
        if _definition(metric) == definition:
            return metric
    name, kind, unit, text, attributes, buckets = definition
    return Metric(name, Kind(kind), unit, text, tuple(attributes), buckets=tuple(buckets))


def _padded(length: int) -> int:
    return -(-length // 8) * 8
