"""`redaction` deletes every attribute that is not allowed, wherever in a stream it stands."""

from __future__ import annotations

import gc
import weakref
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
    from collector.model import Stream, Value
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


# What `sha1sum` and `openssl dgst` say of acme, with keys of exactly the bytes that are needed.
KEY = "0123456789abcdef0123456789abcdef"
DIGESTS = [
    ("hash_function: md5", "53bce4f1dfa0fe8e7ca126f91b35d3a6"),
    ("hash_function: sha1", "293abb6b76d7791c0732cc517d38c4b5c734b87f"),
    ("hash_function: sha3", "51d5d86f52c390f55c86ee644e76fc12c0fcef6a5e2d442e9177d94bf8cb98dc"),
    (
        f"hash_function: hmac-sha256, hmac_key: {KEY}",
        "d8ad00265ff0a302d72247bcd296954337283c37fd952e4402787e655458b2ae",
    ),
    (
        f"hash_function: HMAC-SHA512, hmac_key: {KEY * 2}",
        "27866c6737e68a941e8e6c5ece9f0d197dc9f7eed4401d5c58b21eb70db4cf902d651853c6907b9299bc80256efe14bcb7d408077c5ed5232fb2f5083a74a37a",
    ),
]


@pytest.mark.parametrize(("function", "digest"), DIGESTS)
def test_a_digest_stands_in_place_of_what_matches(function: str, digest: str) -> None:
    """Of the match alone by a value's pattern, of the whole value by its key's."""
    blocked = "blocked_values: [acme], blocked_key_patterns: [tenant]"
    rewrite = rule(f"{{allow_all_keys: true, {blocked}, {function}}}")
    before = stream(attributes="a=x-acme-y tenant=acme")
    assert rewrite(before) == stream(attributes=f"a=x-{digest}-y tenant={digest}")


FIVE, LIST, EMPTY = Typed("int", "5"), Typed("array", '["acme"]'), Typed("empty", "")
VALUES: list[tuple[str, str, Value, Value]] = [
    # Settings, a key, its value, and what is left of it.
    ("blocked_values: [x], allowed_values: [public]", "a", "x public", "x public"),
    ("blocked_values: [x], allowed_values: [public]", "a", "x", "****"),
    ("blocked_key_patterns: [k], allowed_values: [public]", "key", "public", "public"),
    ("blocked_values: [x], ignored_keys: [a]", "a", "x", "x"),
    ("blocked_values: [x], ignored_keys: [a]", "ab", "x", "****"),
    ("blocked_values: [x], ignored_key_patterns: [b]", "abc", "x", "x"),
    ("blocked_key_patterns: [a], ignored_keys: [a]", "a", "x", "x"),
    ("blocked_key_patterns: [z, a]", "a", "x", "****"),
    ("blocked_key_patterns: [a]", "a", "", "****"),
    ("blocked_key_patterns: [a]", "a", "x\ny", "****\n****"),
    ("blocked_values: [x, y]", "a", "xyz", "********z"),
    # Values of other types have no text, unless all types are meant.
    ("blocked_values: [.]", "a", FIVE, FIVE),
    ("blocked_values: [.], redact_all_types: true", "a", FIVE, "****"),
    ("blocked_values: [acme]", "a", LIST, LIST),
    ("blocked_values: [acme], redact_all_types: true", "a", LIST, '["****"]'),
    ("blocked_values: [x], redact_all_types: true", "a", LIST, LIST),
    ("blocked_values: [^$$]", "a", FIVE, "****"),
    ("blocked_values: [x], redact_all_types: true", "a", FIVE, FIVE),
    ("blocked_key_patterns: [a]", "a", FIVE, "****"),
    ("blocked_key_patterns: [a]", "a", EMPTY, "****"),
    ("blocked_key_patterns: [a], allowed_values: ['5']", "a", FIVE, "****"),
    ("blocked_key_patterns: [a], allowed_values: ['5'], redact_all_types: true", "a", FIVE, FIVE),
]


@pytest.mark.parametrize(("settings", "key", "value", "after"), VALUES)
def test_what_is_left_of_a_value(settings: str, key: str, value: Value, after: Value) -> None:
    """Ignored keys first, then allowed values, blocked keys, blocked values; the rest stays."""
    rewrite = rule(f"{{allow_all_keys: true, {settings}}}")
    assert rewrite(_everywhere(key, value)) == _everywhere(key, after)


def _everywhere(key: str, value: Value) -> Stream:
    bare, pair = stream(), ((key, value),)
    scope = bare.scope._replace(attributes=pair)
    return replace(bare, resource=pair, scope=scope, attributes=pair)


LOOKS_AT_VALUES = ["allowed_values", "blocked_key_patterns", "blocked_values"]


@pytest.mark.parametrize("key", LOOKS_AT_VALUES)
def test_whoever_looks_at_values_says_so(key: str) -> None:
    """Otherwise what became of one stream would be taken for what becomes of all with its keys."""
    assert processor(redaction.read, "allowed_keys: [a]").is_blind
    assert processor(redaction.read, "ignored_key_patterns: [a]").is_blind
    assert not processor(redaction.read, f"{key}: [a]").is_blind


class Text(str):
    """A text of which it can be seen when nobody holds it."""

    __slots__ = ("__weakref__",)


def test_only_so_many_attributes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values of streams that are gone stay nowhere for long."""
    monkeypatch.setattr(redaction, "REMEMBERED", 2)
    rewrite = rule("allowed_keys: [a]")
    value = Text("acme")
    seen = weakref.ref(value)
    rewrite(replace(stream(), attributes=(("a", value),)))
    del value
    for other in "123":
        rewrite(stream(attributes=f"a={other}"))
    gc.collect()
    assert seen() is None


def test_sanitizers_that_are_turned_off_are_no_mistake() -> None:
    """They are the Collector's defaults, written out."""
    off = "{enabled: false, attributes: [a]}"
    databases = ", ".join(f"{name}: {off}" for name in DATABASES)
    text = f"""
    url_sanitizer: {{enabled: false, attributes: [a], sanitize_span_name: true}}
    db_sanitizer: {{sanitize_span_name: true, {databases}}}
    summary: silent
    allow_all_keys: true
    blocked_values: []
    """
    assert rule(text)(stream(attributes="a=1")) == stream(attributes="a=1")


DATABASES = ("es", "memcached", "mongo", "opensearch", "redis", "sql", "valkey")


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
