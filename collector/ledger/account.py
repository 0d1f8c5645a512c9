"""What sources told, line by line: the other side of the account that the exposition is held to.

A line of the exposition is read off sums; here every row of a source is taken by itself. Sources
and lines are numbers; what they are called does not come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.ledger.columns import NOBODY
from collector.ledger.readout import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.ledger.readout import Share


class Told(NamedTuple):
    """By the number of the line."""

    streams: NDArray[np.int64]
    """How many sources say something."""
    sums: NDArray[np.float64]
    """What they told and what those told that are gone: numbers, and counts of distributions."""


def told(shares: Sequence[Share], size: int) -> Told:
    """Add up source by source for every line numbered below `size`."""
    streams, ints, floats = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size)
    for ledger, lines in shares:
        for sources, series, whole, double in (ledger.contributions(), ledger.counts()):
            at = lines[series]
            shown = at != NOWHERE
            np.add.at(ints, at[shown], whole[shown])
            np.add.at(floats, at[shown], double[shown])
            living = shown & (sources != NOBODY)
            _, firsts = np.unique(sources[living], return_index=True)
            np.add.at(streams, at[living][firsts], 1)
    return Told(streams, ints.astype(np.float64) + floats)
