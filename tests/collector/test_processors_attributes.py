"""`attributes` and `resource` act on keys and values of points, and of resources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from collector.attributes import value_of
from collector.errors import RuleFailed
from collector.model import Typed
from collector.processors import attributes, resource
from tests.collector.configured import processor
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collector.model import Stream, Value
    from collector.rule import Rewrite

# What `sha256sum` says of the text 1, the byte 1, 5 in 8 bytes and 1.5 in 8 bytes.
SHA_TEXT = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
SHA_TRUE = "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a"
SHA_INT = "f13ee6ed54ea2aae9fc49a9faeb5da6e8ddef0e12ed5d30d35a624ae813e0485"
SHA_DOUBLE = "e163f8cb0f7067a7fc78ca859a77f849aea3214f38fb75b884e4a16be725c905"


def rule(text: str) -> Rewrite:
    """Return the rule that a list of actions on points means."""
    rewrite = processor(attributes.read, f"actions: [{text}]").rewrite
    assert rewrite is not None
    return rewrite


def point(**values: Value) -> Stream:
    """Return a stream with these attributes."""
    return replace(stream(), attributes=tuple(sorted(values.items())))


CASES = [
    # Values of the file.
    ("{key: c, value: x, action: insert}", point(a="1", b="2", c="x")),
    ("{key: a, value: x, action: insert}", point(a="1", b="2")),
    ("{key: a, value: x, action: update}", point(a="x", b="2")),
    ("{key: c, value: x, action: update}", point(a="1", b="2")),
    ("{key: a, value: x, action: UPSERT}", point(a="x", b="2")),
    ("{key: c, value: x, action: upsert}", point(a="1", b="2", c="x")),
    # They have types.
    ("{key: c, value: 5, action: insert}", point(a="1", b="2", c=Typed("int", "5"))),
    ("{key: c, value: '5', action: insert}", point(a="1", b="2", c="5")),
    ("{key: c, value: 1.50, action: insert}", point(a="1", b="2", c=Typed("double", "1.5"))),
    ("{key: c, value: .inf, action: insert}", point(a="1", b="2", c=Typed("double", "Infinity"))),
    ("{key: c, value: false, action: insert}", point(a="1", b="2", c=Typed("bool", "false"))),
    # Values of other attributes, and what stands in for them.
    ("{key: a, from_attribute: b, action: update}", point(a="2", b="2")),
    ("{key: a, from_attribute: c, action: update}", point(a="1", b="2")),
    ("{key: a, from_attribute: c, default_value: 0, action: update}", point(a=value_of(0), b="2")),
    ("{key: a, from_attribute: b, default_value: x, action: update}", point(a="2", b="2")),
    ("{key: c, default_value: x, action: insert}", point(a="1", b="2", c="x")),
    # Keys and patterns of keys.
    ("{key: a, action: delete}", point(b="2")),
    ("{key: A, action: delete}", point(a="1", b="2")),
    ("{pattern: '[ab]', action: delete}", point()),
    ("{key: a, pattern: ^b, action: delete}", point()),
    ("{key: a, action: hash}", point(a=SHA_TEXT, b="2")),
    ("{pattern: ^a$$, action: hash}", point(a=SHA_TEXT, b="2")),
    ("{key: c, action: hash}", point(a="1", b="2")),
    # Named groups.
    ("{key: a, pattern: '(?P<b>.)(?P<c>.?)', action: extract}", point(a="1", b="1", c="")),
    ("{key: a, pattern: '(?P<b>x)?(?P<c>.)', action: extract}", point(a="1", b="", c="1")),
    ("{key: a, pattern: '(?P<b>x)', action: extract}", point(a="1", b="2")),
    ("{key: c, pattern: '(?P<b>.)', action: extract}", point(a="1", b="2")),
    # What is not there has no type and no value.
    ("{key: c, action: convert, converted_type: string}", point(a="1", b="2")),
    ("{key: c, action: convert, converted_type: int}", point(a="1", b="2")),
    # Several, in their order.
    (
        "{key: c, from_attribute: a, action: insert}, {key: a, action: delete}",
        point(b="2", c="1"),
    ),
]


@pytest.mark.parametrize(("text", "after"), CASES)
def test_actions(text: str, after: Stream) -> None:
    """Each action does what the Collector's does; all else of a stream stays."""
    before = point(a="1", b="2")
    assert rule(text)(before) == after


