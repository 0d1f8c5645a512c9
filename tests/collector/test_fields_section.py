"""A section collects every mistake, and a key nobody knows is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from collector.errors import ConfigError
from collector.fields.section import File, open_file
from collector.settings import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.fields.section import Section

ENDPOINTS = [
    ("127.0.0.1:4318", Endpoint("127.0.0.1", 4318)),
    ("localhost:0", Endpoint("localhost", 0)),
    (":9464", Endpoint("", 9464)),
    ("0.0.0.0:65535", Endpoint("0.0.0.0", 65535)),
    ('"[::1]:9464"', Endpoint("::1", 9464)),
    ('"[::]:09464"', Endpoint("::", 9464)),
    ('"[fe80::1%eth0]:80"', Endpoint("fe80::1%eth0", 80)),
    ("collector_1.example.com:80", Endpoint("collector_1.example.com", 80)),
    ('""', None),
    ("9464", None),
    ("localhost", None),
    ("localhost:http", None),
    ("localhost:65536", None),
    ("localhost:-1", None),
    ("http://localhost:80", None),
    ("my host:80", None),
    ("::1:80", None),
    ('"[::1]"', None),
    ('"[localhost]:80"', None),
    ("[a, b]", None),
]


def opened(text: str) -> File:
    """Open a text without an environment."""
    return open_file("config.yaml", text, {})


def mistakes(file: File) -> list[str]:
    """What closing the file says, line by line."""
    with pytest.raises(ConfigError) as caught:
        file.close()
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("written", "expected"), ENDPOINTS)
def test_an_endpoint_is_host_and_port(written: str, expected: Endpoint | None) -> None:
    """Hosts, addresses in brackets and every interface; no scheme, no name for a port."""
    default = Endpoint("default", 1)
    file = opened(f"at: {written}\n")
    assert file.root.endpoint("at", default) == (expected or default)
    if expected:
        file.close()
    else:
        assert mistakes(file)[0].startswith("config.yaml:1: at: ")


SCALARS: list[tuple[str, Any]] = [
    ("text", "text"),
    ('"5"', "5"),
    ("5", 5),
    ("0x1F", 31),
    ("-1_000", -1000),
    ("1_0.5", 10.5),
    ("-.inf", float("-inf")),
    ("false", False),
    ("~", None),
    ("9223372036854775807", 2**63 - 1),
]


@pytest.mark.parametrize(("written", "expected"), SCALARS)
def test_a_scalar_has_the_type_that_it_is_written_in(written: str, expected: object) -> None:
    """Where any type is allowed, quotes tell text from numbers."""
    file = opened(f"at: {written}\n")
    found = file.root.scalar("at")
    file.close()
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("written", ["[a]", "{a: b}", "9223372036854775808", "2024-01-02"])
def test_what_is_no_scalar_is_refused(written: str) -> None:
    """Lists, maps, dates, and numbers beyond 64 bits."""
    file = opened(f"at: {written}\n")
    assert file.root.scalar("at") is None
    assert mistakes(file)[0].startswith("config.yaml:1: at: expects text, a number, true or false")


def test_a_list_of_texts_is_told_from_a_list_of_maps() -> None:
    """By its first item; asking does not count as reading."""
    root = opened("{texts: [a, b: c], maps: [b: c], none: [], other: a}").root
    assert root.begins_with_text("texts")
    assert not any(map(root.begins_with_text, ("maps", "none", "other", "absent")))


def test_a_key_that_is_absent_has_its_default() -> None:
    """An empty file reads as all defaults, and is no mistake by itself."""
    root = opened("").root
    assert root.text("a", "x") == "x"
    assert root.flag("a", default=True)
    assert root.whole("a", 7) == 7
    assert root.seconds("a", 1.5) == 1.5
    assert root.words("a") == ()
    assert root.pairs("a") == {}
    assert root.scalar("a") is None
    assert root.choice("a", ("x", "y"), "y") == "y"
    assert root.section("a").section("b").text("c") == ""
    assert root.sections("a") == []
    assert "a" not in root


READS: list[tuple[str, Callable[[Section], Any], Any, str]] = [
    ("a: [x]", lambda s: s.text("a", "d"), "d", "config.yaml:1: a: expects text, not a list"),
    ("a: 5", lambda s: s.whole("a", 1, least=6), 1, "config.yaml:1: a: expects 6 to"),
    ("a: x", lambda s: s.words("a") and s.names("a"), (), "config.yaml:1: a: expects a list"),
    ("a: []", lambda s: s.names("a", 1), (), "config.yaml:1: a: must name at least 1"),
    ("a:\n- x\n- 5", lambda s: s.words("a"), (), "config.yaml:3: a[1]: expects text, not 5"),
    ("a: {b: {}}", lambda s: s.pairs("a"), {}, "config.yaml:1: a::b: expects text, not a map"),
    ("a: z", lambda s: s.choice("a", ("x",), "x"), "x", 'config.yaml:1: a: expects x, not "z"'),
    ("a: z", lambda s: s.choice("a", "x", "x", ("z",)), "x", "config.yaml:1: a: "),
    ("a: 1", lambda s: s.section("a").text("b"), "", "config.yaml:1: a: expects a map, not 1"),
    ("a: [1]", lambda s: s.sections("a")[0].text("b"), "", "config.yaml:1: a[0]: expects a map"),
    ("a: {}", lambda s: s.sections("a"), [], "config.yaml:1: a: expects a list, not a map"),
]


@pytest.mark.parametrize(("text", "read", "stand_in", "message"), READS)
def test_a_mistake_is_written_down_and_a_default_stands_in(
    text: str, read: Callable[[Section], Any], stand_in: object, message: str
) -> None:
    """Readers never raise: the file says at its end what was wrong, with line and path."""
    file = opened(text)
    assert read(file.root) == stand_in
    assert mistakes(file)[0].startswith(message)


def test_all_mistakes_are_reported_in_the_order_of_the_file() -> None:
    """One run of a person's editor is enough to mend a file."""
    file = opened("a: 1\nb: x\nc: 5m\nd: e\n")
    file.root.seconds("c")
    file.root.whole("b")
    file.root.text("a")
    assert [line.split(": ")[0] for line in mistakes(file) if line[0] != " "] == [
        "config.yaml:1",
        "config.yaml:2",
        "config.yaml:4",
    ]


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    """At every depth, also in lists, with what is allowed there."""
    file = opened("outer:\n- inner:\n    colour: red\n    size: 5\n")
    inner = file.root.sections("outer")[0].section("inner")
    inner.text("color")
    inner.whole("size")
    assert mistakes(file) == [
        'config.yaml:3: outer[0]::inner: unknown key "colour"',
        '    did you mean "color"? allowed here: color, size',
    ]


