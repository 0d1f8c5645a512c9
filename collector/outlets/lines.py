"""What one exporter makes of series: its lines, which series each is made of, and what they read.

Series come from the ledgers of one or several pipelines. Two of them that an exporter shows alike
are one line, whose number is made of all their sources; so what a pipeline keeps does not depend on
who shows it. How a line looks is known to the exporter's page alone, and numbers to the ledgers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from collector.errors import Reason, Untranslatable
from collector.ledger.account import told
from collector.ledger.readout import NOWHERE, Share, read
from collector.model import Merge
from collector.self_metrics import Sample, counter, gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from collector.ledger.account import Told
    from collector.model import Stream
    from collector.outlets.outlet import Feed
    from collector.reading import Readings

UNTRANSLATABLE = (
    Reason.METRIC_NAME,
    Reason.LABEL_NAME,
    Reason.DUPLICATE_LABEL,
    Reason.TYPE_CONFLICT,
    Reason.NAME_COLLISION,
    Reason.DUPLICATE_SERIES,
)
"""Why a series can have no line."""

Line = TypeVar("Line")
Shown_contra = TypeVar("Shown_contra", contravariant=True)


class Page(Protocol[Shown_contra]):
    """Where an exporter keeps how its lines look."""

    def add(self, number: int, line: Shown_contra, /) -> None:
        """Take in a line; raises Untranslatable where there is no place for it."""

    def remove(self, number: int, /) -> None:
        """Forget a line."""


class Lines(Generic[Line]):
    """The lines of one exporter, and the ledgers whose series they are made of.

    `translate` makes the line of a series and may raise Untranslatable. A line of which nobody
    spoke for `expiration_seconds` leaves the page and is kept: when one of its series is spoken for
    again, it comes back with all of them.
    """

    def __init__(
        self, translate: Callable[[Stream], Line], page: Page[Line], expiration_seconds: float
    ) -> None:
        self.expiration_seconds = expiration_seconds
        self.refused: Counter[Reason] = Counter()
        """Series since the start that had no place here, by reason."""
        self._translate = translate
        self._page = page
        self._numbers: dict[Line, int] = {}
        self._of: dict[int, Line] = {}
        self._series: Counter[int] = Counter()
        """How many series each line is made of."""
        self._merges: dict[int, Merge] = {}
        self._free: list[int] = []
        self._shares: list[Share] = []
        self._told_by: list[frozenset[object]] = []
        self._fed: Counter[tuple[int, int]] = Counter()
        """Where there are several ledgers: how many series of each are in each line."""
        self._alive = np.zeros(1, np.bool_)
        self._on_page = np.zeros(64, np.bool_)
        """By line."""
        self.size = 0
        """Lines are numbered below this."""

    def __len__(self) -> int:
        return int(np.count_nonzero(self._on_page))

    def join(self, feed: Feed) -> int:
        """See `Outlet`, as for all that follows."""
        self._shares.append(Share(feed.ledger, np.full(64, NOWHERE, np.int64)))
        self._told_by.append(frozenset(feed.told_by))
        return len(self._shares) - 1

    def _rivals(self, feeder: int) -> list[int]:
        own = self._told_by[feeder]
        return [at for at, by in enumerate(self._told_by) if at != feeder and own & by]

    def admit(self, feeder: int, series: int, stream: Stream) -> None:
        """Show a series of a ledger from now on; raises Untranslatable where it cannot be."""
        lines = self._lines(feeder, series)
        try:
            if lines[series] != NOWHERE:
                self._show(int(lines[series]))
                return
            number = self._number(feeder, stream)
        except Untranslatable as refusal:
            self.refused[refusal.reason] += 1
            raise
        if stream.merge not in (None, Merge.SUM):
            self._merges[number] = stream.merge
        self._series[number] += 1
        if len(self._shares) > 1:
            self._fed[feeder, number] += 1
        lines[series] = number

    def _lines(self, feeder: int, series: int) -> NDArray[np.int64]:
        """Return the lines of a ledger's series, with room for one of this number."""
        ledger, lines = self._shares[feeder]
        if series >= len(lines):
            lines = np.concatenate([lines, np.full(max(series, len(lines)), NOWHERE, np.int64)])
            self._shares[feeder] = Share(ledger, lines)
        return lines

    def _number(self, feeder: int, stream: Stream) -> int:
        """Return the number of a series' line; raises Untranslatable where it can have none."""
        line = self._translate(stream)
        number = self._numbers.get(line)
        if number is None:
            return self._new(line)
        if any(self._fed[rival, number] for rival in self._rivals(feeder)):
            raise Untranslatable(Reason.DUPLICATE_SERIES)
        self._show(number)
        return number

    def _show(self, number: int) -> None:
        """Put a line on the page; raises Untranslatable if there is no place for it any more."""
        if not self._on_page[number]:
            self._page.add(number, self._of[number])
            self._on_page[number] = True

    def _hide(self, number: int) -> None:
        if self._on_page[number]:
            self._page.remove(number)
            self._on_page[number] = False

    def _new(self, line: Line) -> int:
        number = self._free.pop() if self._free else self.size
        try:
            self._page.add(number, line)
        except Untranslatable:
            if number < self.size:
                self._free.append(number)
            raise
        self.size = max(self.size, number + 1)
        if number == len(self._on_page):
            self._on_page = np.concatenate([self._on_page, np.zeros_like(self._on_page)])
        self._on_page[number] = True
        self._numbers[line] = number
        self._of[number] = line
        return number

    def leave(self, feeder: int, series: Collection[int]) -> None:
        """Forget these series; a line goes with the last of its series."""
        lines = self._shares[feeder].lines
        for one in series:
            number = int(lines[one])
            if number == NOWHERE:
                continue
            lines[one] = NOWHERE
            if len(self._shares) > 1:
                self._fed[feeder, number] -= 1
            self._series[number] -= 1
            if not self._series[number]:
                del self._series[number]
                self._merges.pop(number, None)
                self._hide(number)
                del self._numbers[self._of.pop(number)]
                self._free.append(number)

    def heard(self) -> NDArray[np.float64]:
        """Return when each line was last spoken for, seconds of the clock; -inf for never."""
        heard = np.full(self.size + 1, -np.inf)  # at the end, what is shown nowhere
        for ledger, lines in self._shares:
            np.maximum.at(heard, lines, ledger.heard(len(lines)))
        return heard[:-1]

    def hear(self, now: float) -> None:
        """Look which lines were spoken for of late; the others leave the page."""
        alive = self.heard() >= now - self.expiration_seconds
        self._alive = np.append(alive, np.False_)  # at the end, what is shown nowhere
        on_page = self._on_page[: self.size]
        for number in np.flatnonzero(on_page & ~alive).tolist():
            self._hide(number)
        for number in np.flatnonzero(alive & ~on_page).tolist():
            try:
                self._show(number)
            except Untranslatable as refusal:  # its place was taken
                self.refused[refusal.reason] += 1

    def line(self, feeder: int, series: int) -> int:
        """Return the number of the line that a series is part of, or NOWHERE."""
        return int(self._shares[feeder].lines[series])

    def living(self, feeder: int) -> NDArray[np.bool_]:
        """Return which series of a ledger were, when it was last looked, in a line that lives."""
        return self._alive[self._shares[feeder].lines]

    def self_metrics(self, exporter: str) -> list[Sample]:
        """Return its own numbers; `exporter` is a label of them."""
        refused = [
            counter(
                "portless_exporter_refused_series",
                self.refused[reason],
                "Series that an exporter has no place for.",
                exporter=exporter,
                reason=reason.value,
            )
            for reason in UNTRANSLATABLE
        ]
        lines = gauge("portless_exporter_lines", len(self), "Lines shown.", exporter=exporter)
        return [lines, *refused]

    def read(self, *, times: bool = False) -> Readings:
        """Read every line, with the time of its newest point if that is asked for."""
        return read(self._shown(), self.size, self._merges, times=times)

    def told(self) -> Told:
        """Add up what sources told, line by line."""
        return told(self._shown(), self.size)

    def _shown(self) -> list[Share]:
        on_page = np.append(self._on_page[: self.size], [False])  # at the end, NOWHERE
        return [
            Share(ledger, np.where(on_page[lines], lines, NOWHERE))
            for ledger, lines in self._shares
        ]
