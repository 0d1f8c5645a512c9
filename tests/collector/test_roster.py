"""The roster against a plain list of who there is: whatever happens, in whatever order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from collector.model import Kind, Merge, Scope, Stream, Temporality
from collector.roster import Roster

if TYPE_CHECKING:
    from collector.model import Attributes

FRAMES = tuple(
    Stream((), Scope(), name, "", kind, temporality, (), merge=merge)
    for name, kind, temporality, merge in (
        ("a", Kind.COUNTER, Temporality.CUMULATIVE, None),
        ("b", Kind.UPDOWN, Temporality.CUMULATIVE, Merge.MAX),
        ("c", Kind.UPDOWN, Temporality.DELTA, None),
        ("d", Kind.GAUGE, Temporality.NONE, Merge.MEAN),
    )
)
LEVELS = {"b", "d"}
frames = st.sampled_from(FRAMES)


def named(number: int) -> Attributes:
    """Attributes of their own."""
    return (("key", str(number)),)


class Whoever(RuleBasedStateMachine):
    """Sources come, sleep, wake and go, one by one and together, and so do series."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.sources: dict[int, tuple[Stream, Attributes, int]] = {}
        """By source: what it stands for, and its series."""
        self.awake: set[int] = set()
        self.series: dict[int, tuple[Stream, Attributes]] = {}
        self.shown: set[int] = set()
        self.quiet: set[int] = set()
        self.heirs: dict[int, Stream] = {}
        self.made = 0

    def new(self) -> Attributes:
        """Attributes that nobody has had."""
        self.made += 1
        return named(self.made)

    def choose(self, data: st.DataObject, among: set[int]) -> list[int]:
        """Some of these."""
        return sorted(data.draw(st.sets(st.sampled_from(sorted(among)), min_size=1)))

    @rule(frame=frames, many=st.integers(1, 90))
    def a_series_with_sources(self, frame: Stream, many: int) -> None:
        """One is added, the others join together."""
        attributes = self.new()
        expected = self.roster.next_series
        number = self.roster.add_series(frame, attributes)
        assert number == expected
        self.series[number] = frame, attributes
        self.shown.add(number)
        self.join(frame, number)
        if many > 1:
            self.join_together(frame, [number] * (many - 1))

    @precondition(lambda self: self.shown)
    @rule(data=st.data(), frame=frames)
    def sources_join(self, data: st.DataObject, frame: Stream) -> None:
        """Streams that are new become part of series that are shown."""
        of = data.draw(st.lists(st.sampled_from(sorted(self.shown)), min_size=1, max_size=5))
        self.join(frame, of[0])
        self.join_together(frame, of)

    def join(self, frame: Stream, series: int) -> None:
        """One source more."""
        attributes = self.new()
        source = self.roster.add(frame, attributes, series)
        self.joined(frame, [source], [attributes], [series])

    def join_together(self, frame: Stream, of: list[int]) -> None:
        """Several at once."""
        many = [self.new() for _ in of]
        sources = self.roster.add_all(frame, many, Counter(of), of).tolist()
        self.joined(frame, sources, many, of)

    def joined(
        self, frame: Stream, sources: list[int], many: list[Attributes], of: list[int]
    ) -> None:
        """Note it here as well."""
        assert not set(sources) & set(self.sources)
        for source, attributes, series in zip(sources, many, of):
            self.sources[source] = frame, attributes, series
            self.quiet.discard(series)
        self.awake.update(sources)

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def sources_fall_asleep(self, data: st.DataObject) -> None:
        """A series is quiet once the last one sleeps."""
        chosen = self.choose(data, self.awake)
        self.roster.sleep(chosen)
        self.awake.difference_update(chosen)
        woken = {self.sources[source][2] for source in self.awake}
        self.quiet |= {self.sources[source][2] for source in chosen} - woken

    @precondition(lambda self: self.asleep())
    @rule(data=st.data())
    def a_source_wakes(self, data: st.DataObject) -> None:
        """Its series is shown before."""
        source = data.draw(st.sampled_from(sorted(self.asleep())))
        series = self.sources[source][2]
        if series not in self.shown:
            self.roster.show(series)
            self.shown.add(series)
        self.roster.wake(source)
        self.awake.add(source)
        self.quiet.discard(series)

    @precondition(lambda self: self.asleep())
    @rule(data=st.data())
    def sources_are_forgotten(self, data: st.DataObject) -> None:
        """Only who sleeps; told is which series have no other."""
        chosen = self.choose(data, self.asleep())
        assert self.roster.levels(chosen) == [
            source for source in chosen if self.sources[source][0].name in LEVELS
        ]
        left = set()
        for source in chosen:
            frame, attributes, series = self.sources.pop(source)
            self.heirs[series] = frame.but(attributes=attributes)
            left.add(series)
        has = {series for _, _, series in self.sources.values()}
        assert self.roster.forget(chosen) == left - has

    @precondition(lambda self: self.quiet)
    @rule(data=st.data())
    def series_are_hidden(self, data: st.DataObject) -> None:
        """Only quiet ones."""
        chosen = self.choose(data, self.quiet)
        self.roster.hide(chosen)
        self.shown.difference_update(chosen)
        self.quiet.difference_update(chosen)

    @precondition(lambda self: self.lost())
    @rule(data=st.data())
    def series_are_dropped(self, data: st.DataObject) -> None:
        """Only hidden ones without a source."""
        chosen = self.choose(data, self.lost())
        self.roster.drop(chosen)
        for number in chosen:
            del self.series[number]
            self.heirs.pop(number, None)

    def asleep(self) -> set[int]:
        """The sources that sleep."""
        return set(self.sources) - self.awake

    def lost(self) -> set[int]:
        """Series that are hidden and have no source."""
        return set(self.series) - self.shown - {series for _, _, series in self.sources.values()}

    @invariant()
    def they_agree(self) -> None:
        """On everything that can be asked."""
        roster = self.roster
        counts = (roster.streams, roster.dormant, roster.series)
        assert counts == (len(self.awake), len(self.asleep()), len(self.shown))
        assert set(np.flatnonzero(roster.awake)) == self.awake
        assert set(np.flatnonzero(roster.asleep)) == self.asleep()
        assert roster.quiet == self.quiet
        assert dict(roster.known()) == {
            number: frame.but(attributes=attributes)
            for number, (frame, attributes) in self.series.items()
        }
        order = [roster.is_shown(number) for number, _ in roster.known()]
        assert order == sorted(order, reverse=True)
        assert {number for number in self.series if roster.is_shown(number)} == self.shown
        assert roster.are_shown(self.shown)
        for hidden in {-1, *self.series} - self.shown:
            assert not roster.are_shown([*self.shown, hidden])
        assert set(roster.abandoned(self.series)) == set(self.series) - {
            series for _, _, series in self.sources.values()
        }

    @invariant()
    def each_is_found(self) -> None:
        """By what it stands for, and by its number."""
        roster, every = self.roster, np.array(list(self.sources), np.intp)
        assert roster.size > max(self.series, default=-1)
        assert roster.sources > max(self.sources, default=-1)
        assert roster.series_of_all(every).tolist() == [one[2] for one in self.sources.values()]
        assert roster.are_awake(every).tolist() == [one in self.awake for one in self.sources]
        for source, (frame, attributes, series) in self.sources.items():
            assert roster.sources_of(frame)[attributes] == source
            assert roster.find(frame.but(attributes=attributes)) == source
            assert roster.series_of(source) == series
            assert roster.is_awake(source) == (source in self.awake)
        for number, (frame, attributes) in self.series.items():
            assert roster.series_in(frame)[attributes] == number
            assert roster.stream(number) == frame.but(attributes=attributes)
            assert roster.merge(number) is (frame.merge or Merge.SUM)
        assert roster.merges(self.sources) == {
            number: merge
            for number in {one[2] for one in self.sources.values()}
            if (merge := self.series[number][0].merge) not in {None, Merge.SUM}
        }

    @invariant()
    def a_copy_says_the_same(self) -> None:
        """Of who there is and of what was left, as it was at that moment."""
        streams, awake, heirs = self.roster.copied()
        for source, (frame, attributes, _) in self.sources.items():
            assert streams.stream(source) == frame.but(attributes=attributes)
        assert set(np.flatnonzero(awake)) == self.awake
        assert heirs == self.heirs


TestRoster = Whoever.TestCase
TestRoster.settings = settings(max_examples=60, stateful_step_count=25)


def test_series_that_are_shown_again_count_again() -> None:
    """Each by one, whatever was shown before."""
    roster = Roster()
    series = [roster.add_series(FRAMES[0], named(number)) for number in range(3)]
    sources = [roster.add(FRAMES[0], named(number), number) for number in series]
    roster.sleep(sources)
    roster.hide(series)
    counts = [roster.series]
    for number, source in zip(series, sources):
        roster.show(number)
        roster.wake(source)
        counts.append(roster.series)
    assert counts == [0, 1, 2, 3]
