"""What exporters that push tell: of each series what it adds up to, since when, and as what.

A series is what the rules left, whatever the temporality in which it came; what is told of it is
cumulative. Its start is the earliest that a source of it told when it was first looked at, and it
stays as long as the series: downstream another start would be a reset that never was. A push holds
the series that were spoken for since the one before. It knows no wire format and no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from collector.ledger import readout
from collector.model import Kind, Merge, Stream, Temporality
from collector.outlets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.reading import Exponential, HistogramReading, Readings, SummaryReading

EXPIRATION_SECONDS = 300.0
"""As the `prometheus` exporter's: how long a series is kept that nobody speaks for."""
SECOND = 1_000_000_000

Said: TypeAlias = "int | float | HistogramReading | SummaryReading"


class Told(NamedTuple):
    """One series at one moment."""

    series: Stream
    start: int
    """Nanoseconds since 1970; 0 for gauges, which have none."""
    said: Said
    native: Exponential | None = None
    """The buckets of an exponential histogram."""


class _Shelf:
    """Keeps series by number, and what must not change while they live."""

    def __init__(self) -> None:
        self.series: dict[int, Stream] = {}
        self.starts: dict[int, int] = {}
        self.doubles: set[int] = set()
        """Those that were no whole number once stay doubles: the type is part of what they are."""

    def add(self, number: int, line: Stream) -> None:
        if self.series.get(number) != line:
            self.starts.pop(number, None)
            self.doubles.discard(number)
        self.series[number] = line

    def remove(self, number: int) -> None:
        """Nothing: one that comes back is what it was, and another one takes its place."""


def _outgoing(series: Stream) -> Stream:
    has_none = series.kind is Kind.GAUGE
    temporality = Temporality.NONE if has_none else Temporality.CUMULATIVE
    return series.but(temporality=temporality, merge=series.merge or Merge.SUM)


class PushOutlet(Lines[Stream]):
    """The series of an exporter that pushes."""

    wants_exemplars = False
    wants_times = False

    def __init__(self) -> None:
        self._shelf = _Shelf()
        super().__init__(_outgoing, self._shelf, EXPIRATION_SECONDS)

    def snapshot(self, since: float, now: float) -> list[Told]:
        """Tell of every series that was spoken for since a moment, seconds of the clock."""
        fresh = np.flatnonzero(self.heard() >= since).tolist()
        if not fresh:
            return []
        readings = self.read()
        self._note(fresh, now)
        return [
            told
            for number in fresh
            if number not in readings.absent and (told := self._told(number, readings))
        ]

    def _note(self, fresh: Sequence[int], now: float) -> None:
        """Note what stays with a series: its start, and that it is no whole number."""
        self._shelf.doubles.update(readout.doubles(self._shares, self.size))
        unknown = [number for number in fresh if number not in self._shelf.starts]
        if not unknown:
            return
        earliest = readout.starts(self._shares, self.size)
        for number in unknown:
            self._shelf.starts[number] = earliest[number] or int(now * SECOND)

    def _told(self, number: int, readings: Readings) -> Told | None:
        series, start = self._shelf.series[number], self._shelf.starts[number]
        if series.kind in (Kind.HISTOGRAM, Kind.EXPONENTIAL):
            histogram = readings.histogram(number)
            native = histogram.native() if histogram.native else None
            return Told(series, start, histogram, native)
        if series.kind is Kind.SUMMARY:
            return Told(series, start, readings.summaries[number])
        number_ = float(readings.numbers[number])
        is_whole = number not in self._shelf.doubles and abs(number_) < 2**63
        start = 0 if series.kind is Kind.GAUGE else start
        return Told(series, start, int(number_) if is_whole else number_)
