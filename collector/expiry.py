"""What becomes of the silent: asleep, hidden, remembered, and in the end forgotten.

A source that said nothing for long falls asleep. A gauge is forgotten at once: how it was means
nothing any more. What a counter counted stays in its series, and the source is remembered, so that
it can come back and is not counted twice. A series whose sources all sleep is hidden, unless it is
part of a line that lives. There is room to remember so many sources; beyond, those that have been
silent for longest are forgotten, and what they counted becomes the share of their series. A hidden
series goes with its last source, and its exemplars at once.

It knows no attributes and no clock; `before` is the moment since which nobody was silent for long.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable

    from numpy.typing import NDArray

    from collector.ledger.ledger import Ledger
    from collector.roster import Roster


FORGOTTEN_AT_ONCE = 10_000
"""Some 50 ms of work."""


class Expiry:
    """Decides for one roster and its ledger.

    `leave` is told of all series that are forgotten; `line` names what a series is part of, the
    same for two that are shown as one everywhere.
    """

    def __init__(
        self,
        roster: Roster,
        ledger: Ledger,
        leave: Callable[[Collection[int]], None],
        line: Callable[[int], Hashable],
        remembered_max: int,
    ) -> None:
        self._roster = roster
        self._ledger = ledger
        self._leave = leave
        self._line = line
        self._remembered_max = remembered_max
        self.streams = 0
        """Streams forgotten so far for lack of room."""
        self.series = 0
        """Series forgotten so far with all that was counted in them."""

    def run(self, before: float, living: NDArray[np.bool_], *, pressed: bool) -> None:
        """Let those sleep who were silent since `before`, hide what is not `living`, by series.

        While memory is short (`pressed`) half of what is remembered goes, each time.
        """
        roster, ledger = self._roster, self._ledger
        loud = ledger.loud(before, roster.sources)
        silent = np.flatnonzero(roster.awake & ~loud).tolist()
        roster.sleep(silent)
        self._hide([number for number in roster.quiet if not living[number]])
        self._forget(roster.levels(silent))
        room = min(self._remembered_max, roster.dormant // 2 if pressed else roster.dormant)
        too_many = roster.dormant - room
        # A part at a time, so that nobody waits long, but always more than can come meanwhile.
        count = min(too_many, max(FORGOTTEN_AT_ONCE, too_many // 4))
        if count:
            self.series += self._forget(self._oldest(count))
            self.streams += count
            ledger.freed += 1
        ledger.dormant = roster.dormant
        ledger.freed += bool(silent)

    def _hide(self, numbers: Collection[int]) -> None:
        self._roster.hide(numbers)
        self._ledger.exemplars.drop(numbers)
        self._drop(self._roster.abandoned(numbers))

    def _drop(self, hidden: Collection[int]) -> None:
        if hidden:
            self._leave(hidden)
            self._roster.drop(hidden)
            self._ledger.drop(hidden)

    def _oldest(self, count: int) -> list[int]:
        asleep = np.flatnonzero(self._roster.asleep)
        heard = self._ledger.sources_heard(self._roster.sources)[asleep]
        oldest: list[int] = asleep[np.argpartition(heard, count - 1)[:count]].tolist()
        return oldest

    def _forget(self, sources: Collection[int]) -> int:
        """Forget sources; return how many series went with them."""
        if not sources:
            return 0
        mask = np.zeros(self._roster.sources, np.bool_)
        mask[list(sources)] = True
        merges = self._roster.merges(sources)
        left = self._roster.forget(sources)
        gone = [number for number in left if not self._roster.is_shown(number)]
        self._drop(gone)
        self._ledger.retire(mask, merges)
        self._settle(left.difference(gone))
        return len(gone)

    def _settle(self, left: Iterable[int]) -> None:
        """Decide on series that live on in their lines though all their sources are forgotten."""
        self._hide([number for number in left if not self._ledger.is_heir(number)])
        abandoned = self._roster.abandoned(self._roster.quiet)
        if len(abandoned) > self._remembered_max:
            self._pool(abandoned)

    def _pool(self, abandoned: Iterable[int]) -> None:
        """Put the shares of abandoned series together, line by line: one is enough for each."""
        lines: dict[Hashable, list[int]] = defaultdict(list)
        for number in abandoned:
            lines[self._line(number)].append(number)
        for first, *others in lines.values():
            for other in others:
                self._ledger.pool(other, first, self._roster.merge(first))
            self._hide(others)
