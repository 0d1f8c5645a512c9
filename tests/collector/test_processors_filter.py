"""`filter` drops streams by their names, or by what a condition says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from collector.errors import RuleFailed
from collector.model import Kind, Typed
from collector.processors import filter as filter_
from tests.collector.configured import processor
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collector.rule import Rewrite


def rule(text: str) -> Rewrite:
    """Return the rule that a processor's YAML means."""
    rewrite = processor(filter_.read, text).rewrite
    assert rewrite is not None
    return rewrite


BY_NAME = [
    # What is said, and which of x.age, x.lag and y are left.
    ("{}", "x.age x.lag y"),
    ("metrics: {include: {match_type: strict, metric_names: [x.age, y]}}", "x.age y"),
    ("metrics: {include: {match_type: regexp, metric_names: ['^x[.]', z]}}", "x.age x.lag"),
    ("metrics: {exclude: {match_type: strict, metric_names: [x.age, x]}}", "x.lag y"),
    ("metrics: {exclude: {match_type: regexp, metric_names: ['.ag', y]}}", ""),
    (
        """
        metrics:
          include: {match_type: regexp, metric_names: [^x]}
          exclude: {match_type: strict, metric_names: [x.lag]}
        """,
        "x.age",
    ),
]


@pytest.mark.parametrize(("text", "left"), BY_NAME)
def test_names(text: str, left: str) -> None:
    """Included, if anything is, and not excluded; what is left is left as it was."""
    rewrite = rule(text)
    streams = [stream(name) for name in ("x.age", "x.lag", "y")]
    assert [each for each in streams if rewrite(each) == each] == [stream(n) for n in left.split()]
    assert all(rewrite(each) in (each, None) for each in streams)


POINT = stream("x.age", "a=1 b=2", resource="service.name=s", scope="lib=l", kind=Kind.GAUGE)
TRUE = [
    'metric.name == "x.age"',
    'metric.unit == "{task}"',
    'metric.name != "x.lag"',
    'not (metric.name != "x.age")',
    'not (metric.name == "y")',
    'metric.name == "y" or metric.name == "x.age"',
    'metric.name == "y" and metric.name == "z" or metric.name == "x.age"',
    'metric.name == "x.age" and (metric.unit == "y" or true) and metric.unit != nil',
    'not false and not metric.name == "y"',
    "metric.type == METRIC_DATA_TYPE_GAUGE",
    "metric.type != METRIC_DATA_TYPE_SUM",
    "metric.is_monotonic == nil",
    "metric.aggregation_temporality == nil",
    'IsMatch(metric.name, "\\\\.age$$")',
    'IsMatch(resource.attributes["service.name"], "^s$$")',
    'not IsMatch(resource.attributes["x"], "")',
    'resource.attributes["service.name"] == "s"',
    'resource.attributes["x"] == nil',
    'scope.name == "a.scope" and scope.version == "1.0" and scope.schema_url == ""',
    'scope.attributes["lib"] == "l"',
    'datapoint.attributes["a"] == "1" and datapoint.attributes["c"] == nil',
    'datapoint.attributes["a"] != 1',
    'datapoint.attributes["a"] != datapoint.attributes["b"]',
    'nil == datapoint.attributes["c"]',
    '"\\x78.\\u0061ge" == metric.name',
    "metric.name != nil and 1 == 1.0 and 1 != true and not (1 == false)",
]


@pytest.mark.parametrize("condition", TRUE)
def test_a_condition_that_is_true_drops(condition: str) -> None:
    """And its opposite does not."""
    assert rule(f"metric_conditions: ['{condition}']")(POINT) is None
    assert rule(f"metric_conditions: ['not ({condition})']")(POINT) == POINT


KINDS = [
    (Kind.GAUGE, "type == METRIC_DATA_TYPE_GAUGE"),
    (Kind.COUNTER, "type == METRIC_DATA_TYPE_SUM and is_monotonic == true"),
    (Kind.UPDOWN, "type == METRIC_DATA_TYPE_SUM and is_monotonic == false"),
    (Kind.HISTOGRAM, "type == METRIC_DATA_TYPE_HISTOGRAM and is_monotonic == nil"),
    (Kind.EXPONENTIAL, "type == METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM"),
    (Kind.SUMMARY, "type == METRIC_DATA_TYPE_SUMMARY and aggregation_temporality == nil"),
    (Kind.COUNTER, "aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE"),
]


@pytest.mark.parametrize(("kind", "condition"), KINDS)
def test_kinds(kind: Kind, condition: str) -> None:
    """A type is what OTLP calls it; where a context is written, paths need not name it."""
    for text in (
        f"metric_conditions: [{{context: metric, conditions: ['{condition}']}}]",
        f"metrics: {{metric: ['{condition}']}}",
    ):
        assert rule(text)(stream(kind=kind)) is None
    other = Kind.HISTOGRAM if kind is not Kind.HISTOGRAM else Kind.COUNTER
    if "temporality" not in condition:
        assert rule(text)(stream(kind=other)) is not None


def test_one_condition_is_enough() -> None:
    """Of several, in whatever form, each drops for itself."""
    rewrite = rule(
        """
        metrics:
          resource: ['attributes["a"] == "1"']
          metric: [name == "x", name == "y"]
          datapoint: ['attributes["b"] == "2"']
        """
    )
    assert rewrite(stream("x")) is rewrite(stream("y")) is rewrite(stream("z", "b=2")) is None
    assert rewrite(stream("z", resource="a=1")) is None
    assert rewrite(stream("z", "a=1", resource="b=2")) is not None


def test_a_pattern_on_a_list_has_no_answer() -> None:
    """Its text is another in OTTL than in the exposition; the stream is kept out."""
    odd = replace(POINT, attributes=(("a", Typed("array", "[1]")),))
    with pytest.raises(RuleFailed):
        rule('metric_conditions: [\'IsMatch(datapoint.attributes["a"], "1")\']')(odd)


def test_modes_and_contexts_are_read_in_any_case() -> None:
    """As the Collector reads them; a condition cannot fail, so that every mode is the same."""
    rewrite = rule(
        """
        error_mode: SILENT
        metric_conditions: [{context: Metric, error_mode: IGNORE, conditions: ['name == "x"']}]
        """
    )
    assert rewrite(stream("x")) is None
    assert rewrite(stream("y")) == stream("y")


def test_the_context_of_a_group_may_be_left_to_its_paths() -> None:
    """As in a list of conditions."""
    rewrite = rule("metric_conditions: [{conditions: ['metric.name == \"x\"']}]")
    assert rewrite(stream("x")) is None
    assert rewrite(stream("y")) == stream("y")
