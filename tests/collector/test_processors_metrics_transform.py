"""`metrics_transform` keeps a label set and says how the streams that become equal meet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from collector.errors import ConfigError, RuleConflict, RuleFailed
from collector.model import Kind, Merge, Stream
from collector.processors import metrics_transform
from collector.rule import spread
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


@pytest.mark.parametrize("aggregation", ["mean", "median", "count"])
def test_a_mean_is_for_gauges(aggregation: str) -> None:
    """Of a counter it could fall; such a stream is kept out, and counted."""
    one = rule(transform(".*", (aggregation, "a")))
    gauge = stream("x", "a=1 b=2", kind=Kind.GAUGE)
    assert one(gauge) == stream("x", "a=1", kind=Kind.GAUGE, merge=Merge(aggregation))
    for kind in (Kind.COUNTER, Kind.UPDOWN):
        with pytest.raises(RuleFailed):
            one(stream("x", "a=1 b=2", kind=kind))


COMBINED = [
    # What is matched by name, by number, not at all; the case; a name that matches again.
    (r"^a\.(?P<part>\w+)$$", "", "part=Disk x=1"),
    (r"^a\.(\w+)$$", "", "$1=Disk x=1"),
    (r"^a\.(?P<part>\w*?)(\w+)$$", "lower", "$2=disk x=1"),
    ("a", "upper", "x=1"),
]


@pytest.mark.parametrize(("pattern", "case", "attributes"), COMBINED)
def test_what_names_differ_in_becomes_labels(pattern: str, case: str, attributes: str) -> None:
    """Metrics that are combined keep it, and meet."""
    text = (
        f"{{include: '{pattern.replace('$$', '$')}', match_type: regexp, action: combine, "
        f"new_name: all, aggregation_type: sum, submatch_case: '{case}'}}"
    )
    assert rule(text)(stream("a.Disk", "x=1")) == stream("all", attributes, merge=SUM)
    summary = stream("a.Disk", "x=1", kind=Kind.SUMMARY)
    assert rule(text)(summary) == summary


def test_one_name_may_be_combined() -> None:
    """Without a pattern nothing becomes a label, and the streams of that name meet."""
    text = "{include: a, action: combine, new_name: b, aggregation_type: max}"
    assert rule(text)(stream("a", "x=1")) == stream("b", "x=1", merge=MAX)
    assert rule(text)(stream("ab", "x=1")) == stream("ab", "x=1")


def test_a_name_is_expanded_once_more_behind_a_combination() -> None:
    """As in the Collector, where the pattern then is matched with the new name."""
    text = (
        "{include: '^(.)', match_type: regexp, action: combine, new_name: '$${1}b', "
        "aggregation_type: sum}"
    )
    assert rule(text)(stream("a")) == stream("$b", "$1=a", merge=SUM)


def test_a_value_of_the_environment_is_not_quoted() -> None:
    """Not even the part of it that is refused."""
    text = f"transforms: [{update('{action: add_label, new_label: a, new_value: $V}')}]"
    with pytest.raises(ConfigError) as caught:
        processor(metrics_transform.read, text.replace("$V", "'${env:V}'"), V="{{version}}")
    assert "new_value" in str(caught.value)
    assert "version" not in str(caught.value)


def test_a_group_has_a_resource_of_its_own() -> None:
    """With attributes that stand in place of those of that name."""
    text = "{include: a, action: group, group_resource_labels: {b: new, c: more}}"
    assert rule(text)(stream("a", resource="a=1 b=2")) == stream("a", resource="a=1 b=new c=more")


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


def update(*operations: str, include: str = "x.age", **more: str) -> str:
    """Return one transform as YAML, with operations as they stand there."""
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{include: '{include}', action: update{keys}, operations: [{', '.join(operations)}]}}"


RENAME_B = "{action: update_label, label: b, new_label: d"
OPERATIONS = [
    # Names.
    (update(new_name="y"), replace(ABC, name="y")),
    (update(include="lag", new_name="y"), ABC),
    (
        update(include="^(x)[.](?P<what>.*)", match_type="regexp", new_name="'$${1}y_$${what}'"),
        replace(ABC, name="xy_age"),
    ),
    (update(include="x.", match_type="regexp", new_name="y"), replace(ABC, name="y")),
    # What matches nothing is nothing, and a name of nothing is the template.
    (update(include="x.", match_type="regexp", new_name="$$1"), replace(ABC, name="$1")),
    (update(new_name="$$1y"), replace(ABC, name="$1y")),
    # Without a pattern nothing is expanded.
    (update(new_name="'$${0}y'"), replace(ABC, name="${0}y")),
    # Labels are added where they are absent.
    (update("{action: add_label, new_label: d, new_value: e}"), left("a=1 b=2 c=3 d=e", None)),
    (update("{action: add_label, new_label: a, new_value: e}"), ABC),
    # A label is renamed, over one of that name, and its values are.
    (update(RENAME_B + "}"), left("a=1 c=3 d=2", None)),
    (update("{action: update_label, label: b, new_label: a}"), left("a=2 c=3", None)),
    (update("{action: update_label, label: d, new_label: a}"), ABC),
    (
        update(RENAME_B + ", value_actions: [{value: '2', new_value: x}]}"),
        left("a=1 c=3 d=x", None),
    ),
    (
        update(RENAME_B + ", value_actions: [{value: '3', new_value: x}]}"),
        left("a=1 c=3 d=2", None),
    ),
    (
        update("{action: update_label, label: b, value_actions: [{value: '2', new_value: x}]}"),
        left("a=1 b=x c=3", None),
    ),
    # Streams of a value go.
    (update("{action: delete_label_value, label: a, label_value: '1'}"), None),
    (update("{action: delete_label_value, label: a, label_value: '2'}"), ABC),
    (update("{action: delete_label_value, label: d, label_value: ''}"), ABC),
    # Values are made one, and how streams meet is said.
    (
        update(
            "{action: aggregate_label_values, label: a, aggregated_values: ['1', '2'], "
            "new_value: x, aggregation_type: max}"
        ),
        left("a=x b=2 c=3", MAX),
    ),
    (
        update(
            "{action: aggregate_label_values, label: a, aggregated_values: ['2'], "
            "new_value: x, aggregation_type: max}"
        ),
        left("a=1 b=2 c=3", MAX),
    ),
    # Labels that the stream must have; an absent one is empty.
    (update(new_name="y", experimental_match_labels="{a: '1', d: ''}"), replace(ABC, name="y")),
    (update(new_name="y", experimental_match_labels="{a: '2'}"), ABC),
    (update(new_name="y", experimental_match_labels="{d: '1'}"), ABC),
    (
        update(new_name="y", match_type="regexp", experimental_match_labels="{a: '^[0-9]', d: ''}"),
        replace(ABC, name="y"),
    ),
    (update(new_name="y", match_type="regexp", experimental_match_labels="{a: '^[a-z]'}"), ABC),
]


CHANGE_A = "{action: update_label, label: a, value_actions: [{value: '1', new_value: '2'}]}"
ADD_E = "{action: add_label, new_label: e, new_value: f}"
OPERATIONS += [
    # Only to rename asks for the labels again, when an operation before it may have changed them.
    (
        update(CHANGE_A, RENAME_B + "}", ADD_E, experimental_match_labels="{a: '1'}"),
        left("a=2 b=2 c=3 e=f", None),
    ),
    (
        update(RENAME_B + "}", CHANGE_A, ADD_E, experimental_match_labels="{a: '1'}"),
        left("a=2 c=3 d=2 e=f", None),
    ),
]


@pytest.mark.parametrize(("text", "after"), OPERATIONS)
def test_names_and_labels_are_changed(text: str, after: Stream | None) -> None:
    """Each operation does what the Collector's does, to each stream that matches."""
    assert rule(text)(ABC) == after


