"""Stream -> source -> series: what the rules made of each stream, remembered.

Rules run once per new stream; afterwards its source and its series are two numbers, and whoever
knows its frame and attributes finds them. A series is
what the rules left of all streams that became equal. A source is awake or asleep, and a series is
shown from its first source that wakes on; who sleeps, what is hidden, and for how long that is
remembered, others decide. Here are the limits on streams, how many are awake and how long they are.
No numbers of points, no time, no exporter and no transport come in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.errors import Reason, RuleConflict, Untranslatable
from collector.extent import check_labels, extent
from collector.model import Kind, Merge, Temporality
from collector.register import Register

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from collector.extent import Extent
    from collector.model import Attributes, Stream
    from collector.rewriting import Framed, Rewriting, Template

NOWHERE = -1
"""The source of a stream that has none."""


@dataclass
class Routes:
    """Where the numbers of some streams go."""

    sources: NDArray[np.intp]
    """One per stream, or NOWHERE."""
    refused: Counter[Reason] = field(default_factory=Counter)
    """How many of those are refused, by reason."""
    dropped: int = 0
    """How many of those a rule dropped."""
    series: NDArray[np.int32] = field(init=False)
    """Those of the sources."""


@dataclass(slots=True)
class Fed:
    """What feeds a series."""

    sources: int = 0
    awake: int = 0
    is_shown: bool = False
    last: Stream | None = None
    """One of the streams that left something to its share."""


class Router:
    """Remembers routes; gives sources and series their numbers.

    `rules` are those of the pipeline; `admit` is told of every series that is to be shown with its
    number and may refuse it.
    """

    def __init__(
        self,
        rules: Rewriting,
        admit: Callable[[int, Stream], None],
        streams_max: int,
    ) -> None:
        self._rules = rules
        self._admit = admit
        self._streams_max = streams_max
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

    def routes(self, frame: Stream, asked: Sequence[Attributes]) -> Routes:
        """Return the routes of streams of one frame, in their order."""
        known = self._sources.numbers(frame)
        sources = np.fromiter(map(known.get, asked, repeat(NOWHERE)), np.intp, len(asked))
        # NOWHERE finds somebody's, too: whose, does not matter.
        unknown = np.flatnonzero((sources == NOWHERE) | ~self._awake[sources]).tolist()
        routes = Routes(sources)
        if unknown:
            around = self._around(frame)
            if len(unknown) > 1 and (sources[unknown] == NOWHERE).all():
                unknown = self._at_once(around, asked, unknown, routes)
            self._ask(around, asked, unknown, routes)
        routes.series = self._series_of[sources]
        return routes

    def _ask(
        self, around: _Around, asked: Sequence[Attributes], which: Iterable[int], routes: Routes
    ) -> None:
        """Find the routes of some of the streams one by one."""
        for at in which:
            found = self._route(around, asked[at])
            if isinstance(found, Reason):
                routes.refused[found] += 1
            elif found is None:
                routes.dropped += 1
            else:
                routes.sources[at] = found

    def _at_once(
        self, around: _Around, asked: Sequence[Attributes], new: list[int], routes: Routes
    ) -> list[int]:
        """Take in new streams together if the same becomes of all; return those that are left."""
        many = [asked[at] for at in new]
        template = self._template(around, many)
        if template is None or template.frame is None:
            return new
        left = dict(zip(new, map(template.fill, many)))
        numbers = self._series.numbers(template.frame)
        first: dict[Attributes, int] = {}
        for at, one in left.items():
            if one not in numbers:
                first.setdefault(one, at)
        for one, at in first.items():
            try:
                self._new_series(template.frame, one)
            except Untranslatable as refusal:
                routes.refused[refusal.reason] += 1
                around.rules.count(template, 1)
                del left[at]
        numbers = self._series.numbers(template.frame)
        found = [numbers.get(one, NOWHERE) for one in left.values()]
        fed = Counter(found)
        if not all(number in self._fed and self._fed[number].is_shown for number in fed):
            return list(left)
        if not left:
            return []
        chosen = list(left)
        numbers_of = self._sources.add_all(around.frame, [asked[at] for at in chosen])
        sources = np.array(numbers_of, np.intp)
        self._make_room()
        self._series_of[sources] = found
        self._awake[sources] = True
        self.streams += len(chosen)
        for number, count in fed.items():
            self._fed[number].sources += count
            self._fed[number].awake += count
        self.quiet.difference_update(fed)
        around.rules.count(template, len(chosen))
        routes.sources[chosen] = sources
        return []

    def _template(self, around: _Around, many: Sequence[Attributes]) -> Template | None:
        """Return what becomes of new streams if it is the same for all, and nothing refuses any."""
        has_room = len(many) <= self._streams_max - self.streams
        if not has_room or len(set(many)) < len(many) or not around.extent.takes(many):
            return None
        try:
            return around.rules.alike(many)
        except (RuleConflict, Untranslatable):
            return None

    def route(self, stream: Stream) -> int | Reason | None:
        """Return a stream's source, the reason why it has none, or None if a rule dropped it."""
        return self._route(self._around(stream.frame), stream.attributes)

    def _around(self, frame: Stream) -> _Around:
        return _Around(frame, self._rules.of(frame), extent(frame))

    def _route(self, around: _Around, attributes: Attributes) -> int | Reason | None:
        source = self._sources.numbers(around.frame).get(attributes)
        if source is not None and self._awake[source]:
            return source
        if self.streams >= self._streams_max:
            return Reason.STREAM_LIMIT
        try:
            if source is None:
                return self._new(around, attributes)
            number = self.series_of(source)
            fed = self._fed[number]
            if not fed.is_shown:
                self._show(number, fed)
            self._wake(source, number, fed)
        except RuleConflict:
            return Reason.CONFLICTING_AGGREGATION
        except Untranslatable as refusal:
            return refusal.reason
        return source

    def _new(self, around: _Around, attributes: Attributes) -> int | None:
        around.extent.check(attributes)
        left = around.rules(attributes)
        if left is None:
            return None
        number = self._series.numbers(left[0]).get(left[1])
        if number is None:
            number = self._new_series(*left)
        fed = self._fed[number]
        if not fed.is_shown:
            self._show(number, fed)
        # It was not refused: now the numbers are taken.
        source = self._sources.add(around.frame, attributes)
        self._make_room()
        self._series_of[source] = number
        fed.sources += 1
        self._wake(source, number, fed)
        return source

    def _make_room(self) -> None:
        """Make the arrays as long as there are sources, or longer."""
        if self.sources > len(self._awake):
            more = 2 * self.sources - len(self._awake)
            self._awake = np.append(self._awake, np.zeros(more, np.bool_))
            self._series_of = np.append(self._series_of, np.zeros(more, np.int32))

    def _new_series(self, frame: Stream, attributes: Attributes) -> int:
        stream = frame.but(attributes=attributes)
        check_labels(stream)
        self._admit(self._series.next, stream)
        number = self._series.add(frame, attributes)
        self._fed[number] = Fed(is_shown=True)
        self.series += 1
        return number

    def _show(self, number: int, fed: Fed) -> None:
        """Show a series again; raises Untranslatable if it cannot be."""
        self._admit(number, self._series.stream(number))
        fed.is_shown = True
        self.series += 1

    def _wake(self, source: int, number: int, fed: Fed) -> None:
        """Count a source as awake, whose series is shown."""
        if not fed.awake:
            self.quiet.discard(number)
        fed.awake += 1
        self.streams += 1
        self._awake[source] = True

    def series_of(self, source: int) -> int:
        """Return the series of a source."""
        return int(self._series_of[source])

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

    def find(self, stream: Stream) -> int | None:
        """Return the source of a stream that has one, and wake nobody."""
        return self._sources.find(stream)

    def inherit(self, stream: Stream) -> int | None:
        """Return the series that a forgotten stream was part of; None if it has no place now."""
        source = self._sources.find(stream)
        if source is None:
            try:
                source = self._new(self._around(stream.frame), stream.attributes)
            except (RuleConflict, Untranslatable):
                return None
            if source is None:
                return None
            self.sleep([source])
            self.forget([source])
        number = self.series_of(source)
        self._fed[number].last = stream
        return number

    def copied(self) -> tuple[Register, NDArray[np.bool_], dict[int, Stream]]:
        """Return copies: streams by source, who is awake, who left something to which series."""
        heirs = {number: fed.last for number, fed in self._fed.items() if fed.last is not None}
        return self._sources.copied(), self.awake.copy(), heirs

    def levels(self, sources: Iterable[int]) -> list[int]:
        """Return those of the sources whose numbers rise and fall: they mean nothing for later."""
        return [source for source in sources if _is_level(self._sources.frame(source))]

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

    def merges(self, sources: Iterable[int]) -> dict[int, Merge]:
        """Return which of the sources' series are no sums."""
        numbers = set(self._series_of[list(sources)].tolist())
        merges = ((number, self.merge(number)) for number in numbers)
        return {number: merge for number, merge in merges if merge is not Merge.SUM}

    def merge(self, number: int) -> Merge:
        """Return how the sources of a series become one number."""
        return self._series.frame(number).merge or Merge.SUM

    def hide(self, numbers: Iterable[int]) -> None:
        """Note that quiet series are shown no more."""
        for number in numbers:
            self._fed[number].is_shown = False
            self.series -= 1
            self.quiet.discard(number)

    def known(self) -> list[tuple[int, Stream]]:
        """Return every series with its number, those that are hidden last."""
        return sorted(self._series, key=lambda one: not self._fed[one[0]].is_shown)

    def is_shown(self, number: int) -> bool:
        """Whether a series is shown."""
        return self._fed[number].is_shown

    def abandoned(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the series that have no source."""
        return [number for number in numbers if not self._fed[number].sources]

    def drop(self, numbers: Collection[int]) -> None:
        """Forget series that are hidden and have no source."""
        for number in numbers:
            del self._fed[number]
            self._series.remove(number)


class _Around(NamedTuple):
    """What all streams of a frame have to do with."""

    frame: Stream
    rules: Framed
    extent: Extent


def _is_level(stream: Stream) -> bool:
    """Whether a stream's last number says how things were, not how often something happened."""
    rises_and_falls = stream.kind is Kind.UPDOWN and stream.temporality is Temporality.CUMULATIVE
    return stream.kind is Kind.GAUGE or rises_and_falls
