"""Summaries: count and sum as of all distributions, and what each source told of its quantiles.

Quantiles of several sources cannot be made one: no arithmetic on them is true. So a series has some
only while one source alone feeds it, and then those of the source's newest life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.ledger.columns import BIN, Rows, each_of
from collector.ledger.distributions import Chosen, Distributions
from collector.reading import SummaryReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from collector.ledger.columns import Mask
    from collector.ledger.owners import Owners
    from collector.reading import Reading


Quantiles = tuple[tuple[float, ...], list[float]]
"""Quantiles, and their values."""
UNTOLD: Quantiles = ((), [])


class Summaries(Distributions):
    """One row per source and life; summaries are always cumulative."""

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__(owners)
        self.told_by_row: dict[int, Quantiles] = {}
        """By row."""

    def _put(self, rows: Rows, reading: Reading, chosen: Chosen) -> None:
        if reading.quantiles is None:
            raise TypeError("a reading without quantiles is no summary")
        for row, values in zip(each_of(rows), reading.quantiles[chosen].tolist()):
            if row != BIN:
                self.told_by_row[row] = reading.bounds, values

    def _add(self, rows: NDArray[np.intp], reading: Reading, chosen: Chosen) -> None:  # noqa: ARG002
        raise TypeError("quantiles cannot be added")

    def carry(self, old: int, new: int) -> None:
        """Make the life in row `old` part of the base of row `new`, and start `old` at 0."""
        super().carry(old, new)
        self.told_by_row.pop(old, None)

    def close(self, rows: Sequence[int]) -> None:
        """Give rows back, and what was remembered of them."""
        super().close(rows)
        for row in rows:
            self.told_by_row.pop(row, None)

    def copied(self) -> Self:
        """Return a copy to read from, which stays as it is."""
        twin = super().copied()
        twin.told_by_row = dict(self.told_by_row)
        return twin

    def by_series(self, shown: Mask) -> Iterator[tuple[int, SummaryReading]]:
        """Yield what each series that is shown reads."""
        fed = self.groups().fed()
        counts, sums = self.totals()
        for (number, own), count, total in zip(fed, counts.tolist(), sums.tolist()):
            if not shown[number]:
                continue
            quantiles: list[tuple[float, float]] = []
            if len({int(self.sources[row]) for row in own}) == 1:
                newest = max(own, key=lambda row: int(self.starts[row]))
                quantiles = list(zip(*self.told_by_row.get(newest, UNTOLD)))
            yield number, SummaryReading(quantiles, count, total)
