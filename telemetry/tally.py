"""The cells: counters, gauges and histograms that cost a look-up and an addition.

A series is a run of numbers in one flat row: one for a counter or a gauge, the sum and a count
per bucket for a histogram. Where the row lives is a store's affair: in memory here, in a mapped
file in `telemetry/state`. This file knows no task, no thread, no clock and no OTLP; whoever adds
takes turns (`telemetry/tasks/turns.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from math import isnan
from typing import TYPE_CHECKING, NamedTuple, Protocol

from telemetry import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import overload

    from telemetry.catalog import Metric

SERIES_MAX = 2000
"""Per metric; the SDK's own default for an instrument's attribute sets."""
OTHER = "other"
"""What an attribute reads when its value was not admitted."""
UNKNOWN = float("nan")
"""What a gauge reads while nobody knows: then it is no reading."""


class Reading(NamedTuple):
    """One series at one moment."""

    metric: Metric
    attributes: tuple[str, ...]
    """Values in the order of the metric's attributes."""
    numbers: tuple[float, ...]
    """`(value,)`; of a histogram `(sum, count of bucket 0, …)`, one bucket more than bounds."""


class Numbers(Protocol):
    """Floats, side by side: a list, or a view of memory."""

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, at: int, /) -> float: ...
        @overload
        def __getitem__(self, at: slice, /) -> Numbers: ...
        def __setitem__(self, at: int, number: float, /) -> None: ...
        def __iter__(self) -> Iterator[float]: ...


class Store(Protocol):
    """Where cells live."""

    numbers: Numbers
    """Another object after each `add`, perhaps; cells keep their places."""

    def found(self) -> Iterator[tuple[Metric, tuple[str, ...], int]]:
        """The series that are there already, each with its cell."""

    def add(self, metric: Metric, values: tuple[str, ...]) -> int:
        """A new series at 0; returns its cell, the place of its first number."""


class Memory:
    """Cells that end with the process."""

    def __init__(self, numbers: Iterable[float] = ()) -> None:
        # Not an array: adding to one takes twice as long as to a list.
        self.numbers: list[float] = list(numbers)

    def found(self) -> Iterator[tuple[Metric, tuple[str, ...], int]]:
        """Nothing."""
        return iter(())

    def add(self, metric: Metric, _values: tuple[str, ...]) -> int:
        """See `Store.add`."""
        cell = len(self.numbers)
        self.numbers.extend([0.0] * width(metric))
        return cell


class Tallies:
    """All series of one process."""

    def __init__(self, series_max: int = SERIES_MAX, store: Store | None = None) -> None:
        self._store = Memory() if store is None else store
        self.numbers: Numbers = self._store.numbers
        """A cell is an index here; `tallies.numbers[cell] += 1` counts."""
        self._series_max = series_max
        self._series: dict[Metric, dict[tuple[str, ...], int]] = {}
        for metric, values, cell in self._store.found():
            self._series.setdefault(metric, {})[values] = cell

    def cell(self, metric: Metric, *values: str) -> int:
        """Where the series of `values` begins, made at 0 when it is new; see `admit`."""
        series = self._series.setdefault(metric, {})
        if values not in series:
            values = self.admit(metric, *values)
        cell = series.get(values)
        if cell is None:
            cell = series[values] = self._store.add(metric, values)
            self.moved()
        return cell

    def admit(self, metric: Metric, *values: str) -> tuple[str, ...]:
        """The values under which a metric counts these.

        A metric that is full keeps the first, which is the task's name, and has "other" for the
        rest; when those are too many as well, for that too. Each time is counted as an overflow.
        """
        series = self._series.setdefault(metric, {})
        if values in series or len(series) < self._series_max:
            return values
        self.count(catalog.OVERFLOW, "series")
        others = (OTHER,) * (len(values) - 1)
        kept = (values[0], *others)
        return kept if kept in series or len(series) < 2 * self._series_max else (OTHER, *others)

    def count(self, metric: Metric, *values: str, by: float = 1) -> None:
        """Add to a counter."""
        cell = self.cell(metric, *values)  # which may have the numbers elsewhere afterwards
        self.numbers[cell] += by

    def observe(self, metric: Metric, cell: int, value: float) -> None:
        """Record one measurement in the histogram that begins at `cell`."""
        numbers = self.numbers
        numbers[cell] += value
        numbers[cell + 1 + bisect_left(metric.buckets, value)] += 1

    def moved(self) -> None:
        """The store has its numbers elsewhere now."""
        self.numbers = self._store.numbers

    def readings(self) -> list[Reading]:
        """Every series now that is known, those of one metric together."""
        readings = (
            Reading(metric, values, tuple(self.numbers[cell : cell + width(metric)]))
            for metric, series in self._series.items()
            for values, cell in series.items()
        )
        return [reading for reading in readings if not isnan(reading.numbers[0])]


def width(metric: Metric) -> int:
    """How many numbers a series of this metric has."""
    return len(metric.buckets) + 2 if metric.buckets else 1
