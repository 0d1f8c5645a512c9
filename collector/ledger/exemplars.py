"""Exemplars: of each series the newest one, in each bucket that its sources count in.

An exemplar stands until a newer one comes: what happened to a value that is counted stays true. It
goes with its series.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from collector.reading import Exemplar

NO_SERIES = -1


class Exemplars:
    """By series and by upper bound of the source's bucket."""

    def __init__(self) -> None:
        self._newest: dict[int, dict[float, Exemplar]] = {}

    def record(
        self, series: NDArray[np.intp], bounds: Sequence[float], exemplars: Sequence[Exemplar]
    ) -> None:
        """Take exemplars of sources with these bounds; what tells no trace shows nothing."""
        for number, exemplar in zip(series.tolist(), exemplars):
            if number == NO_SERIES or not (exemplar.trace_id or exemplar.span_id):
                continue
            at = bisect_left(bounds, exemplar.value)
            bound = bounds[at] if at < len(bounds) else inf
            newest = self._newest.setdefault(number, {})
            if bound not in newest or newest[bound].time <= exemplar.time:
                newest[bound] = exemplar

    def by_series(self) -> Mapping[int, Sequence[Exemplar]]:
        """Return what each series has, the newest last."""
        return {
            number: sorted(own.values(), key=lambda exemplar: exemplar.time)
            for number, own in self._newest.items()
        }

    def drop(self, series: Collection[int]) -> None:
        """Forget what series had."""
        for number in series:
            self._newest.pop(number, None)
