"""Stream -> source -> series: what the rules made of each stream, remembered.

Rules run once per new stream; afterwards its source and its series are two numbers. A series is
what the rules left of all streams that became equal. Here is the limit on streams. No numbers of
points, no time, no exporter and no transport come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collector.errors import Reason, RuleConflict, Untranslatable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from collector.model import Stream


class Route(NamedTuple):
    """Where a stream's numbers go."""

    source: int
    series: int


class Router:
    """Remembers routes; gives sources and series their numbers.

    `rewrite` is the pipeline's rules (None: dropped by one of them); `admit` is told of every new
    series with its number and may refuse it.
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
        self._numbers: dict[Stream, int] = {}
        self._series: dict[int, tuple[Stream, list[Stream]]] = {}
        self._free: list[int] = []
        self._sources = 0
        self.size = 0
        """Series are numbered below this."""

    @property
    def streams(self) -> int:
        """How many streams have a route."""
        return len(self._routes)

    @property
    def series(self) -> int:
        """How many series are alive."""
        return len(self._series)

    def route(self, stream: Stream) -> Route | Reason | None:
        """Return the stream's route, the reason why it has none, or None if a rule dropped it."""
        found = self._routes.get(stream)
        if found is not None:
            return found
        if len(self._routes) >= self._streams_max:
            return Reason.STREAM_LIMIT
        try:
            rewritten = self._rewrite(stream)
            if rewritten is None:
                return None
            number = self._number(rewritten)
        except RuleConflict:
            return Reason.CONFLICTING_AGGREGATION
        except Untranslatable as refusal:
            return refusal.reason
        self._sources += 1
        self._routes[stream] = route = Route(self._sources, number)
        self._series[number][1].append(stream)
        return route

    def _number(self, series: Stream) -> int:
        number = self._numbers.get(series)
        if number is None:
            number = self._free.pop() if self._free else self.size
            try:
                self._admit(number, series)
            except Untranslatable:
                if number < self.size:
                    self._free.append(number)
                raise
            self.size = max(self.size, number + 1)
            self._numbers[series] = number
            self._series[number] = series, []
        return number

    def living(self) -> list[tuple[int, Stream]]:
        """Return every series with its number."""
        return [(number, series) for number, (series, _) in self._series.items()]

    def drop(self, numbers: Collection[int]) -> None:
        """Forget series and the routes that lead to them."""
        for number in numbers:
            series, streams = self._series.pop(number)
            del self._numbers[series]
            for stream in streams:
                del self._routes[stream]
            self._free.append(number)