KEEP_A = "{action: aggregate_labels, label_set: [a], aggregation_type: sum}"
BLIND = [
    ([], True),
    ([update(new_name="y")], True),
    ([update(KEEP_A, ADD_E, RENAME_B + "}")], True),
    ([update(KEEP_A), update("{action: delete_label_value, label: a, label_value: x}")], False),
    ([update(CHANGE_A)], False),
    ([update(ADD_E, experimental_match_labels="{a: '1'}")], False),
    ([update("{action: delete_label_value, label: a, label_value: x}", KEEP_A)], False),
    (
        [
            update(
                "{action: aggregate_label_values, label: a, aggregated_values: [x], "
                "new_value: y, aggregation_type: sum}"
            )
        ],
        False,
    ),
]


@pytest.mark.parametrize(("transforms", "is_blind"), BLIND)
def test_it_is_known_whether_values_are_looked_at(transforms: list[str], is_blind: bool) -> None:
    """A processor is blind if no operation, and no label that must match, asks for a value."""
    text = f"transforms: [{', '.join(transforms)}]"
    assert processor(metrics_transform.read, text).is_blind is is_blind


def test_a_later_transform_sees_the_new_name() -> None:
    """Transforms run in the order of the file, each on what the one before it left."""
    rewrite = rule(update(new_name="y"), update(include="y", new_name="z"))
    assert rewrite(ABC) == replace(ABC, name="z")


