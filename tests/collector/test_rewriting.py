"""Rules that look at no value run once for all streams with the same keys, and nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import RuleConflict, RuleFailed
from collector.model import Kind, Typed
from collector.processors import metrics_transform, redaction, resource
from collector.redacted import Redacted
from collector.rewriting import Rewriting
from collector.rule import Processor, in_order
from tests.collector.configured import processor
from tests.collector.streams import stream

TRANSFORM = "transforms: [{{include: '{}', match_type: regexp, action: {}, operations: [{}]}}]"


def transform(operation: str, include: str = ".*", action: str = "update") -> Processor:
    """One operation of metrics_transform."""
    return processor(metrics_transform.read, TRANSFORM.format(include, action, operation))


KEEP = "{action: aggregate_labels, aggregation_type: max, label_set: [a, b]}"
BLIND = [
    transform(KEEP),
    transform("{action: aggregate_labels, aggregation_type: mean, label_set: [a]}", "gauge"),
    transform("{action: add_label, new_label: c, new_value: new}"),
    transform("{action: update_label, label: a, new_label: d}"),
    processor(
        metrics_transform.read,
        "transforms: [{include: '(?P<b>g)', match_type: regexp, action: combine, new_name: all,"
        " aggregation_type: sum}]",
    ),
    processor(redaction.read, "allowed_keys: [a, c, d, service.name]"),
    processor(redaction.read, "{allow_all_keys: true, ignored_keys: [a]}"),
    processor(resource.read, "attributes: [{key: x, action: upsert, from_attribute: y}]"),
]
SEEING = [
    transform("{action: delete_label_value, label: a, label_value: '1'}"),
    transform("{action: update_label, label: a, value_actions: [{value: '1', new_value: '2'}]}"),
    transform(
        "{action: aggregate_label_values, label: a, aggregated_values: ['1'], new_value: x,"
        " aggregation_type: sum}"
    ),
    processor(
        metrics_transform.read,
        "transforms: [{include: x, action: update, experimental_match_labels: {a: '1'}}]",
    ),
    processor(redaction.read, "{allow_all_keys: true, blocked_values: ['1']}"),
    processor(redaction.read, "{allow_all_keys: true, blocked_key_patterns: [a]}"),
]

values = st.sampled_from(["", "1", "2", "0", Typed("int", "1"), Typed("blank?", "0")])
attributes = st.dictionaries(st.sampled_from("abcd"), values).map(
    lambda d: tuple(sorted(d.items()))
)


@pytest.mark.parametrize("rule", SEEING)
def test_who_looks_at_values_does_not_say_otherwise(rule: Processor) -> None:
    """What is not known to decide by keys alone is run on every stream."""
    assert not rule.is_blind


@given(
    st.lists(st.sampled_from(BLIND), min_size=1, max_size=4),
    st.sampled_from(["gauge", "other.age"]),
    st.sampled_from([Kind.GAUGE, Kind.COUNTER, Kind.SUMMARY]),
    st.lists(attributes, min_size=1, max_size=12),
)
@settings(max_examples=300)
def test_templates_leave_what_the_rules_leave(
    chosen: list[Processor], name: str, kind: Kind, many: list[tuple[tuple[str, str], ...]]
) -> None:
    """Frame, attributes, refusals and counts are those of running the rules each time."""
    assert all(rule.is_blind for rule in chosen)
    rewrite = in_order([rule.rewrite for rule in chosen if rule.rewrite])
    frame = stream(name, resource="service.name=s y=1", scope="z=1", kind=kind)
    plain, counted = Redacted(), Redacted()
    seeing = Rewriting(rewrite, plain, is_blind=False).of(frame)
    blind = Rewriting(rewrite, counted, is_blind=True).of(frame)
    for one in many * 2:
        try:
            expected = seeing(one)
        except (RuleConflict, RuleFailed) as refusal:
            with pytest.raises(type(refusal)):
                blind(one)
            continue
        assert blind(one) == expected
    assert counted.streams == plain.streams
