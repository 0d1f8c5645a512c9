"""`metrics_transform` keeps a label set and says how the streams that become equal meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.errors import ConfigError, RuleConflict
from collector.model import Kind, Merge, Stream
from collector.processors import metrics_transform
from tests.collector.configured import processor
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collector.rule import Rewrite

MAX, MIN, SUM = Merge.MAX, Merge.MIN, Merge.SUM


def transform(include: str, *operations: tuple[str, str], match_type: str = "regexp") -> str:
    """Return one transform as YAML; an operation is an aggregation and its labels."""
    written = ", ".join(
        f"{{action: aggregate_labels, aggregation_type: {merge}, label_set: [{labels}]}}"
        for merge, labels in operations
    )
    return (
        f"{{include: '{include}', match_type: {match_type}, action: update, "
        f"operations: [{written}]}}"
    )


def rule(*transforms: str) -> Rewrite:
    """Return the rule that a list of transforms means."""
    text = f"transforms: [{', '.join(transforms)}]"
    rewrite = processor(metrics_transform.read, text).rewrite
    assert rewrite is not None
    return rewrite


ABC = stream("x.age", "a=1 b=2 c=3", resource="c=3", scope="c=3", kind=Kind.GAUGE)


def left(attributes: str, merge: Merge | None) -> Stream:
    """Return what is left of ABC: resource and scope are not this processor's."""
    return stream("x.age", attributes, resource="c=3", scope="c=3", kind=Kind.GAUGE, merge=merge)


CASES = [
    # One rule.
    ([transform(".*", ("sum", "a, b"))], left("a=1 b=2", SUM)),
    ([transform(".*", ("max", "a"))], left("a=1", MAX)),
    ([transform(".*", ("min", "d"))], left("", MIN)),
    ([transform(".*", ("sum", ""))], left("", SUM)),
    # A rule that matches decides how streams meet, even if it takes nothing from this one.
    ([transform(".*", ("max", "a, b, c"))], left("a=1 b=2 c=3", MAX)),
    # Names.
    ([transform("x.age", ("sum", "a"), match_type="strict")], left("a=1", SUM)),
    ([transform("x.ag", ("sum", "a"), match_type="strict")], ABC),
    ([transform("x.ag.", ("sum", "a"), match_type="strict")], ABC),
    ([transform("ag", ("sum", "a"))], left("a=1", SUM)),
    ([transform(r"\.(age|lag)$$", ("max", "a"))], left("a=1", MAX)),
    ([transform("^age", ("max", "a"))], ABC),
    # Several: the first that matches decides.
    ([transform("age", ("max", "a")), transform(".*", ("sum", "a"))], left("a=1", MAX)),
    ([transform("lag", ("max", "a")), transform(".*", ("sum", "a"))], left("a=1", SUM)),
    ([transform("age", ("max", "a")), transform(".*", ("sum", "a, b"))], left("a=1", MAX)),
    # The same aggregation may go on.
    ([transform("age", ("max", "a, b")), transform(".*", ("max", "a"))], left("a=1", MAX)),
    ([transform(".*", ("sum", "a, b"), ("sum", "b"))], left("b=2", SUM)),
    # Nothing to do.
    (["{include: x.age, action: update}"], ABC),
    ([transform(".*")], ABC),
    ([], ABC),
]


@pytest.mark.parametrize(("transforms", "after"), CASES)
def test_labels_are_kept_and_the_merge_is_set(transforms: list[str], after: Stream) -> None:
    """Rules run in the order of the file, each on what the one before it left."""
    assert rule(*transforms)(ABC) == after


CONFLICTS = [
    [transform("age", ("max", "a, b")), transform(".*", ("sum", "a"))],
    [transform(".*", ("sum", "a, b"), ("max", "a"))],
    [transform(".*", ("min", "a, b"), ("max", ""))],
]


@pytest.mark.parametrize("transforms", CONFLICTS)
def test_two_ways_to_merge_one_stream_are_a_conflict(transforms: list[str]) -> None:
    """The sum over the maxima of groups cannot be had stream by stream: nothing is exposed."""
    with pytest.raises(RuleConflict):
        rule(*transforms)(ABC)


@pytest.mark.parametrize("aggregation", ["max", "min", "sum"])
def test_histograms_only_add_up(aggregation: str) -> None:
    """The largest of several histograms means nothing; the Collector adds them up as well."""
    histogram = stream("x.age", "a=1 b=2", kind=Kind.HISTOGRAM)
    after = stream("x.age", "a=1", kind=Kind.HISTOGRAM, merge=SUM)
    twice = rule(transform(".*", (aggregation, "a, b")), transform(".*", ("sum", "a")))
    assert twice(histogram) == after


def test_a_counter_may_be_merged_by_its_maximum() -> None:
    """The file says so, and the Collector does it."""
    assert rule(transform(".*", ("max", "a")))(stream("x", "a=1 b=2")) == stream(
        "x", "a=1", merge=MAX
    )


REFUSED = [
    "{action: update}",
    "{include: a}",
    "{include: '', action: update}",
    "{include: a, action: insert, new_name: b}",
    "{include: a, action: combine}",
    "{include: a, action: group}",
    "{include: a, action: drop}",
    "{include: a, match_type: prefix, action: update}",
    "{include: '(', match_type: regexp, action: update}",
    "{include: '(?!a)', match_type: regexp, action: update}",
    "{include: a, action: update, new_name: b}",
    "{include: a, action: update, experimental_match_labels: {a: b}}",
    "{include: a, action: update, operation: []}",
    "{include: a, action: update, operations: [{action: add_label}]}",
    "{include: a, action: update, operations: [{action: aggregate_labels}]}",
    transform("a", ("mean", "a")),
    transform("a", ("count", "a")),
    transform("a", ("average", "a")),
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_this_engine_does_not_do_is_refused(text: str) -> None:
    """Other actions, operations, aggregations and ways to match are the Collector's."""
    with pytest.raises(ConfigError):
        rule(text)