def insert(include: str, new_name: str, *operations: str, more: str = "") -> str:
    """Return a transform that copies."""
    return (
        f"{{include: '{include}', action: insert, new_name: '{new_name}', {more}"
        f"operations: [{', '.join(operations)}]}}"
    )


X, Y, Z = (replace(ABC, name=name) for name in "xyz")
TEAM = (
    "{action: add_label, new_label: a, new_value: '2'}, "
    "{action: update_label, label: a, new_label: d}"
)
DROP = "{action: delete_label_value, label: a, label_value: '1'}"
COPIES = [
    # The metric itself stays; the copy gets the name, and what is said below it.
    ([insert("x", "y")], [X, Y]),
    ([insert("x", "y", TEAM)], [X, Y.but(attributes=(("b", "2"), ("c", "3"), ("d", "1")))]),
    ([insert("y", "x")], [X]),
    ([insert("x", "y", DROP)], [X]),
    ([insert("x", "y", more="experimental_match_labels: {a: '1'}, ")], [X, Y]),
    ([insert("x", "y", more="experimental_match_labels: {a: '2'}, ")], [X]),
    ([insert("^(.)$$", "$${1}y", more="match_type: regexp, ")], [X, replace(ABC, name="xy")]),
    # What comes behind meets both; what was made is copied again, but not by the same rule.
    ([insert("x", "y"), update(include="x", new_name="z")], [Z, Y]),
    ([insert("x", "y"), update(include="y", new_name="z")], [X, Z]),
    ([insert("x", "y"), insert("y", "z")], [X, Y, Z]),
    ([insert("x", "y"), insert("^.$$", "z", more="match_type: regexp, ")], [X, Y, Z, Z]),
    ([insert("x", "x")], [X, X]),
    # A stream that is dropped leaves what was made of it before.
    ([insert("x", "y"), update(f"{DROP}", include="x")], [None, Y]),
    ([update(f"{DROP}", include="x"), insert("x", "y")], [None]),
]


@pytest.mark.parametrize(("transforms", "made"), COPIES)
def test_copies_are_made(transforms: list[str], made: list[Stream | None]) -> None:
    """Each stream is copied by itself, whatever else its metric holds."""
    rules = rule(*transforms)
    assert spread(rules, X) == made
    assert rules(X) == made[0]


def test_what_is_wrong_with_a_copy_is_no_fault_of_the_stream() -> None:
    """And the other way round: a refusal stands for one of them."""
    conflict = transform("y", ("max", "a")), transform("y", ("sum", "b"))
    itself, copy = spread(rule(insert("x", "y"), *conflict), X)
    assert itself == X
    assert isinstance(copy, RuleConflict)
    conflict = transform("x", ("max", "a")), transform("x", ("sum", "b"))
    itself, copy = spread(rule(insert("x", "y"), *conflict), X)
    assert isinstance(itself, RuleConflict)
    assert copy == Y


REFUSED = [
    "{action: update}",
    "{include: a}",
    "{include: '', action: update}",
    "{include: a, action: insert}",
    "{include: a, action: insert, new_name: ''}",
    "{include: a, action: insert, new_name: b, aggregation_type: sum}",
    "{include: a, action: combine}",
    "{include: a, action: combine, new_name: '', aggregation_type: sum}",
    "{include: a, action: combine, new_name: b, aggregation_type: sum, submatch_case: mixed}",
    "{include: a, action: group}",
    "{include: a, action: drop}",
    "{include: a, match_type: prefix, action: update}",
    "{include: '(', match_type: regexp, action: update}",
    "{include: '(?!a)', match_type: regexp, action: update}",
    "{include: a, action: update, operation: []}",
    "{include: a, action: update, operations: [{action: add_label}]}",
    "{include: a, action: update, operations: [{action: aggregate_labels}]}",
    update("{action: add_label, new_label: '', new_value: a}"),
    update("{action: add_label, new_label: a, new_value: ''}"),
    update("{action: add_label, new_label: a, new_value: '{{version}}'}"),
    update("{action: update_label, label: ''}"),
    update("{action: update_label, label: a, new_label: a}"),
    update("{action: delete_label_value, label: a}"),
    update("{action: aggregate_label_values, label: a}"),
    update("{action: toggle_scalar_data_type}"),
    update("{action: experimental_scale_value, experimental_scale: 2}"),
    update(match_type="regexp", experimental_match_labels="{a: '('}"),
    transform("a", ("average", "a")),
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_this_engine_does_not_do_is_refused(text: str) -> None:
    """Other actions, operations, aggregations and ways to match are the Collector's."""
    with pytest.raises(ConfigError):
        rule(text)