def test_a_missing_key_is_named() -> None:
    """A required key is missed where its section stands, unless that is no map at all."""
    file = opened("a: {b: 1}\nc: 5\n")
    file.root.section("a").require("b", "d")
    file.root.section("a").whole("b")
    file.root.section("c").require("d")
    assert mistakes(file) == [
        'config.yaml:1: a: the key "d" is missing',
        "config.yaml:2: c: expects a map, not 5",
    ]


def test_what_only_the_collector_does_is_refused_by_name() -> None:
    """Keys and values of the Collector's are no typing mistakes: the message says who can."""
    file = opened("tls: {cert: x}\nlog: json\ntcp: tcp\n")
    file.root.elsewhere("tls", "auth", why=" yet")
    file.root.only("log", "console")
    file.root.only("tcp", "tcp")
    pointer = "    The OpenTelemetry Collector (otelcol-contrib) can run it: see README.md."
    assert mistakes(file) == [
        "config.yaml:1: tls: not supported by this engine yet",
        pointer,
        "config.yaml:2: log: anything but console is not supported by this engine",
        pointer,
    ]


def test_a_line_with_an_unreadable_reference_has_one_message() -> None:
    """What follows from a reference that cannot be read is not held against the file."""
    file = opened("a: ${file:x}\n")
    file.root.whole("a")
    assert len([line for line in mistakes(file) if line[0] != " "]) == 1


def test_a_warning_has_a_place() -> None:
    """What is allowed but hardly meant has path and line as well."""
    file = opened("a:\n  b: x\n")
    file.root.section("a").warn("b", "hardly meant")
    assert file.warnings == ["config.yaml:2: a::b: hardly meant"]
