"""Sources and series: who feeds whom, who is awake, and what is shown.

A source stands for a stream, a series for what the rules left of all streams that became equal;
both are numbers. A source is awake or asleep, and a series is shown from its first source that
wakes on. Who sleeps, what is hidden, and for how long that is remembered, others decide. It knows
no rules, no numbers of points, no time and no exporter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from collector.model import Kind, Merge, Temporality
from collector.register import Register

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from collector.model import Attributes, Stream


@dataclass(slots=True)
class Fed:
    """What feeds a series."""

    sources: int = 0
    awake: int = 0
    is_shown: bool = False
    last: Stream | None = None
    """One of the streams that left something to its share."""


class Roster:
    """Gives sources and series their numbers, and knows how they are."""

    def __init__(self) -> None:
        self._sources = Register()
        self._awake = np.zeros(64, np.bool_)
        """By source, as is the next."""
        self._series_of = np.zeros(64, np.int32)
        self._series = Register()
        self._fed: dict[int, Fed] = {}
        self.quiet: set[int] = set()
        """Series that are shown though all their sources are asleep, or forgotten."""
        self.streams = 0
        """How many streams are awake."""
        self.series = 0
        """How many series are shown."""

    @property
    def size(self) -> int:
        """Series are numbered below this."""
        return self._series.size

    @property
    def sources(self) -> int:
        """Sources are numbered below this."""
        return self._sources.size

    @property
    def dormant(self) -> int:
        """How many streams are asleep."""
        return len(self._sources) - self.streams

    @property
    def awake(self) -> NDArray[np.bool_]:
        """Which sources are awake."""
        return self._awake[: self.sources]

    @property
    def asleep(self) -> NDArray[np.bool_]:
        """Which sources are asleep."""
        known = np.ones(self.sources, np.bool_)
        known[self._sources.free] = False
        return known & ~self.awake

    def sources_of(self, frame: Stream) -> Mapping[Attributes, int]:
        """Return the sources of a frame's streams, by their attributes."""
        return self._sources.numbers(frame)

    def find(self, stream: Stream) -> int | None:
        """Return the source of a stream that has one."""
        return self._sources.find(stream)

    def is_awake(self, source: int) -> bool:
        """Whether a source is awake."""
        return bool(self._awake[source])

    def are_awake(self, sources: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of some sources are awake, in their order."""
        return self._awake[sources]

    def series_of(self, source: int) -> int:
        """Return the series of a source."""
        return int(self._series_of[source])

    def series_of_all(self, sources: NDArray[np.intp]) -> NDArray[np.int32]:
        """Return the series of some sources, in their order."""
        return self._series_of[sources]

    def series_in(self, frame: Stream) -> Mapping[Attributes, int]:
        """Return the series of what the rules left of a frame, by attributes."""
        return self._series.numbers(frame)

    @property
    def next_series(self) -> int:
        """The number of the series that comes next."""
        return self._series.next

    def add_series(self, frame: Stream, attributes: Attributes) -> int:
        """Give a number to a series, which is shown from now on."""
        number = self._series.add(frame, attributes)
        self._fed[number] = Fed(is_shown=True)
        self.series += 1
        return number

    def add(self, frame: Stream, attributes: Attributes, series: int) -> int:
        """Give a number to a source, which wakes."""
        source = self._sources.add(frame, attributes)
        self._make_room()
        self._series_of[source] = series
        self._fed[series].sources += 1
        self.wake(source)
        return source

    def add_all(
        self, frame: Stream, many: Sequence[Attributes], series: Mapping[int, int], of: list[int]
    ) -> NDArray[np.intp]:
        """Give numbers to sources of a frame, which wake; `of` has the series of each.

        `series` tells how many of them each series gets.
        """
        sources = np.array(self._sources.add_all(frame, many), np.intp)
        self._make_room()
        self._series_of[sources] = of
        self._awake[sources] = True
        self.streams += len(many)
        for number, count in series.items():
            self._fed[number].sources += count
            self._fed[number].awake += count
        self.quiet.difference_update(series)
        return sources

    def _make_room(self) -> None:
        """Make the arrays as long as there are sources, or longer."""
        if self.sources > len(self._awake):
            more = 2 * self.sources - len(self._awake)
            self._awake = np.append(self._awake, np.zeros(more, np.bool_))
            self._series_of = np.append(self._series_of, np.zeros(more, np.int32))

    def wake(self, source: int) -> None:
        """Note that a source wakes, whose series is shown."""
        number = self.series_of(source)
        fed = self._fed[number]
        if not fed.awake:
            self.quiet.discard(number)
        fed.awake += 1
        self.streams += 1
        self._awake[source] = True

    def sleep(self, sources: Iterable[int]) -> None:
        """Let sources that are awake fall asleep."""
        for source in sources:
            number = self.series_of(source)
            fed = self._fed[number]
            fed.awake -= 1
            self.streams -= 1
            self._awake[source] = False
            if not fed.awake:
                self.quiet.add(number)

    def forget(self, sources: Iterable[int]) -> set[int]:
        """Forget sources that are asleep; return the series that have no other."""
        left = set()
        for source in sources:
            number = self.series_of(source)
            fed = self._fed[number]
            fed.last = self._sources.stream(source)
            self._sources.remove(source)
            fed.sources -= 1
            if not fed.sources:
                left.add(number)
        return left

    def bequeath(self, stream: Stream, number: int) -> None:
        """Note that a stream without a source left something to the share of a series."""
        self._fed[number].last = stream

    def show(self, number: int) -> None:
        """Note that a series is shown again."""
        self._fed[number].is_shown = True
        self.series += 1

    def hide(self, numbers: Iterable[int]) -> None:
        """Note that quiet series are shown no more."""
        for number in numbers:
            self._fed[number].is_shown = False
            self.series -= 1
            self.quiet.discard(number)

    def drop(self, numbers: Collection[int]) -> None:
        """Forget series that are hidden and have no source."""
        for number in numbers:
            del self._fed[number]
            self._series.remove(number)

    def is_shown(self, number: int) -> bool:
        """Whether a series is shown."""
        return self._fed[number].is_shown

    def are_shown(self, numbers: Iterable[int]) -> bool:
        """Whether all of these are series, and shown."""
        return all(number in self._fed and self._fed[number].is_shown for number in numbers)

    def abandoned(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the series that have no source."""
        return [number for number in numbers if not self._fed[number].sources]

    def known(self) -> list[tuple[int, Stream]]:
        """Return every series with its number, those that are hidden last."""
        return sorted(self._series, key=lambda one: not self._fed[one[0]].is_shown)

    def stream(self, number: int) -> Stream:
        """Return a series as a stream."""
        return self._series.stream(number)

    def merge(self, number: int) -> Merge:
        """Return how the sources of a series become one number."""
        return self._series.frame(number).merge or Merge.SUM

    def merges(self, sources: Iterable[int]) -> dict[int, Merge]:
        """Return which of the sources' series are no sums."""
        numbers = set(self._series_of[list(sources)].tolist())
        merges = ((number, self.merge(number)) for number in numbers)
        return {number: merge for number, merge in merges if merge is not Merge.SUM}

    def levels(self, sources: Iterable[int]) -> list[int]:
        """Return those of the sources whose numbers rise and fall: they mean nothing for later."""
        return [source for source in sources if _is_level(self._sources.frame(source))]

    def copied(self) -> tuple[Register, NDArray[np.bool_], dict[int, Stream]]:
        """Return copies: streams by source, who is awake, who left something to which series."""
        heirs = {number: fed.last for number, fed in self._fed.items() if fed.last is not None}
        return self._sources.copied(), self.awake.copy(), heirs


def _is_level(stream: Stream) -> bool:
    """Whether a stream's last number says how things were, not how often something happened."""
    rises_and_falls = stream.kind is Kind.UPDOWN and stream.temporality is Temporality.CUMULATIVE
    return stream.kind is Kind.GAUGE or rises_and_falls
