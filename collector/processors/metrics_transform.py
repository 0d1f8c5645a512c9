"""The `metrics_transform` processor: names and labels of metrics, and how streams are added up.

In: its section. Out: a rule that renames, copies, combines, groups, keeps a label set, changes
labels, drops some of their values, and says how streams that become equal meet. What acts on
numbers is refused. It knows no number, no time and no other processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from collector import go_regexp
from collector.aggregation import aggregate, merged
from collector.attributes import get, put, text_alone, without
from collector.model import Kind, Merge
from collector.otelcol import CAN_RUN_IT, NOT_HERE
from collector.processors import _names
from collector.rule import Insert, Processor, in_order

if TYPE_CHECKING:
    import re

    from collector.fields.section import Section
    from collector.model import Attributes, Stream
    from collector.processors._names import Matches
    from collector.rule import Rewrite

HaveLabels: TypeAlias = Callable[["Attributes"], bool]


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/metricstransformprocessor
    """
    transforms = [_transform(each) for each in section.sections("transforms")]
    return Processor(
        in_order([transform for transform, _ in transforms]),
        is_blind=all(is_blind for _, is_blind in transforms),
    )


def _transform(section: Section) -> tuple[Rewrite, bool]:
    """One transform, and whether it looks at no value of a label.

    Each stream that matches is changed, whatever else its metric holds.

    The Collector leaves a metric alone if only some of its points have the labels.
    """
    section.require("include", "action")
    action = section.choice("action", ("update", "insert", "combine", "group"), "update")
    include = section.text("include")
    _not_empty(section, "include")
    match_type = section.choice("match_type", ("strict", "regexp", ""), "strict")
    pattern = _names.compiled(section, "include") if match_type == "regexp" else None
    matches = _names.matcher(pattern) if match_type == "regexp" else include.__eq__
    have_labels = _labels(section.section("experimental_match_labels"), match_type)
    each_operation = section.sections("operations")
    operations = [_operation(each, have_labels) for each in each_operation]
    renamed = _rename(section.text("new_name"), pattern)
    if action == "group":
        rules = _group(section)
    elif action == "combine":
        rules = in_order([_combine(section, pattern), renamed, *operations])
    else:
        section.elsewhere("aggregation_type", "submatch_case")  # they have no effect there
        section.elsewhere("group_resource_labels")
        rules = in_order([renamed, *operations])
    if action == "insert":
        _require_new_name(section)

    def is_meant(stream: Stream) -> bool:
        return bool(matches(stream.name)) and have_labels(stream.attributes)

    def rewrite(stream: Stream) -> Stream | None:
        # Quantiles cannot be added; the Collector leaves them as well.
        is_left = action == "combine" and stream.kind is Kind.SUMMARY
        return rules(stream) if is_meant(stream) and not is_left else stream

    def copy(stream: Stream) -> Stream | None:
        return rules(stream) if is_meant(stream) else None

    return Insert(copy) if action == "insert" else rewrite, (
        "experimental_match_labels" not in section and all(map(_is_blind, each_operation))
    )


def _is_blind(operation: Section) -> bool:
    """Whether an operation looks at no value of a label."""
    acts_on_keys = ("add_label", "aggregate_labels", "update_label")
    return operation.text("action") in acts_on_keys and "value_actions" not in operation


def _require_new_name(section: Section) -> None:
    section.require("new_name")
    _not_empty(section, "new_name")


def _not_empty(section: Section, *keys: str) -> None:
    for key in keys:
        if key in section and not section.text(key) and not section.mistaken(key):
            section.mistake(key, "must not be empty")


def _group(section: Section) -> Rewrite:
    """Give metrics a resource of their own: with more attributes than it had."""
    section.require("group_resource_labels")
    section.elsewhere("aggregation_type", "submatch_case", why=" for this action, which reads none")
    labels = section.pairs("group_resource_labels")
    return lambda stream: stream.but(resource=put(stream.resource, labels))


def _combine(section: Section, pattern: re.Pattern[str] | None) -> Rewrite:
    """Make one metric of several; what the groups of the pattern matched becomes labels.

    Each stream is decided on alone: the Collector leaves metrics of a request as they are if their
    units, kinds or labels differ.
    """
    section.require("aggregation_type")
    _require_new_name(section)
    section.elsewhere("group_resource_labels", why=" for this action, which reads none")
    name, merge = section.text("new_name"), _merge(section)
    change = _CASES[section.choice("submatch_case", tuple(_CASES), "")]
    names = {number: key for key, number in pattern.groupindex.items()} if pattern else {}

    def rewrite(stream: Stream) -> Stream:
        found = pattern.search(stream.name) if pattern else None
        parts = enumerate(found.groups(), 1) if found else ()
        labels = {names.get(at, f"${at}"): change(part) for at, part in parts if part}
        return merged(stream, put(stream.attributes, labels), merge).but(name=name)

    return rewrite


