"""`transform` runs the statements of OTTL that speak of names and attributes."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ConfigError, Reason, RuleConflict, RuleFailed
from collector.model import Kind, Merge, Typed
from collector.ottl import parse
from collector.ottl.tree import Refused
from collector.processors import transform
from tests.collector.configured import processor
from tests.collector.pipeline import engine, samples
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collector.model import Stream
    from collector.rule import Rewrite

SHA_1 = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
"""What `sha256sum` says of the text 1."""


def rule(*statements: str, context: str = "datapoint", conditions: tuple[str, ...] = ()) -> Rewrite:
    """Return the rule of one group of statements."""
    lines = [f"- context: {context}", "  conditions:", *(f"    - {each}" for each in conditions)]
    lines += ["  statements:", *(f"    - {each}" for each in statements)]
    return rule_of("\n".join(lines))


def rule_of(groups: str) -> Rewrite:
    """Return the rule that a list of groups or statements means."""
    text = "error_mode: propagate\nmetric_statements:\n" + textwrap.indent(groups, "  ")
    rewrite = processor(transform.read, text).rewrite
    assert rewrite is not None
    return rewrite


EMPTY = Typed("empty", "")
POINT = stream("x.age", "a=1 b=22 c=3", resource="r=1 s=2", scope="t=1", kind=Kind.GAUGE)


def left(attributes: str, merge: Merge | None = None) -> Stream:
    """Return POINT with other attributes."""
    return replace(POINT, attributes=stream(attributes=attributes).attributes, merge=merge)


POINTS = [
    ('keep_keys(attributes, ["a", "x"])', left("a=1")),
    ('keep_keys(datapoint.attributes, ["a"])', left("a=1")),
    ("keep_keys(attributes, [])", left("")),
    ('keep_keys(target = attributes, keys = ["a"])', left("a=1")),
    ('keep_matching_keys(attributes, "[ab]")', left("a=1 b=22")),
    ('delete_key(attributes, "a")', left("b=22 c=3")),
    ('delete_matching_keys(attributes, "^[ab]$$")', left("c=3")),
    ('set(attributes["d"], "x")', left("a=1 b=22 c=3 d=x")),
    ('set(attributes["a"], "x")', left("a=x b=22 c=3")),
    ('set(attributes["a"], attributes["b"])', left("a=22 b=22 c=3")),
    ('set(attributes["a"], metric.name)', left("a=x.age b=22 c=3")),
    ('set(attributes["a"], resource.attributes["s"])', left("a=2 b=22 c=3")),
    ('set(attributes["a"], SHA256(attributes["a"]))', left(f"a={SHA_1} b=22 c=3")),
    (
        'set(attributes["a"], Concat([attributes["b"], "x", 5, true], "-"))',
        left("a=22-x-5-true b=22 c=3"),
    ),
    ('set(attributes["a"], Concat([attributes["x"]], ""))', left("a=<nil> b=22 c=3")),
    ('replace_pattern(attributes["b"], "2", "x")', left("a=1 b=xx c=3")),
    ('replace_pattern(attributes["b"], "^(.)(.)", "$${2}y$$1")', left("a=1 b=2y2 c=3")),
    ('replace_pattern(attributes["b"], "^(.)(.)", "$$2y$$1")', left("a=1 b=2 c=3")),
    ('replace_pattern(attributes["a"], "^.*$$", "$$0", SHA256)', left(f"a={SHA_1} b=22 c=3")),
    ('replace_pattern(attributes["x"], "x", "y")', POINT),
    ('replace_all_patterns(attributes, "value", "[12]", "n")', left("a=n b=nn c=3")),
    ('replace_all_patterns(attributes, "key", "^(.)$$", "k.$$1")', left("k.a=1 k.b=22 k.c=3")),
    ("truncate_all(attributes, 1)", left("a=1 b=2 c=3")),
    ('truncate_all(attributes, 1, truncation_marker = "…")', None),
    ('truncate_all(attributes, 1, true, "~")', left("a=1 b=~ c=3")),
    ('limit(attributes, 2, ["c"])', left("a=1 c=3")),
    ('limit(attributes, 1, ["c", "d"])', None),
    ('limit(attributes, 1, ["c"])', left("c=3")),
    ("limit(attributes, 3, [])", POINT),
    ("limit(attributes, 0, [])", left("")),
    ("truncate_all(attributes, 0)", left("a= b= c=")),
    # Conditions.
    ('keep_keys(attributes, []) where metric.name == "x"', POINT),
    ('keep_keys(attributes, []) where attributes["a"] == "1"', left("")),
    ('keep_keys(attributes, []) where resource.attributes["r"] != nil', left("")),
]


@pytest.mark.parametrize(("statement", "after"), POINTS)
def test_statements_on_points(statement: str, after: Stream | None) -> None:
    """Each editor does what the Collector's does, and its resource and scope stay."""
    if after is None:
        with pytest.raises(ConfigError):
            rule(statement)
    else:
        assert rule(statement)(POINT) == after


