"""Several ledgers and what an exporter makes one line of -> what each line reads.

    line = sum over its series, in whatever ledger, of what the ledger keeps for them

Lines whose rule says so take the largest, the mean or the like of their sources instead of the sum.
Series, sources and lines are numbers; no name, attribute or clock comes in.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.histogram import merge
from collector.ledger.exact import sum_by
from collector.model import Merge
from collector.reading import Readings, SummaryReading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from collector.ledger.columns import Mask
    from collector.ledger.ledger import Ledger
    from collector.ledger.scalars import Contributions
    from collector.reading import Exemplar, HistogramReading, HistogramTable

MILLISECOND = np.uint64(1_000_000)
"""Nanoseconds."""
NOWHERE = -1
"""The line of a series that an exporter does not show."""


class Share(NamedTuple):
    """What one ledger gives."""

    ledger: Ledger
    lines: NDArray[np.int64]
    """Of each series the line that it is part of, or NOWHERE."""

    @property
    def shown(self) -> Mask:
        """Which series are part of a line."""
        shown: Mask = self.lines != NOWHERE
        return shown


def read(
    shares: Sequence[Share], size: int, merges: Mapping[int, Merge], *, times: bool = False
) -> Readings:
    """Read every line numbered below `size`; `merges` are those that are not sums.

    With `times` it is also told when each line's newest point was, for which ledgers must be timed.
    """
    every = _contributions(shares)
    numbers = sum_by(every[1], every[2], every[3], size)
    for line, how in merges.items():
        numbers[line] = _met(every, line, how)
    tables, histograms = _histograms(shares)
    summaries = _summaries(shares)
    speaking = np.zeros(size, np.bool_)
    speaking[every[1]] = True
    speaking[[*histograms, *summaries]] = True
    for table in tables:
        speaking[table.lines] = True
    absent = frozenset(np.flatnonzero(~speaking).tolist())
    told = _times(shares, size) if times else ()
    return Readings(numbers, histograms, absent, summaries, _exemplars(shares), told, tables)


def _times(shares: Sequence[Share], size: int) -> list[int]:
    newest = np.zeros(size + 1, np.uint64)  # at the end, what is shown nowhere
    for ledger, lines in shares:
        np.maximum.at(newest, lines, ledger.told(len(lines)))
    milliseconds: list[int] = (newest[:size] // MILLISECOND).tolist()
    return milliseconds


def _contributions(shares: Sequence[Share]) -> Contributions:
    """Return what each row adds to which line; sources of different ledgers stay apart."""
    parts = [_of_share(share, at, len(shares)) for at, share in enumerate(shares)]
    if len(parts) == 1:
        return parts[0]
    sources, lines, ints, floats = (np.concatenate(column) for column in zip(*parts))
    return sources, lines, ints, floats


def _of_share(share: Share, at: int, of: int) -> Contributions:
    sources, series, ints, floats = share.ledger.contributions()
    lines = share.lines[series]
    shown = lines != NOWHERE
    if not shown.all():
        sources, lines, ints, floats = sources[shown], lines[shown], ints[shown], floats[shown]
    return sources * of + at, lines, ints, floats


def _histograms(
    shares: Sequence[Share],
) -> tuple[list[HistogramTable], dict[int, HistogramReading]]:
    """Read histograms: those of one table as they stand there, and lines where several meet.

    What is exponential has no bounds but the infinite one in common with others.
    """
    tables = [
        replace(table, lines=share.lines[table.lines])
        for share in shares
        for table in share.ledger.tables()
    ]
    parts: dict[int, list[HistogramReading]] = defaultdict(list)
    for share in shares:
        for series, reading in share.ledger.exponentials.by_series(share.shown):
            parts[int(share.lines[series])].append(reading)
    alone = _alone(tables, list(parts))
    for table in tables:
        for row in np.flatnonzero(~alone[table.lines]).tolist():
            parts[int(table.lines[row])].append(table[row])
    parts.pop(NOWHERE, None)
    met = {line: merge(several) for line, several in parts.items()}
    return [table.only(alone[table.lines]) for table in tables], met


def _alone(tables: Sequence[HistogramTable], exponential: Sequence[int]) -> NDArray[np.bool_]:
    """Return of each line whether it is that of one row of one table, and of nothing else."""
    lines = np.concatenate([*(table.lines for table in tables), np.array(exponential, np.int64)])
    found = np.bincount(lines + 1, minlength=1)
    alone = found[1:] == 1
    alone[exponential] = False
    return np.append(alone, False)  # at the end NOWHERE, as a negative index finds it


def _summaries(shares: Sequence[Share]) -> dict[int, SummaryReading]:
    """Read summaries; where several series are one line no quantile is true."""
    found: dict[int, SummaryReading] = {}
    for share in shares:
        for series, reading in share.ledger.summaries.by_series(share.shown):
            line = int(share.lines[series])
            if line in found:
                count, sum_ = found[line].count + reading.count, found[line].sum + reading.sum
                found[line] = SummaryReading([], count, sum_)
            elif line != NOWHERE:
                found[line] = reading
    return found


def _exemplars(shares: Sequence[Share]) -> dict[int, Sequence[Exemplar]]:
    found: dict[int, Sequence[Exemplar]] = {}
    for share in shares:
        for series, own in share.ledger.exemplars.by_series().items():
            line = int(share.lines[series])
            if line in found:
                found[line] = sorted([*found[line], *own], key=lambda exemplar: exemplar.time)
            elif line != NOWHERE:
                found[line] = own
    return found


_WAYS: dict[Merge, Callable[[NDArray[np.float64]], np.floating | int]] = {
    Merge.MAX: np.max,
    Merge.MIN: np.min,
    Merge.MEAN: np.mean,
    Merge.MEDIAN: np.median,
    Merge.COUNT: len,
}


def _met(every: Contributions, line: int, how: Merge) -> float:
    """Return what the values of a line's sources make, if not a sum; 0 where none speaks."""
    rows = np.flatnonzero(every[1] == line)
    if not len(rows):
        return 0.0
    _, groups = np.unique(every[0][rows], return_inverse=True)
    values = sum_by(groups, every[2][rows], every[3][rows], int(groups.max()) + 1)
    return float(_WAYS[how](values))


def doubles(shares: Sequence[Share], size: int) -> list[int]:
    """Return the lines of counters and gauges that some source made more than a whole number."""
    _, lines, _, floats = _contributions(shares)
    found: list[int] = np.flatnonzero(np.bincount(lines[floats != 0], minlength=size)).tolist()
    return found


def starts(shares: Sequence[Share], size: int) -> list[int]:
    """Return of every line the earliest start that a source told, nanoseconds; 0 for none."""
    never = np.iinfo(np.uint64).max
    earliest = np.full(size + 1, never, np.uint64)  # at the end, what is shown nowhere
    for ledger, lines in shares:
        np.minimum.at(earliest, lines, ledger.started(len(lines)))
    earliest[earliest == never] = 0
    told: list[int] = earliest[:size].tolist()
    return told
