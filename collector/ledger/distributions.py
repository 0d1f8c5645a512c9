"""Distributions: many values told by their count, their sum and how they lie.

Of cumulative ones each life's reading with the largest count stands, increments are added; how the
values lie goes with the count and is written by the subclasses, one for each way to tell it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from collector.ledger.columns import BIN, Rows, some_of
from collector.ledger.deltas import Intervals
from collector.ledger.exact import Exact, sum_doubles_by
from collector.ledger.lives import Lives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.ledger.owners import Owners
    from collector.reading import Reading

Chosen: TypeAlias = "slice | NDArray[np.intp]"
"""Which points of a reading."""


class Groups(NamedTuple):
    """Which rows say something, by the series that they belong to."""

    rows: NDArray[np.intp]
    """In their own order."""
    places: NDArray[np.intp]
    """Of each row, which of the series it is of."""
    series: NDArray[np.int64]
    ordered: NDArray[np.intp]
    """The rows again, those of a series one behind the other."""
    chosen: Rows
    """The same; a slice where they lie so anyway, which is copied from nowhere."""
    firsts: NDArray[np.intp]
    """Where in `ordered` each series begins."""

    def add(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add a column of integers up by series, along its first axis."""
        if not len(self.rows):
            return column[:0]
        added: NDArray[np.int64] = np.add.reduceat(column[self.chosen], self.firsts, axis=0)
        return added

    def fed(self) -> list[tuple[int, list[int]]]:
        """Return each series with its rows."""
        ends = [*self.firsts.tolist()[1:], len(self.ordered)]
        return [
            (series, self.ordered[first:end].tolist())
            for series, first, end in zip(self.series.tolist(), self.firsts.tolist(), ends)
        ]


class Distributions(Exact, Lives):
    """One row per source and life; `base` is what the row took over from lives that are closed."""

    columns = (
        *Exact.columns,
        ("counts", np.int64),
        ("sums", np.float64),
        ("base_counts", np.int64),
        ("times", np.uint64),
    )
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    base_counts: NDArray[np.int64]
    times: NDArray[np.uint64]
    """Time of the newest reading, nanoseconds; kept where the start is unknown."""

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__(owners)
        self.intervals: Intervals = Intervals()
        self._groups: Groups | None = None

    @abstractmethod
    def _put(self, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        """Let the chosen points of a reading stand in these rows, of which none is there twice."""

    @abstractmethod
    def _add(self, rows: NDArray[np.intp], reading: Reading, chosen: Chosen) -> None:
        """Add the chosen points of a reading to these rows."""

    def record(self, rows: Rows, reading: Reading, *, unique: bool) -> None:
        """Take cumulative readings of lives whose start is known."""
        counts = counts_of(reading)
        if unique or isinstance(rows, slice):
            grown = counts >= self.counts[rows]
            if grown.all():
                self._stand(rows, reading, slice(None))
            else:
                self._stand(some_of(rows, grown), reading, np.flatnonzero(grown))
        else:
            for index, row in enumerate(rows.tolist()):
                if counts[index] >= self.counts[row]:
                    self._stand(rows[index : index + 1], reading, slice(index, index + 1))
        self.present[rows] = True
        if self.returned:
            self.begin(rows)

    def record_unknown(self, rows: NDArray[np.intp], reading: Reading) -> None:
        """Take cumulative readings of sources that do not tell their start; see `Totals`."""
        counts = counts_of(reading)
        for index, (row, time) in enumerate(zip(rows.tolist(), reading.times.tolist())):
            newest = int(self.times[row])
            fell = counts[index] < self.counts[row]
            if row == BIN or time < newest or (time == newest and fell):
                continue
            if fell:
                self.carry(row, row)
            self._stand(rows[index : index + 1], reading, slice(index, index + 1))
            self.times[row] = time
            self.present[row] = True
        if self.returned:
            self.begin(rows)

    def record_deltas(self, rows: NDArray[np.intp], reading: Reading) -> int:
        """Add increments; return how many were refused as too late."""
        fresh, late = self.intervals.choose(
            rows.tolist(), reading.starts.tolist(), reading.times.tolist()
        )
        chosen = np.array(fresh, np.intp)
        added = rows[chosen]
        np.add.at(self.counts, added, counts_of(reading)[chosen])
        np.add.at(self.sums, added, reading.values[chosen])
        self._add(added, reading, chosen)
        self.present[added] = True
        if self.returned:  # increments count, whenever their source was last heard
            self.returned.difference_update(added.tolist())
        return late

    def _stand(self, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        self.counts[rows] = counts_of(reading)[chosen]
        self.sums[rows] = reading.values[chosen]
        self._put(rows, reading, chosen)

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        self.base_counts[new] += self.counts[old]
        self.gain_double(new, float(self.sums[old]))
        self.counts[old] = 0
        self.sums[old] = 0
        if old != new:
            self.base_counts[new] += self.base_counts[old]
            for piece in self.base(old):
                self.gain_double(new, piece)

    def discount(self, row: int) -> None:
        """Let a row count from its present reading on."""
        self.base_counts[row] -= self.counts[row]
        self.gain_double(row, -float(self.sums[row]))

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, and what was remembered of them."""
        super().close(rows)
        self.intervals.drop(rows)

    def groups(self) -> Groups:
        """Group the rows that say something; made anew only where that has changed."""
        rows, known = self.spoken(), self._groups
        series = self.series[rows]
        if (
            known is None
            or not np.array_equal(rows, known.rows)
            or not np.array_equal(series, known.series[known.places])
        ):
            known = self._groups = _grouped(rows, series)
        return known

    def counted_rows(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return sources, series and counts of the rows that say something."""
        rows = self.spoken()
        return self.sources[rows], self.series[rows], self.counts[rows] + self.base_counts[rows]

    def totals(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Add up counts and sums by series, in the order of the groups."""
        groups = self.groups()
        rows = groups.rows
        where, pieces = self.based(rows)
        places = np.searchsorted(groups.series, self.series[where])
        sums = sum_doubles_by(
            np.concatenate([groups.places, places]),
            np.concatenate([self.sums[rows], pieces]),
            len(groups.series),
        )
        counts = groups.add(self.counts)
        if self.base_counts.any():
            counts += groups.add(self.base_counts)
        return counts, sums


def _grouped(rows: NDArray[np.intp], series: NDArray[np.int64]) -> Groups:
    numbers, places = np.unique(series, return_inverse=True)
    order = np.argsort(places, kind="stable")
    firsts = np.searchsorted(places[order], np.arange(len(numbers)))
    ordered = rows[order]
    lie_so = len(ordered) and np.array_equal(ordered, np.arange(ordered[0], ordered[-1] + 1))
    chosen = slice(int(ordered[0]), int(ordered[-1]) + 1) if lie_so else ordered
    return Groups(rows, places, numbers, ordered, chosen, firsts)


def counts_of(reading: Reading) -> NDArray[np.int64]:
    """Return the counts that every distribution has."""
    if reading.counts is None:
        raise TypeError("a reading of numbers is no distribution")
    return reading.counts