def test_values_have_types() -> None:
    """Numbers, true and false are set as such."""
    rewrite = rule(*(f'set(attributes["{key}"], {key})' for key in ("5", "-1.50", "true")))
    after = rewrite(stream())
    assert after is not None
    assert dict(after.attributes) == {
        "5": Typed("int", "5"),
        "-1.50": Typed("double", "-1.5"),
        "true": Typed("bool", "true"),
    }


@pytest.mark.parametrize("nothing", ["nil", 'attributes["absent"]', 'attributes["empty"]'])
def test_an_attribute_becomes_empty_where_there_is_no_value(nothing: str) -> None:
    """It is there, and has no value, as in the Collector."""
    before = replace(stream(), attributes=(("empty", EMPTY),))
    after = replace(stream(), attributes=(("a", EMPTY), ("empty", EMPTY)))
    assert rule(f'set(attributes["a"], {nothing})')(before) == after


def test_a_limit_looks_at_keys_alone() -> None:
    """The first keys of the alphabet stay, whatever their values are."""
    before = stream(attributes="a=3 b=2 c=1 d=0")
    assert rule('limit(attributes, 3, ["d"])')(before) == stream(attributes="a=3 b=2 d=0")


def test_the_text_of_a_number_is_that_of_the_exposition() -> None:
    """So it is joined to others; what is not finite has no text, and the stream is kept out."""
    join = rule('set(attributes["b"], Concat(["x", attributes["a"]], ""))')
    number = (("a", Typed("double", "1.5")),)
    assert join(replace(stream(), attributes=number)) == replace(
        stream(), attributes=(*number, ("b", "x1.5"))
    )
    for odd in ("NaN", "+Inf", "-Inf"):
        with pytest.raises(RuleFailed):
            join(replace(stream(), attributes=(("a", Typed("double", odd)),)))


def test_texts_are_cut_between_characters() -> None:
    """The limit is in bytes, and no half character is left."""
    before = stream(attributes="a=zäh b=zah")
    assert rule("truncate_all(attributes, 2)")(before) == stream(attributes="a=z b=za")


def test_only_texts_are_cut_and_replaced() -> None:
    """Numbers, lists and maps stay."""
    number = replace(stream(), attributes=(("a", Typed("int", "123")),))
    for statement in (
        "truncate_all(attributes, 1)",
        'replace_all_patterns(attributes, "value", "1", "x")',
        'replace_pattern(attributes["a"], "1", "x")',
    ):
        assert rule(statement)(number) == number


BARE = POINT.scope._replace(attributes=())
AROUND = [
    ("resource", 'keep_keys(attributes, ["r"])', replace(POINT, resource=(("r", "1"),))),
    ("resource", 'set(resource.schema_url, "")', POINT),
    ("scope", "keep_keys(scope.attributes, [])", replace(POINT, scope=BARE)),
    ("scope", 'set(name, "")', replace(POINT, scope=POINT.scope._replace(name=""))),
    ("scope", "set(version, name)", replace(POINT, scope=POINT.scope._replace(version="a.scope"))),
    ("scope", 'set(schema_url, "x")', replace(POINT, scope=POINT.scope._replace(schema_url="x"))),
    ("metric", 'set(name, "y")', replace(POINT, name="y")),
    ("metric", 'set(unit, "s") where type == METRIC_DATA_TYPE_GAUGE', replace(POINT, unit="s")),
    ("metric", 'replace_pattern(name, "^x\\\\.", "y_")', replace(POINT, name="y_age")),
    ("metric", "keep_keys(metadata, [])", POINT),
    ("metric", 'aggregate_on_attributes("max", ["a"])', left("a=1", Merge.MAX)),
    ("metric", 'aggregate_on_attributes("min", [])', left("", Merge.MIN)),
    ("metric", 'aggregate_on_attributes("sum")', left("a=1 b=22 c=3", Merge.SUM)),
    ("exemplar", "keep_keys(filtered_attributes, [])", POINT),
]


