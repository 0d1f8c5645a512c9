"""Stream -> source -> series: what the rules made of each stream, remembered.

Rules run once per new stream; afterwards its source and its series are two numbers. A series is
what the rules left of all streams that became equal. A source is awake or asleep, and a series is
shown from its first source that wakes on; who sleeps, what is hidden, and for how long that is
remembered, others decide. Here are the limits on streams, how many are awake and how long they are.
No numbers of points, no time, no exporter and no transport come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.errors import Reason, RuleConflict, Untranslatable
from collector.extent import check_labels, check_stream
from collector.model import Kind, Merge, Temporality

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from collector.model import Stream


class Route(NamedTuple):
    """Where a stream's numbers go."""

    source: int
    series: int


@dataclass
class Fed:
    """A series, and how many sources it has."""

    stream: Stream
    """What the rules left of them."""
    sources: int = 0
    awake: int = 0
    is_shown: bool = False
    last: Stream | None = None
    """One of the streams that left something to its share."""


class Router:
    """Remembers routes; gives sources and series their numbers.

    `rewrite` is the pipeline's rules (None: dropped by one of them); `admit` is told of every
    series that is to be shown with its number and may refuse it.
    """

    def __init__(
        self,
        rewrite: Callable[[Stream], Stream | None],
        admit: Callable[[int, Stream], None],
        streams_max: int,
    ) -> None:
        self._rewrite = rewrite
        self._admit = admit
        self._streams_max = streams_max
        self._routes: dict[Stream, Route] = {}
        self._streams: list[Stream | None] = []
        """By source; None where the number is free."""
        self._awake = np.zeros(64, np.bool_)
        """By source."""
        self._free_sources: list[int] = []
        self._numbers: dict[Stream, int] = {}
        self._fed: dict[int, Fed] = {}
        self._free: list[int] = []
        self.quiet: set[int] = set()
        """Series that are shown though all their sources are asleep, or forgotten."""
        self.streams = 0
        """How many streams are awake."""
        self.slept = 0
        """How often sources fell asleep: one that is asleep has to be asked for by its stream."""
        self.series = 0
        """How many series are shown."""
        self.size = 0
        """Series are numbered below this."""

    @property
    def sources(self) -> int:
        """Sources are numbered below this."""
        return len(self._streams)

    @property
    def dormant(self) -> int:
        """How many streams are asleep."""
        return len(self._routes) - self.streams

    @property
    def awake(self) -> NDArray[np.bool_]:
        """Which sources are awake."""
        return self._awake[: self.sources]

    @property
    def asleep(self) -> NDArray[np.bool_]:
        """Which sources are asleep."""
        known = np.ones(self.sources, np.bool_)
        known[self._free_sources] = False
        return known & ~self.awake

    def route(self, stream: Stream) -> Route | Reason | None:
        """Return the stream's route, the reason why it has none, or None if a rule dropped it."""
        route = self._routes.get(stream)
        if route is not None and self._awake[route.source]:
            return route
        if self.streams >= self._streams_max:
            return Reason.STREAM_LIMIT
        try:
            if route is None:
                return self._new(stream)
            self._wake(route, self._fed[route.series])
        except RuleConflict:
            return Reason.CONFLICTING_AGGREGATION
        except Untranslatable as refusal:
            return refusal.reason
        return route

    def _new(self, stream: Stream) -> Route | None:
        check_stream(stream)
        rewritten = self._rewrite(stream)
        if rewritten is None:
            return None
        check_labels(rewritten)
        known = self._numbers.get(rewritten)
        fed = Fed(rewritten) if known is None else self._fed[known]
        number = known
        if number is None:
            number = self._free[-1] if self._free else self.size
        route = Route(self._free_sources[-1] if self._free_sources else self.sources, number)
        if route.source == len(self._awake):
            self._awake = np.concatenate([self._awake, np.zeros_like(self._awake)])
        self._wake(route, fed)
        # It was not refused: now the numbers are taken.
        if known is None:
            self._numbers[rewritten] = number
            self._fed[number] = fed
            if self._free:
                self._free.pop()
            self.size = max(self.size, number + 1)
        fed.sources += 1
        if self._free_sources:
            self._streams[self._free_sources.pop()] = stream
        else:
            self._streams.append(stream)
        self._routes[stream] = route
        return route

    def _wake(self, route: Route, fed: Fed) -> None:
        """Count a source as awake; raises Untranslatable if its series cannot be shown (again)."""
        if not fed.is_shown:
            self._admit(route.series, fed.stream)
            fed.is_shown = True
            self.series += 1
        self.quiet.discard(route.series)
        fed.awake += 1
        self.streams += 1
        self._awake[route.source] = True

    def sleep(self, sources: Iterable[int]) -> None:
        """Let sources that are awake fall asleep."""
        for source in sources:
            self.slept += 1
            number = self._routes[self._stream_of(source)].series
            fed = self._fed[number]
            fed.awake -= 1
            self.streams -= 1
            self._awake[source] = False
            if not fed.awake:
                self.quiet.add(number)

    def find(self, stream: Stream) -> Route | None:
        """Return the route of a stream that has one, and wake nobody."""
        return self._routes.get(stream)

    def inherit(self, stream: Stream) -> int | None:
        """Return the series that a forgotten stream was part of; None if it has no place now."""
        route = self._routes.get(stream)
        if route is None:
            try:
                route = self._new(stream)
            except (RuleConflict, Untranslatable):
                return None
            if route is None:
                return None
            self.sleep([route.source])
            self.forget([route.source])
        self._fed[route.series].last = stream
        return route.series

    def copied(self) -> tuple[list[Stream | None], NDArray[np.bool_], dict[int, Stream]]:
        """Return copies: streams by source, who is awake, who left something to which series."""
        heirs = {number: fed.last for number, fed in self._fed.items() if fed.last is not None}
        return list(self._streams), self.awake.copy(), heirs

    def levels(self, sources: Iterable[int]) -> list[int]:
        """Return those of the sources whose numbers rise and fall: they mean nothing for later."""
        return [source for source in sources if _is_level(self._stream_of(source))]

    def forget(self, sources: Iterable[int]) -> set[int]:
        """Forget sources that are asleep; return the series that have no other."""
        left = set()
        for source in sources:
            number = self._routes.pop(self._stream_of(source)).series
            fed = self._fed[number]
            fed.last, self._streams[source] = self._streams[source], None
            self._free_sources.append(source)
            fed.sources -= 1
            if not fed.sources:
                left.add(number)
        return left

    def merges(self, sources: Iterable[int]) -> dict[int, Merge]:
        """Return which of the sources' series are no sums."""
        numbers = {self._routes[self._stream_of(source)].series for source in sources}
        merges = ((number, self.merge(number)) for number in numbers)
        return {number: merge for number, merge in merges if merge is not Merge.SUM}

    def merge(self, number: int) -> Merge:
        """Return how the sources of a series become one number."""
        return self._fed[number].stream.merge or Merge.SUM

    def hide(self, numbers: Iterable[int]) -> None:
        """Note that quiet series are shown no more."""
        for number in numbers:
            self._fed[number].is_shown = False
            self.series -= 1
            self.quiet.discard(number)

    def known(self) -> list[tuple[int, Stream]]:
        """Return every series with its number, those that are hidden last."""
        every = sorted(self._fed.items(), key=lambda one: not one[1].is_shown)
        return [(number, fed.stream) for number, fed in every]

    def is_shown(self, number: int) -> bool:
        """Whether a series is shown."""
        return self._fed[number].is_shown

    def abandoned(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the series that have no source."""
        return [number for number in numbers if not self._fed[number].sources]

    def drop(self, numbers: Collection[int]) -> None:
        """Forget series that are hidden and have no source."""
        for number in numbers:
            del self._numbers[self._fed.pop(number).stream]
            self._free.append(number)

    def _stream_of(self, source: int) -> Stream:
        stream = self._streams[source]
        if stream is None:
            raise LookupError(source)
        return stream


def _is_level(stream: Stream) -> bool:
    """Whether a stream's last number says how things were, not how often something happened."""
    rises_and_falls = stream.kind is Kind.UPDOWN and stream.temporality is Temporality.CUMULATIVE
    return stream.kind is Kind.GAUGE or rises_and_falls
