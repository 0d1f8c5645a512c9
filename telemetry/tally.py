"""The cells: counters, gauges and histograms that cost a look-up and an addition.

A series is a run of numbers in one flat array: one for a counter or a gauge, the sum and a count
per bucket for a histogram. The array can be any mutable sequence of doubles that grows, so cells
may live in a mapped file one day. This file knows no task, no thread, no clock and no OTLP; whoever
adds takes turns (`telemetry/tasks/inbox.py`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from telemetry import catalog

if TYPE_CHECKING:
    from telemetry.catalog import Metric

SERIES_MAX = 2000
"""Per metric; the SDK's own default for an instrument's attribute sets."""
OTHER = "other"
"""What an attribute reads when its value was not admitted."""


class Reading(NamedTuple):
    """One series at one moment."""

    metric: Metric
    attributes: tuple[str, ...]
    """Values in the order of the metric's attributes."""
    numbers: tuple[float, ...]
    """`(value,)`; of a histogram `(sum, count of bucket 0, …)`, one bucket more than bounds."""


class Tallies:
    """All series of one process."""

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        self.numbers = array("d")
        """A cell is an index here; `tallies.numbers[cell] += 1` counts."""
        self._series_max = series_max
        self._series: dict[Metric, dict[tuple[str, ...], int]] = {}

    def cell(self, metric: Metric, *values: str) -> int:
        """Where the series of `values` begins, made at 0 when it is new; see `admit`."""
        series = self._series.setdefault(metric, {})
        if values not in series:
            values = self.admit(metric, *values)
        cell = series.get(values)
        if cell is None:
            cell = series[values] = len(self.numbers)
            self.numbers.extend([0.0] * _width(metric))
        return cell

    def admit(self, metric: Metric, *values: str) -> tuple[str, ...]:
        """The values under which a metric counts these.

        A metric that is full keeps the first, which is the task's name, and has "other" for the
        rest; when those are too many as well, for that too. Each time is counted as an overflow.
        """
        series = self._series.setdefault(metric, {})
        if values in series or len(series) < self._series_max:
            return values
        self.numbers[self.cell(catalog.OVERFLOW, "series")] += 1
        others = (OTHER,) * (len(values) - 1)
        kept = (values[0], *others)
        return kept if kept in series or len(series) < 2 * self._series_max else (OTHER, *others)

    def observe(self, metric: Metric, cell: int, value: float) -> None:
        """Record one measurement in the histogram that begins at `cell`."""
        self.numbers[cell] += value
        self.numbers[cell + 1 + bisect_left(metric.buckets, value)] += 1

    def readings(self) -> list[Reading]:
        """Every series now, those of one metric together."""
        return [
            Reading(metric, values, tuple(self.numbers[cell : cell + _width(metric)]))
            for metric, series in self._series.items()
            for values, cell in series.items()
        ]


def _width(metric: Metric) -> int:
    return len(metric.buckets) + 2 if metric.buckets else 1