@pytest.mark.parametrize(("context", "statement", "after"), AROUND)
def test_statements_on_what_is_around_points(context: str, statement: str, after: Stream) -> None:
    """A statement writes its own context; what never leaves this engine is written in vain."""
    assert rule(statement, context=context)(POINT) == after


def test_a_description_is_written() -> None:
    """Descriptions are no part of a stream's identity, so they are compared by themselves."""
    before = replace(POINT, description="of acme")
    for statement in ('set(description, "d")', 'replace_pattern(description, "^.*", "d")'):
        after = rule(statement, context="metric")(before)
        assert after is not None
        assert after.description == "d"


def test_of_conditions_of_a_group_one_is_enough() -> None:
    """And without any, all streams are meant."""
    conditions = ('metric.name == "x"', 'attributes["a"] == "1"')
    rewrite = rule("keep_keys(attributes, [])", conditions=conditions)
    assert rewrite(POINT) == left("")
    assert rewrite(stream("x", "a=2")) == stream("x")
    assert rewrite(stream("y", "a=2")) == stream("y", "a=2")


def test_statements_run_in_their_order() -> None:
    """Each sees what the one before it left, across groups too."""
    rewrite = rule_of(
        """\
        - context: metric
          statements: ['set(name, "y")']
        - context: datapoint
          statements:
            - set(attributes["n"], metric.name)
            - set(attributes["m"], attributes["n"])
        """
    )
    assert rewrite(stream("x")) == stream("y", "n=y m=y")


INFERRED = [
    ('set(resource.attributes["a"], "1")', stream("x", resource="a=1")),
    ('set(metric.name, "y") where resource.attributes["a"] == nil', stream("y")),
    ('set(datapoint.attributes["a"], "1") where metric.name == "x"', stream("x", "a=1")),
    ('aggregate_on_attributes("max", []) where metric.name == "x"', stream("x", merge=Merge.MAX)),
]


@pytest.mark.parametrize(("statement", "after"), INFERRED)
def test_a_context_is_found_in_the_paths(statement: str, after: Stream) -> None:
    """The innermost of all that the group's paths name."""
    assert rule_of(f"- '{statement}'")(stream("x")) == after
    assert rule_of(f"- statements: ['{statement}']")(stream("x")) == after


def test_the_first_aggregation_decides() -> None:
    """As in metrics_transform: another one that takes more labels away is a conflict."""
    most = 'aggregate_on_attributes("max", ["a", "b"])'
    same = rule(most, 'aggregate_on_attributes("sum", ["a", "b"])', context="metric")
    assert same(POINT) == left("a=1 b=22", Merge.MAX)
    with pytest.raises(RuleConflict):
        rule(most, 'aggregate_on_attributes("sum", ["a"])', context="metric")(POINT)


FAILING = [
    ("metric", 'set(name, resource.attributes["absent"])'),
    ("metric", "set(name, nil)"),
    ("metric", 'set(name, resource.attributes["n"])'),
    ("datapoint", 'set(attributes["a"], SHA256(resource.attributes["n"]))'),
    ("datapoint", 'set(attributes["a"], SHA256(attributes["absent"]))'),
    ("datapoint", 'set(attributes["a"], Concat([resource.attributes["l"]], ""))'),
    ("datapoint", 'replace_all_patterns(attributes, "key", "[ab]", "x")'),
]


@pytest.mark.parametrize(("context", "statement"), FAILING)
def test_a_statement_that_fails_keeps_the_stream_out(context: str, statement: str) -> None:
    """Nothing that could not be redacted is exposed."""
    odd = (("l", Typed("array", "[1]")), ("n", Typed("int", "5")))
    with pytest.raises(RuleFailed):
        rule(statement, context=context)(replace(POINT, resource=odd))