CONVERSIONS: list[tuple[str, Value, Value]] = [
    ("string", "x", "x"),
    ("string", Typed("int", "5"), "5"),
    ("string", Typed("bool", "true"), "true"),
    ("string", Typed("array", "[1]"), "[1]"),
    ("int", "5", Typed("int", "5")),
    ("int", "-05", Typed("int", "-5")),
    ("int", " 5", " 5"),
    ("int", "5_0", "5_0"),
    ("int", "0" * 5000, "0" * 5000),
    ("int", str(-(2**63)), Typed("int", str(-(2**63)))),
    ("double", "9" * 5000, "9" * 5000),
    ("int", str(2**63 - 1), Typed("int", str(2**63 - 1))),
    ("int", str(2**63), str(2**63)),
    ("int", str(-(2**63) - 1), str(-(2**63) - 1)),
    ("int", Typed("double", str(-(2.0**63))), Typed("int", str(-(2**63)))),
    ("int", Typed("double", "-1.9"), Typed("int", "-1")),
    ("int", Typed("bool", "true"), Typed("int", "1")),
    ("int", Typed("array", "[1]"), Typed("array", "[1]")),
    ("double", "1e3", Typed("double", "1000")),
    ("double", "Inf", Typed("double", "Infinity")),
    ("double", "1e999", "1e999"),
    ("double", "x", "x"),
    ("double", Typed("int", "5"), Typed("double", "5")),
    ("double", Typed("bool", "false"), Typed("double", "0")),
    ("double", Typed("bytes", "AA=="), Typed("bytes", "AA==")),
]


@pytest.mark.parametrize(("type_", "before", "after"), CONVERSIONS)
def test_conversions(type_: str, before: Value, after: Value) -> None:
    """What cannot be converted stays as it is."""
    rewrite = rule(f"{{key: a, action: convert, converted_type: {type_}}}")
    assert rewrite(point(a=before)) == point(a=after)


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "1e300", "9223372036854775808", "-9223372036854777856"]
)
def test_a_number_too_large_for_an_integer_is_no_point(text: str) -> None:
    """What Go makes of it depends on the machine; so the stream is kept out."""
    with pytest.raises(RuleFailed):
        rule("{key: a, action: convert, converted_type: int}")(point(a=Typed("double", text)))


HASHES: list[tuple[Value, str]] = [
    (Typed("bool", "true"), SHA_TRUE),
    (Typed("int", "5"), SHA_INT),
    (Typed("double", "1.5"), SHA_DOUBLE),
    (Typed("array", "[1]"), ""),
    (Typed("empty", ""), ""),
]


@pytest.mark.parametrize(("value", "digits"), HASHES)
def test_hashes_are_of_bytes(value: Value, digits: str) -> None:
    """A value that has no bytes of its own becomes nothing."""
    assert rule("{key: a, action: hash}")(point(a=value)) == point(a=digits)


def test_an_attribute_without_a_name_stands_in_for_none() -> None:
    """It is copied by nobody who names no attribute to copy from."""
    before = point(**{"": "9"})
    assert rule("{key: c, default_value: x, action: insert}")(before) == point(
        **{"": "9", "c": "x"}
    )


def test_the_metrics_are_chosen_by_name() -> None:
    """Included, if anything is, and not excluded."""
    text = (
        "{include: {match_type: regexp, metric_names: [^x]}, "
        "exclude: {match_type: strict, metric_names: [x.y, x.z]}, "
        "actions: [{key: a, action: delete}]}"
    )
    rewrite = processor(attributes.read, text).rewrite
    assert rewrite is not None
    for name, kept in {"x": "", "x.yy": "", "x.y": "a=1", "x.z": "a=1", "y": "a=1"}.items():
        assert rewrite(stream(name, "a=1")) == stream(name, kept)


def test_resource_acts_on_resources() -> None:
    """The same actions, and points and scopes stay."""
    text = "attributes: [{key: a, action: delete}, {key: b, value: 2, action: insert}]"
    configured = processor(resource.read, text)
    rewrite = configured.rewrite
    assert rewrite is not None
    assert configured.is_blind  # to what points say
    before = stream(attributes="a=1", resource="a=1", scope="a=1")
    after = replace(before, resource=(("b", Typed("int", "2")),))
    assert rewrite(before) == after
