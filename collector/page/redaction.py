"""Before and after the rules, in counts and sums: what shows redaction and names nobody.

In: who fed each line of an exporter, and what the lines read. Out: per family how many streams came
in, how many series went out, and that both add up to the same. Of a stream nothing is known here
but that it is another one than the next.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from collector.model import Merge, Type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.outlets.prometheus import Shot
    from collector.self_metrics import Sample

FAMILIES_MAX = 6
"""That are drawn; all are checked."""
FAN_MAX = 6
"""Series of a family that are drawn."""
CLOSE = 1e-9
"""Sums of doubles differ by their rounding, depending on the order; integers by nothing."""


class Balance(NamedTuple):
    """One family: counters, and the counts of histograms."""

    family: str
    streams: int
    series: int
    fan: list[int]
    """Streams in each of the series that took in most."""
    before: float
    """What all streams told, those that are gone included."""
    after: float
    """What the lines of the exposition add up to."""

    @property
    def balances(self) -> bool:
        """Whether nothing was lost or made."""
        return math.isclose(self.before, self.after, rel_tol=CLOSE, abs_tol=CLOSE)


def balances(shot: Shot) -> list[Balance]:
    """Hold every family to account whose lines are sums."""
    lines_of: dict[str, list[int]] = defaultdict(list)
    silent = shot.readings.absent
    for number, series in shot.series.items():
        is_sum = series.type in {Type.COUNTER, Type.HISTOGRAM} and series.merge is Merge.SUM
        if is_sum and number not in silent:
            lines_of[series.family].append(number)
    told = shot.told
    found = []
    for family, lines in lines_of.items():
        streams = told.streams[lines].tolist()
        counted = shot.series[lines[0]].type is Type.HISTOGRAM
        after = (
            float(sum(shot.readings.histogram(line).count for line in lines))
            if counted
            else math.fsum(float(shot.readings.numbers[line]) for line in lines)
        )
        before = math.fsum(told.sums[lines].tolist())
        fan = sorted(streams, reverse=True)[:FAN_MAX]
        found.append(Balance(family, sum(streams), len(lines), fan, before, after))
    return found


def summary(shot: Shot, samples: Iterable[Sample]) -> dict[str, object]:
    """Tell of all families together, and of those that show best what happened.

    `samples` are the numbers of the pipelines before the exporter: streams, series, and the keys
    that were taken away.
    """
    every = balances(shot)
    every.sort(key=lambda one: (one.balances, one.series - one.streams, one.family))
    totals: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    for sample in samples:
        totals[sample.name] += int(sample.value)
        if sample.name == "portless_redacted_streams":
            keys[dict(sample.labels)["key"]] += int(sample.value)
    return {
        "streams": totals["portless_streams"],
        "series": totals["portless_series"],
        "refused_points": totals["portless_refused_points"],
        "keys": dict(keys.most_common()),
        "families": [
            one._asdict() | {"balances": one.balances}
            for one in every[:FAMILIES_MAX]
            if one.streams > one.series or not one.balances
        ],
        "checked": len(every),
        "balanced": sum(one.balances for one in every),
    }