ENGINE = """
receivers: {otlp: {protocols: {http: }}}
processors:
  transform:
    error_mode: propagate
    metric_statements: ['set(metric.name, resource.attributes["name"])']
exporters: {prometheus: {endpoint: 127.0.0.1:9464}}
service:
  pipelines: {metrics: {receivers: [otlp], processors: [transform], exporters: [prometheus]}}
"""
BODY = b"""
{"resourceMetrics": [
  {"resource": {"attributes": [{"key": "name", "value": {"stringValue": "renamed"}}]},
   "scopeMetrics": [{"metrics": [{"name": "x", "gauge": {"dataPoints": [{"asInt": 1}]}}]}]},
  {"resource": {"attributes": [{"key": "name", "value": {"intValue": "5"}}]},
   "scopeMetrics": [{"metrics": [{"name": "x", "gauge": {"dataPoints": [{"asInt": 2}]}}]}]}
]}
"""


def test_points_that_a_rule_failed_on_are_refused_and_counted() -> None:
    """The others of the same request are recorded, which the Collector would not do."""
    running = engine(ENGINE)
    outcome = running.accept_json(BODY, 0.0)
    assert outcome.refused == {Reason.RULE_FAILED: 1}
    assert samples(running.scrape_text()) == {("renamed", ""): 1}


REFUSED = [
    # Numbers and times.
    ("datapoint", "set(time, Now())"),
    ("datapoint", "set(start_time_unix_nano, 0)"),
    ("datapoint", "set(value_int, 0)"),
    ("datapoint", 'set(attributes["a"], 1 + 1)'),
    ("datapoint", 'set(attributes["a"], "b") where count == 0'),
    ("metric", "set(data_points, [])"),
    # Other contexts than its own.
    ("datapoint", 'set(resource.attributes["a"], "b")'),
    ("datapoint", 'set(metric.name, "b")'),
    ("resource", 'set(attributes["a"], metric.name)'),
    ("exemplar", "keep_keys(datapoint.attributes, [])"),
    ("datapoint", 'aggregate_on_attributes("sum", [])'),
    # What has another meaning here, or none.
    ("metric", 'aggregate_on_attributes("average", [])'),
    ("metric", "set(type, METRIC_DATA_TYPE_SUM)"),
    ("metric", "set(name, description)"),
    ("metric", "set(name, resource.schema_url)"),
    ("metric", "keep_keys(name, [])"),
    ("datapoint", 'set(attributes["a"]["b"], "c")'),
    ("datapoint", 'set(attributes, "c")'),
    ("datapoint", 'set(attributes[0], "c")'),
    ("datapoint", "keep_keys(attributes[1.5], [])"),
    ("datapoint", 'set(cache["a"], "c")'),
    ("datapoint", 'keep_keys(attributes["a"], ["c"])'),
    ("datapoint", 'merge_maps(attributes, resource.attributes, "upsert")'),
    ("datapoint", 'set(attributes["a"], ToLowerCase("A"))'),
    ("datapoint", 'set(attributes["a"], ["b"])'),
    ("datapoint", "truncate_all(attributes, 1, false)"),
    ("datapoint", 'replace_pattern(attributes["a"], "b", "c", MD5)'),
    ("datapoint", 'replace_pattern(attributes["a"], "b", "c", SHA256, "%s")'),
    ("datapoint", 'delete_matching_keys(attributes, attributes["a"])'),
    # Mistakes.
    ("datapoint", "keep_keys(attributes)"),
    ("datapoint", 'keep_keys(attributes, ["a"], ["b"])'),
    ("datapoint", 'keep_keys(attributes, target = ["a"])'),
    ("datapoint", 'keep_keys(attributes, ["a"]'),
    ("datapoint", 'delete_matching_keys(attributes, "\\.")'),
    ("datapoint", "truncate_all(attributes, 1.5)"),
    ("datapoint", f"truncate_all(attributes, {'9' * 5000})"),
    ("datapoint", f'set(attributes["a"], {2**63})'),
    ("datapoint", f'set(attributes["a"], {"9" * 400}.0)'),
    ("datapoint", "truncate_all(attributes, -1)"),
    ("datapoint", 'replace_all_patterns(attributes, "both", "a", "b")'),
    ("span", "keep_keys(attributes, [])"),
]


