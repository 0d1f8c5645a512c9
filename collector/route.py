"""Stream -> source -> series: what the rules made of each stream, remembered.

Rules run once per new stream; afterwards its source and its series are two numbers in the roster,
and whoever knows its frame and attributes finds them. Here are the limits on streams, how many are
awake and how long they are. No numbers of points, no time, no exporter and no transport come in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.errors import Reason, RuleConflict, Untranslatable
from collector.extent import check_labels, extent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from collector.extent import Extent
    from collector.model import Attributes, Stream
    from collector.rewriting import Framed, Rewriting, Template
    from collector.roster import Roster

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


class Router:
    """Finds routes, and makes those that the roster does not have.

    `rules` are those of the pipeline; `admit` is told of every series that is to be shown with its
    number and may refuse it.
    """

    def __init__(
        self,
        roster: Roster,
        rules: Rewriting,
        admit: Callable[[int, Stream], None],
        streams_max: int,
    ) -> None:
        self.roster = roster
        """Where the routes are kept."""
        self._rules = rules
        self._admit = admit
        self._streams_max = streams_max

    def routes(self, frame: Stream, asked: Sequence[Attributes]) -> Routes:
        """Return the routes of streams of one frame, in their order."""
        known = self.roster.sources_of(frame)
        sources = np.fromiter(map(known.get, asked, repeat(NOWHERE)), np.intp, len(asked))
        # NOWHERE finds somebody's, too: whose, does not matter.
        asleep = ~self.roster.are_awake(sources)
        unknown = np.flatnonzero((sources == NOWHERE) | asleep).tolist()
        routes = Routes(sources)
        if unknown:
            around = self._around(frame)
            if len(unknown) > 1 and (sources[unknown] == NOWHERE).all():
                unknown = self._at_once(around, asked, unknown, routes)
            self._ask(around, asked, unknown, routes)
        routes.series = self.roster.series_of_all(sources)
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
        numbers = self.roster.series_in(template.frame)
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
        numbers = self.roster.series_in(template.frame)
        found = [numbers.get(one, NOWHERE) for one in left.values()]
        fed = Counter(found)
        chosen = list(left)
        if not chosen or not self.roster.are_shown(fed):
            return chosen
        added = [asked[at] for at in chosen]
        routes.sources[chosen] = self.roster.add_all(around.frame, added, fed, found)
        around.rules.count(template, len(chosen))
        return []

    def _template(self, around: _Around, many: Sequence[Attributes]) -> Template | None:
        """Return what becomes of new streams if it is the same for all, and nothing refuses any."""
        has_room = len(many) <= self._streams_max - self.roster.streams
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
        roster = self.roster
        source = roster.sources_of(around.frame).get(attributes)
        if source is not None and roster.is_awake(source):
            return source
        if roster.streams >= self._streams_max:
            return Reason.STREAM_LIMIT
        try:
            if source is None:
                return self._new(around, attributes)
            self._show(roster.series_of(source))
        except RuleConflict:
            return Reason.CONFLICTING_AGGREGATION
        except Untranslatable as refusal:
            return refusal.reason
        roster.wake(source)
        return source

    def _new(self, around: _Around, attributes: Attributes) -> int | None:
        around.extent.check(attributes)
        left = around.rules(attributes)
        if left is None:
            return None
        number = self.roster.series_in(left[0]).get(left[1])
        if number is None:
            number = self._new_series(*left)
        else:
            self._show(number)
        # It was not refused: now there is a source.
        return self.roster.add(around.frame, attributes, number)

    def _new_series(self, frame: Stream, attributes: Attributes) -> int:
        stream = frame.but(attributes=attributes)
        check_labels(stream)
        self._admit(self.roster.next_series, stream)
        return self.roster.add_series(frame, attributes)

    def _show(self, number: int) -> None:
        """Show a series if it is hidden; raises Untranslatable if it cannot be."""
        if not self.roster.is_shown(number):
            self._admit(number, self.roster.stream(number))
            self.roster.show(number)

    def remember(self, stream: Stream) -> int | None:
        """Return a stream's source, asleep where it is new; None if it has no place now.

        Who sleeps is not among the streams that the limit counts.
        """
        source = self.roster.find(stream)
        if source is None:
            try:
                source = self._new(self._around(stream.frame), stream.attributes)
            except (RuleConflict, Untranslatable):
                return None
            if source is not None:
                self.roster.sleep([source])
        return source

    def inherit(self, stream: Stream) -> int | None:
        """Return the series that a forgotten stream was part of; None if it has no place now."""
        is_new = self.roster.find(stream) is None
        source = self.remember(stream)
        if source is None:
            return None
        if is_new:
            self.roster.forget([source])
        number = self.roster.series_of(source)
        self.roster.bequeath(stream, number)
        return number


class _Around(NamedTuple):
    """What all streams of a frame have to do with."""

    frame: Stream
    rules: Framed
    extent: Extent
