"""Increments: each is added once, whatever the network does to it.

An increment is known by its interval (start and time as the source wrote them). The recent ones are
remembered per row, so a retry is recognised and a late one is still counted; what is older than all
that is remembered can no longer be told from a retry and is refused.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from collector.ledger.columns import BIN
from collector.ledger.scalars import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from collector.ledger.owners import Owners

REMEMBERED = 128
"""Intervals remembered per row: at the SDKs' default of one export a minute, two hours."""

Interval = tuple[int, int]


class Intervals:
    """Which increments were counted already."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[set[Interval], deque[Interval]]] = {}
        self._forgotten: dict[int, int] = {}

    def admit(self, row: int, interval: Interval) -> bool | None:
        """Return True for a new increment, False for a retry, None for one too old to know.

        Without a time an increment has no name; it is counted as it comes.
        """
        time = interval[1]
        if not time:
            return True
        seen, order = self._seen.setdefault(row, (set(), deque()))
        if interval in seen:
            return False
        if time <= self._forgotten.get(row, 0):
            return None
        if len(order) == REMEMBERED:
            oldest = order.popleft()
            seen.discard(oldest)
            self._forgotten[row] = max(oldest[1], self._forgotten.get(row, 0))
        seen.add(interval)
        order.append(interval)
        return True

    def told(self, row: int) -> tuple[Sequence[Interval], int]:
        """Return what is remembered of a row, oldest first, and until when nothing is any more."""
        _, order = self._seen.get(row, (set(), deque()))
        return list(order), self._forgotten.get(row, 0)

    def take(self, row: int, intervals: Iterable[Interval], forgotten: int) -> None:
        """Remember what was told of a row elsewhere."""
        order = deque(intervals)
        self._seen[row] = set(order), order
        if forgotten:
            self._forgotten[row] = forgotten

    def copied(self) -> Intervals:
        """Return a copy to be told from."""
        twin = Intervals()
        twin._seen = {row: (seen, order.copy()) for row, (seen, order) in self._seen.items()}
        twin._forgotten = dict(self._forgotten)
        return twin

    def drop(self, rows: Sequence[int]) -> None:
        """Forget all about rows."""
        for row in rows:
            self._seen.pop(row, None)
            self._forgotten.pop(row, None)

    def choose(self, rows: Sequence[int], starts: Sequence[int], times: Sequence[int]) -> Chosen:
        """Return the indices of new increments, and how many were too late."""
        fresh = []
        late = 0
        for index, row in enumerate(rows):
            if row == BIN:
                continue
            verdict = self.admit(row, (starts[index], times[index]))
            if verdict:
                fresh.append(index)
            late += verdict is None
        return fresh, late


Chosen = tuple[list[int], int]


class Deltas(Counts):
    """One row per source: the sum of its increments, of integers and of doubles."""

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__(owners)
        self.intervals: Intervals = Intervals()

    def record(
        self,
        rows: NDArray[np.intp],
        values: NDArray[Any],
        starts: NDArray[np.uint64],
        times: NDArray[np.uint64],
    ) -> int:
        """Add increments; return how many were refused as too late."""
        fresh, late = self.intervals.choose(rows.tolist(), starts.tolist(), times.tolist())
        rows_fresh, added = rows[fresh], values[fresh]
        if values.dtype.kind == "f" or np.any((added > 2**53) | (added < -(2**53))):
            np.add.at(self.floats, rows_fresh, added)
        else:
            np.add.at(self.ints, rows_fresh, added)
            self._spill(rows_fresh)
        self.present[rows_fresh] = True
        return late

    def _spill(self, rows: NDArray[np.intp]) -> None:
        """Go on in doubles where integers would pass 2^63, as the exposition does anyway."""
        huge = np.unique(rows[np.abs(self.ints[rows]) > 2**62])
        self.floats[huge] += self.ints[huge]
        self.ints[huge] = 0

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, and what was remembered of them."""
        super().close(rows)
        self.intervals.drop(rows)