@pytest.mark.parametrize(("context", "statement"), REFUSED)
def test_what_this_engine_does_not_do_is_refused(context: str, statement: str) -> None:
    """A statement is run as the Collector runs it, or not at all."""
    with pytest.raises(ConfigError):
        rule(statement, context=context)


@pytest.mark.parametrize("mode", ["", "error_mode: ignore", "error_mode: silent"])
def test_a_statement_that_fails_may_not_be_passed_over(mode: str) -> None:
    """The Collector's default would expose what a statement was to remove."""
    group = "{context: datapoint, statements: ['keep_keys(attributes, [])']}"
    for text in ("'keep_keys(datapoint.attributes, [])'", group):
        with pytest.raises(ConfigError, match="error_mode: propagate"):
            processor(transform.read, f"{mode}\nmetric_statements: [{text}]")
    own = f"{group[:-1]}, error_mode: propagate}}"
    assert processor(transform.read, f"{mode}\nmetric_statements: [{own}]").rewrite


def test_modes_and_contexts_are_read_in_any_case() -> None:
    """As the Collector reads them."""
    group = "statements: ['keep_keys(attributes, [])']"
    for text in (
        f"error_mode: PROPAGATE\nmetric_statements: [{{context: Datapoint, {group}}}]",
        f"metric_statements: [{{context: DATAPOINT, error_mode: Propagate, {group}}}]",
    ):
        rewrite = processor(transform.read, text).rewrite
        assert rewrite is not None
        assert rewrite(stream(attributes="a=1")) == stream()


def test_two_contexts_in_one_list_are_refused() -> None:
    """The Collector would run all of them in the innermost, or for what has an exemplar only."""
    with pytest.raises(ConfigError, match="a group of its own"):
        rule_of("- keep_keys(resource.attributes, [])\n- keep_keys(datapoint.attributes, [])")


INNERMOST = [
    # Where the innermost path stands, and what is refused because of it.
    ("- keep_keys(datapoint.attributes, [])\n- keep_keys(resource.attributes, [])", "resource"),
    (
        """\
        - conditions: ['datapoint.attributes["a"] == nil']
          statements: ['set(metric.name, "y")', 'keep_keys(resource.attributes, [])']
        """,
        "metric",
    ),
]


@pytest.mark.parametrize(("groups", "refused"), INNERMOST)
def test_every_path_of_a_group_counts(groups: str, refused: str) -> None:
    """The innermost context is that of the group, wherever in it the path stands."""
    with pytest.raises(
        ConfigError, match=f"{refused}.*the statement runs in the context .datapoint"
    ):
        rule_of(groups)


def test_a_group_without_a_context_is_told_once() -> None:
    """At its first statement, not at each."""
    with pytest.raises(ConfigError) as caught:
        rule_of("- set(name, 'a')\n- set(unit, 'b')".replace("'", '"'))
    assert str(caught.value).count("no path in this group") == 1


def test_no_condition_on_exemplars_fails() -> None:
    """No exemplar leaves this engine, so nothing is asked of what they belong to."""
    odd = replace(POINT, attributes=(("a", Typed("array", "[1]")),))
    statement = 'keep_keys(filtered_attributes, []) where IsMatch(datapoint.attributes["a"], "1")'
    assert rule(statement, context="exemplar")(odd) == odd


PIECES = ["set", "(", ")", "[", "]", ",", '"a"', "attributes", ".", "==", "and", "or", "not"]
PIECES += ["where", "nil", "true", "1", "1.5", "IsMatch", "METRIC_DATA_TYPE_SUM", '"', "\\", "="]


@given(st.lists(st.sampled_from(PIECES)).map(" ".join) | st.text())
def test_any_text_is_a_tree_or_refused(text: str) -> None:
    """No statement crashes the parser."""
    for read in (parse.statement, parse.condition):
        try:
            read(text)
        except Refused as refused:
            str(refused).encode()
