"""A family of histograms: of each series its buckets, sum and count."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from collector.exposition.blocks.block import Filled, distribution, has_more, stamp
from collector.exposition.dialects import bucket_tails
from collector.exposition.form import Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.exposition.alphabet import Labels
    from collector.exposition.dialects import Dialect
    from collector.reading import Readings

Bounds: TypeAlias = "tuple[float, ...]"


class Histograms(Filled["tuple[str, str, str]", "list[Bounds]"]):
    """A family of histograms."""

    def _text(self, labels: Labels) -> tuple[str, str, str]:
        return distribution(self.family.name, "_bucket", labels, "le")

    def lines(self, readings: Readings, dialect: Dialect) -> Sequence[bytes]:
        """Write a series' buckets, sum and count."""
        series = self._speaking(readings)
        bounds, numbers = _numbers_of(readings, series)
        behind: dict[int, str] = {}
        if has_more(readings, dialect):
            first = 0
            for number, own in zip(series.tolist(), bounds):
                lines = len(own) + BESIDES
                texts = enumerate(_behind(number, lines, readings, dialect), first)
                behind.update((line, text) for line, text in texts if text)
                first += lines
        return self._form(dialect, series, bounds).fill(numbers, dialect, behind)

    def _new_form(
        self, dialect: Dialect, texts: Sequence[tuple[str, str, str]], shape: list[Bounds]
    ) -> Form:
        beginnings: list[tuple[str, str]] = []
        counts: list[bool] = []
        for (bucket, sum_, count), bounds in zip(texts, shape):
            beginnings += [(bucket, tail) for tail in bucket_tails(bounds, dialect)]
            beginnings += [(sum_, ""), (count, "")]
            counts += [*[True] * (len(bounds) + 1), False, True]
        return Form(beginnings, np.array(counts, np.bool_))


BESIDES = 3
"""Lines of a histogram besides those of its bounds: the infinite bucket, sum and count."""


def _behind(number: int, lines: int, readings: Readings, dialect: Dialect) -> list[str]:
    """Return what stands behind the numbers of a histogram's lines."""
    texts = [stamp(number, readings, dialect)] * lines
    exemplars = readings.exemplars.get(number, ())
    if dialect.exemplar and exemplars:
        reading = readings.histogram(number)
        if reading.native is None:
            for at, exemplar in reading.in_buckets(exemplars):
                texts[at] += dialect.exemplar(exemplar)
    return texts


def _numbers_of(
    readings: Readings, series: NDArray[np.intp]
) -> tuple[list[Bounds], NDArray[np.float64]]:
    """Return the bounds of each series, and the numbers of all lines, one series after the other.

    Each has its cumulated buckets, the count for the infinite one, sum and count.
    """
    bounds: list[Bounds] = [()] * len(series)
    found = []
    places = np.full(int(series.max(initial=-1)) + 1, -1)
    places[series] = np.arange(len(series))
    for table in readings.tables:
        known = table.lines < len(places)
        own = places[table.lines[known]]
        here = own >= 0
        rows, own = np.flatnonzero(known)[here], own[here]
        for at in own.tolist():
            bounds[at] = table.bounds
        counts = table.counts[rows, None]
        columns = table.cumulated[rows], counts, table.sums[rows, None], counts
        found.append((own, np.concatenate(columns, axis=1, dtype=np.float64)))
    for at, number in enumerate(series.tolist()):
        reading = readings.histograms.get(number)
        if reading is not None:
            bounds[at] = reading.bounds
            numbers = [*reading.cumulated, reading.count, reading.sum, reading.count]
            found.append((np.array([at]), np.array([numbers], np.float64)))
    firsts = np.cumsum([0, *(len(own) + BESIDES for own in bounds)])
    numbers_ = np.zeros(int(firsts[-1]))
    for own, rows_ in found:
        numbers_[firsts[own][:, None] + np.arange(rows_.shape[1])] = rows_
    return bounds, numbers_
