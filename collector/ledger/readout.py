"""Several ledgers and what an exporter makes one line of -> what each line reads.

    line = sum over its series, in whatever ledger, of what the ledger keeps for them

Lines whose rule says so take the largest or smallest of their sources instead of the sum. Series,
sources and lines are numbers; no name, attribute or clock comes in.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.histogram import merge
from collector.ledger.book import sum_by
from collector.model import Merge
from collector.reading import Readings, SummaryReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from collector.histogram import Counts, Native
    from collector.ledger.book import Contributions
    from collector.ledger.ledger import Ledger
    from collector.reading import Exemplar, HistogramReading

MILLISECOND = np.uint64(1_000_000)
"""Nanoseconds."""
NOWHERE = -1
"""The line of a series that an exporter does not show."""


class Share(NamedTuple):
    """What one ledger gives."""

    ledger: Ledger
    lines: NDArray[np.int64]
    """Of each series the line that it is part of, or NOWHERE."""


def read(
    shares: Sequence[Share], size: int, merges: Mapping[int, Merge], *, times: bool = False
) -> Readings:
    """Read every line numbered below `size`; `merges` are those that are not sums.

    With `times` it is also told when each line's newest point was, for which ledgers must be timed.
    """
    every = _contributions(shares)
    numbers = sum_by(every[1], every[2], every[3], size)
    for line, how in merges.items():
        numbers[line] = _extreme(every, line, how)
    histograms, summaries = _histograms(shares), _summaries(shares)
    speaking = np.zeros(size, np.bool_)
    speaking[every[1]] = True
    speaking[[*histograms, *summaries]] = True
    absent = frozenset(np.flatnonzero(~speaking).tolist())
    told = _times(shares, size) if times else ()
    return Readings(numbers.tolist(), histograms, absent, summaries, _exemplars(shares), told)


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


def _histograms(shares: Sequence[Share]) -> dict[int, HistogramReading]:
    """Read histograms; what is exponential has no bounds but the infinite one in common."""
    parts: dict[int, list[Counts]] = defaultdict(list)
    natives: dict[int, list[Native]] = defaultdict(list)
    for share in shares:
        for series, counts in share.ledger.bounded():
            parts[int(share.lines[series])].append(counts)
    bounded = frozenset(parts)
    for share in shares:
        for series, counts, native in share.ledger.exponentials.by_series():
            line = int(share.lines[series])
            parts[line].append(counts)
            if line not in bounded:
                natives[line].append(native)
    parts.pop(NOWHERE, None)
    return {line: merge(several, natives.get(line, ())) for line, several in parts.items()}


def _summaries(shares: Sequence[Share]) -> dict[int, SummaryReading]:
    """Read summaries; where several series are one line no quantile is true."""
    found: dict[int, SummaryReading] = {}
    for share in shares:
        for series, reading in share.ledger.summaries.by_series():
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


def _extreme(every: Contributions, line: int, how: Merge) -> float:
    """Return the largest or smallest value of a line's sources; 0 where none speaks."""
    rows = np.flatnonzero(every[1] == line)
    if not len(rows):
        return 0.0
    _, groups = np.unique(every[0][rows], return_inverse=True)
    values = sum_by(groups, every[2][rows], every[3][rows], int(groups.max()) + 1)
    return float(values.max() if how is Merge.MAX else values.min())
