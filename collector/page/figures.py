"""What an exporter exposes now -> the sums that the page shows of it.

In: the lines that `/metrics` is written from, with what they read at this moment; so both tell the
same. Out: numbers by metric, label and its value. Of labels only those in the catalogue are looked
at, whatever else the rules let through.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.exposition.names import Translator
from collector.histogram import merge
from collector.model import Merge, Scope, Stream, Temporality
from collector.page.catalog import SHOWN
from collector.page.quantile import QUANTILES, quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from collector.model import Series
    from collector.outlets.prometheus import PrometheusOutlet, Shot
    from collector.reading import HistogramReading, Readings

GROUPS_MAX = 200
"""Values of a label that are told apart; the others are added up."""
OTHERS = "(others)"

Number = float | int
Told = dict[str, Number | None]
"""Of a histogram: how many, their sum, quantiles (None where there is none)."""


_WAYS: dict[Merge, Callable[[list[float]], float]] = {
    Merge.SUM: math.fsum,
    Merge.MAX: max,
    Merge.MIN: min,
}


class Group(NamedTuple):
    """Lines that are added up."""

    metric: int
    """Which of `SHOWN`."""
    label: str
    value: str


class Figures:
    """What is shown of one exporter; remembers which lines belong together."""

    def __init__(self, outlet: PrometheusOutlet) -> None:
        self._families = _families(outlet)
        self._changes = -1
        self._groups: dict[Group, NDArray[np.int64]] = {}

    def of(self, shot: Shot) -> dict[str, dict[str, object]]:
        """Tell of each metric its family's name and, by label and value, its numbers."""
        if shot.changes != self._changes:
            self._groups = self._grouped(shot.series)
            self._changes = shot.changes
        told: list[dict[str, dict[str, object]]] = [
            {label: {} for label in shown.by} for shown in SHOWN
        ]
        numbers = np.asarray(shot.readings.numbers)
        silent = np.fromiter(shot.readings.absent, np.int64, len(shot.readings.absent))
        distributions = _Distributions(shot.readings)
        for group, lines in self._groups.items():
            shown = SHOWN[group.metric]
            speaking = lines[~np.isin(lines, silent)]
            if not len(speaking):
                continue
            found: object
            if shown.kind.is_distribution:
                found = _described(distributions.of(speaking))
            else:
                found = _together(numbers[speaking], shown.how)
            told[group.metric][group.label][group.value] = found
        family_of = {at: family for family, at in self._families.items()}
        return {
            shown.name: {"family": family_of[at], **by}
            for at, (shown, by) in enumerate(zip(SHOWN, told))
        }

    def _grouped(self, series: Mapping[int, Series]) -> dict[Group, NDArray[np.int64]]:
        groups: dict[Group, list[int]] = defaultdict(list)
        for number, one in series.items():
            at = self._families.get(one.family)
            if at is not None:
                labels = dict(one.labels)
                for label in SHOWN[at].by:
                    groups[Group(at, label, labels.get(label, ""))].append(number)
        kept = _kept(groups)
        limited: dict[Group, list[int]] = defaultdict(list)
        for group, lines in groups.items():
            value = group.value if group.value in kept[group.label] else OTHERS
            limited[group._replace(value=value)] += lines
        return {group: np.array(lines, np.int64) for group, lines in limited.items()}


def _families(outlet: PrometheusOutlet) -> dict[str, int]:
    """Find out how the exporter calls what is shown."""
    translate = Translator(outlet.settings).translate
    return {
        translate(
            Stream((), Scope(), shown.name, shown.unit, shown.kind, Temporality.NONE, ())
        ).family: at
        for at, shown in enumerate(SHOWN)
    }


def _kept(groups: Mapping[Group, list[int]]) -> dict[str, set[str]]:
    """Choose per label the values that are told apart: those with the most lines, then by name."""
    lines: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for group, own in groups.items():
        lines[group.label][group.value] += len(own)
    return {
        label: set(sorted(counts, key=lambda value: (-counts[value], value))[:GROUPS_MAX])
        for label, counts in lines.items()
    }


def _together(values: NDArray[np.float64], how: Merge) -> Number | None:
    """Add up, or take the largest or smallest; None for what JSON has no number for."""
    total = _WAYS[how](values.tolist())
    if not math.isfinite(total):
        return None
    return int(total) if total.is_integer() else total


def _described(histogram: HistogramReading) -> Told:
    told: Told = {"count": histogram.count, "sum": histogram.sum}
    for q in QUANTILES:
        told[f"p{round(q * 100)}"] = quantile(histogram, q)
    return told


class _Distributions:
    """Adds up histograms, those with the same bounds as one table."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._order = [np.argsort(table.lines, kind="stable") for table in readings.tables]

    def of(self, lines: NDArray[np.int64]) -> HistogramReading:
        """Return what these lines are together; at least one of them says something."""
        parts = [
            self._readings.histograms[line]
            for line in lines.tolist()
            if line in self._readings.histograms
        ]
        for table, order in zip(self._readings.tables, self._order):
            rows = _found(table.lines, order, lines)
            if len(rows):
                parts.append(table.sum_of(rows))
        return merge(parts)


def _found(
    lines: NDArray[np.int64], order: NDArray[np.intp], wanted: NDArray[np.int64]
) -> NDArray[np.intp]:
    """Return the rows in which the wanted lines stand."""
    if not len(lines):
        return order
    places = np.minimum(np.searchsorted(lines, wanted, sorter=order), len(lines) - 1)
    rows = order[places]
    found: NDArray[np.intp] = rows[lines[rows] == wanted]
    return found
