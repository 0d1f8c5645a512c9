"""`redaction` deletes every attribute that is not allowed, wherever in a stream it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ConfigError
from collector.model import Merge, Typed
from collector.processors import redaction
from tests.collector.configured import processor
from tests.collector.streams import stream

if TYPE_CHECKING:
    from collector.model import Stream
    from collector.rule import Rewrite

CASES = [
    ("allowed_keys: [a]", stream(attributes="a=1 b=2"), stream(attributes="a=1")),
    ("allowed_keys: [a]", stream(resource="a=1 b=2"), stream(resource="a=1")),
    ("allowed_keys: [a]", stream(scope="a=1 b=2"), stream(scope="a=1")),
    ("allowed_keys: [b, a]", stream(attributes="a=1 b=2"), stream(attributes="a=1 b=2")),
    ("allowed_keys: []", stream(attributes="a=1", resource="a=1", scope="a=1"), stream()),
    ("allow_all_keys: false", stream(attributes="a=1"), stream()),
    ("{summary: silent, allowed_keys: [a]}", stream(attributes="A=1 a.b=2 aa=3"), stream()),
    ("allowed_keys: ['a.*']", stream(attributes="a=1 ab=2"), stream()),
    # What the Collector would let through, as keys of its own summary.
    ("allowed_keys: [a]", stream(attributes="redaction.masked.keys=acme"), stream()),
    ("allow_all_keys: true", stream(attributes="a=1"), stream(attributes="a=1")),
    (
        "{allow_all_keys: true, blocked_values: [o, t]}",
        stream(attributes="a=one b=two", resource="c=no", scope="d=yes"),
        stream(attributes="a=****ne b=****w****", resource="c=n****", scope="d=yes"),
    ),
    (
        "{allowed_keys: [tenant, b], blocked_key_patterns: [tenant]}",
        stream(attributes="tenant=acme b=acme c=acme"),
        stream(attributes="tenant=**** b=acme"),
    ),
    (
        "{ignored_keys: [a], ignored_key_patterns: [^x], blocked_values: [.]}",
        stream(attributes="a=1 b=2 x=3"),
        stream(attributes="a=1 x=3"),
    ),
    (
        "{allow_all_keys: true, hash_function: MD5, blocked_values: [acme]}",
        stream(attributes="a=x-acme"),
        stream(attributes="a=x-53bce4f1dfa0fe8e7ca126f91b35d3a6"),
    ),
    # Which numbers meet in what way was decided before, and stays.
    (
        "allowed_keys: [a]",
        stream(attributes="a=1 b=2", merge=Merge.MAX),
        stream(attributes="a=1", merge=Merge.MAX),
    ),
]
REFUSED = [
    "summary: info",
    "summary: debug",
    "summary: loud",
    "blocked_values: ['(']",
    "blocked_key_patterns: ['[[:alpha:]]']",
    "hash_function: sha2",
    "{hash_function: hmac-sha256, hmac_key: short}",
    "{hash_function: hmac-sha512, hmac_key: 0123456789abcdef0123456789abcdef}",
    "url_sanitizer: {enabled: true}",
    "db_sanitizer: {sql: {enabled: true}}",
    "allowed_key: [a]",
    "allowed_keys: {a: true}",
]


def rule(text: str) -> Rewrite:
    """Return the rule that a processor's YAML means."""
    rewrite = processor(redaction.read, text).rewrite
    assert rewrite is not None
    return rewrite


@pytest.mark.parametrize(("text", "before", "after"), CASES)
def test_what_is_not_allowed_goes(text: str, before: Stream, after: Stream) -> None:
    """Keys are compared letter by letter; all else of a stream stays as it is."""
    assert rule(text)(before) == after


def test_a_value_of_any_type_goes_with_its_key() -> None:
    """Lists and maps hide nothing."""
    hidden = replace(stream(), attributes=(("b", Typed("map", '{"a":1}')),))
    assert rule("allowed_keys: [a]")(hidden) == stream()


@pytest.mark.parametrize("text", REFUSED)
def test_what_this_engine_does_not_do_is_refused(text: str) -> None:
    """A redaction rule that would silently do nothing is the worst of all."""
    with pytest.raises(ConfigError):
        processor(redaction.read, text)


def test_a_key_that_is_too_short_is_told_once_and_not_shown() -> None:
    """Where it stands, how long it has to be, and where it should stand; never what it is."""
    with pytest.raises(ConfigError) as caught:
        processor(redaction.read, "hash_function: hmac-sha256\nhmac_key: hunter2")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("hmac_key", 2)
    assert problem.what == "hmac-sha256 needs at least 32 bytes, not 7"
    assert "${env:…}" in problem.hint
    with pytest.raises(ConfigError) as caught:
        processor(redaction.read, "hash_function: hmac-sha256\nhmac_key: [hunter2]")
    (problem,) = caught.value.problems
    assert "at least" not in problem.what


KEYS = st.dictionaries(st.sampled_from("abcdef"), st.just("v"))


@given(KEYS, KEYS, KEYS, st.sets(st.sampled_from("abcdef")))
def test_nothing_but_allowed_keys_is_left(
    resource: dict[str, str], scope: dict[str, str], point: dict[str, str], allowed: set[str]
) -> None:
    """Of each place exactly the allowed attributes are left, in their order; twice is once."""
    bare = stream()
    before = replace(
        bare,
        resource=tuple(sorted(resource.items())),
        scope=bare.scope._replace(attributes=tuple(sorted(scope.items()))),
        attributes=tuple(sorted(point.items())),
    )
    rewrite = rule(f"allowed_keys: [{', '.join(sorted(allowed))}]")
    after = rewrite(before)
    assert after is not None
    for kept, given_ in (
        (after.resource, resource),
        (after.scope.attributes, scope),
        (after.attributes, point),
    ):
        assert kept == tuple((key, "v") for key in sorted(given_.keys() & allowed))
    assert rewrite(after) == after