_CASES: dict[str, Callable[[str], str]] = {"": str, "lower": str.lower, "upper": str.upper}


def _labels(section: Section, match_type: str) -> HaveLabels:
    """What the labels of a point must be; one that is absent counts as empty."""
    matchers: dict[str, Matches] = {}
    for label in section.free_keys():
        if match_type == "regexp":
            matchers[label] = _names.matcher(_names.compiled(section, label))
        else:
            matchers[label] = section.text(label).__eq__
    return lambda attributes: all(
        matches(text_alone(get(attributes, label) or "")) for label, matches in matchers.items()
    )


def _rename(new_name: str, pattern: re.Pattern[str] | None) -> Rewrite:
    """Give a new name, in which `${1}` stands for what the first group of the pattern matched."""

    def rewrite(stream: Stream) -> Stream:
        found = pattern.search(stream.name) if pattern else None
        expanded = go_regexp.expand(new_name, found) if found else ""
        return stream.but(name=expanded or new_name) if new_name else stream

    return rewrite


def _operation(section: Section, have_labels: HaveLabels) -> Rewrite:
    section.require("action")
    elsewhere = ("experimental_scale_value", "toggle_scalar_data_type")
    action = section.choice("action", tuple(_OPERATIONS), "", elsewhere)
    if not action:
        section.free_keys()  # which of them it may have is not known
        return in_order([])
    operation = _OPERATIONS[action](section)
    if action != "update_label":
        return operation
    return lambda stream: operation(stream) if have_labels(stream.attributes) else stream


def _aggregate_labels(section: Section) -> Rewrite:
    """Keep a label set; streams that become equal meet."""
    section.require("label_set", "aggregation_type")
    return aggregate(frozenset(section.words("label_set")), _merge(section))


def _aggregate_label_values(section: Section) -> Rewrite:
    """Make one value of several; streams that become equal meet."""
    section.require("label", "aggregated_values", "new_value", "aggregation_type")
    label, values = section.text("label"), frozenset(section.words("aggregated_values"))
    new_value, merge = _new_value(section), _merge(section)

    def rewrite(stream: Stream) -> Stream:
        value = get(stream.attributes, label)
        if value is None or text_alone(value) not in values:
            return merged(stream, stream.attributes, merge)
        return merged(stream, put(stream.attributes, {label: new_value}), merge)

    return rewrite


def _add_label(section: Section) -> Rewrite:
    """Add a label where it is absent."""
    section.require("new_label", "new_value")
    label, value = section.text("new_label"), _new_value(section)
    _not_empty(section, "new_label", "new_value")

    def rewrite(stream: Stream) -> Stream:
        if get(stream.attributes, label) is not None:
            return stream
        return stream.but(attributes=put(stream.attributes, {label: value}))

    return rewrite


def _update_label(section: Section) -> Rewrite:
    """Rename a label, in the place of one that has that name, and then its values."""
    section.require("label")
    label, new_label = section.text("label"), section.text("new_label")
    _not_empty(section, "label")
    if label and label == new_label:
        section.mistake("new_label", "is the label's name already")
    values = dict(map(_value_action, section.sections("value_actions")))

    def rewrite(stream: Stream) -> Stream:
        value = get(stream.attributes, label)
        if value is None:
            return stream
        value = values.get(text_alone(value), value)
        left = without(stream.attributes, label)
        return stream.but(attributes=put(left, {new_label or label: value}))

    return rewrite


def _value_action(section: Section) -> tuple[str, str]:
    return section.text("value"), _new_value(section)


def _delete_label_value(section: Section) -> Rewrite:
    """Drop the streams of which a label has a value."""
    section.require("label", "label_value")
    label, dropped = section.text("label"), section.text("label_value")

    def rewrite(stream: Stream) -> Stream | None:
        value = get(stream.attributes, label)
        return None if value is not None and text_alone(value) == dropped else stream

    return rewrite


_OPERATIONS: dict[str, Callable[[Section], Rewrite]] = {
    "add_label": _add_label,
    "aggregate_label_values": _aggregate_label_values,
    "aggregate_labels": _aggregate_labels,
    "delete_label_value": _delete_label_value,
    "update_label": _update_label,
}


def _merge(section: Section) -> Merge:
    return Merge(section.choice("aggregation_type", [merge.value for merge in Merge], "sum"))


def _new_value(section: Section) -> str:
    value = section.text("new_value")
    if "{{version}}" in value:
        section.mistake("new_value", f"{{{{version}}}} is {NOT_HERE}", CAN_RUN_IT, quotes=True)
    return value
