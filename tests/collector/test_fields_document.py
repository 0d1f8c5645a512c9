"""YAML is read as the OpenTelemetry Collector reads it, and every node knows its line."""

from __future__ import annotations

import pytest

from collector.fields import document
from collector.fields.document import MappingNode, ScalarNode, SequenceNode, Type, Unreadable

TYPES = {
    Type.NOTHING: ["", "~", "null", "Null", "NULL"],
    Type.FLAG: ["true", "True", "FALSE"],
    Type.WHOLE: ["0", "-1", "+5", "0123", "0o17", "0x1F", "0b11", "1_000", "18446744073709551615"],
    Type.FRACTION: ["1.5", "1.", ".5", "1e3", "-.inf", ".NaN", "09", "1" * 21],
    Type.DATE: ["2024-01-02", "2001-12-14t21:59:43.10-05:00"],
    Type.TEXT: ["yes", "off", "n", "1:30", "1.2.3", "0x", "_1", "nULL", "127.0.0.1:4318", "é"],
}

UNREADABLE = [
    # What is wrong, and the line that has to be blamed.
    ("a: [b\nc: d\n", 2, "not YAML: expected ',' or ']', but got ':'"),
    ("a: b\n c: d\n", 2, "not YAML: mapping values are not allowed here"),
    ("a: *b\n", 1, "not YAML: found undefined alias 'b'"),
    ("a:\n- &b [*b]\n", 2, "an anchor that contains itself"),
    ("a: 1\nb: 2\na: 3\n", 3, 'the key "a" stands here and in line 1 already'),
    ("a: 1\n1: 2\n", 2, "a key that is not text"),
    ("? [a]\n: b\n", 1, "a key that is not text"),
    ("a: !!set {b}\n", 1, "the tag tag:yaml.org,2002:set is not supported"),
    ("a: !ours b\n", 1, "the tag !ours is not supported"),
    ("a: !!int b\n", 1, "this is not a whole number, as its tag says"),
    ("<<: [a]\n", 1, "<< merges maps only"),
    ("a: b\n---\nc: d\n", 2, "not YAML: but found another document"),
    ("a: b\nc: \x00\n", 2, "not YAML: the character 0x0"),
    ('a: b\nc: "\\U00110000"\n', 2, "not YAML: a number out of range"),
    ('a: "\\ud800"\n', 1, "half of a surrogate pair is not a character"),
    ("a: " + "[" * 65, 1, "not YAML: nested more than 64 deep"),
]


def plain(node: document.Node) -> object:
    """A tree without its lines."""
    if isinstance(node, MappingNode):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.items]
    return node.text


@pytest.mark.parametrize(("kind", "texts"), TYPES.items())
def test_a_plain_scalar_has_the_collectors_type(kind: Type, texts: list[str]) -> None:
    """What looks like a number, a flag or nothing is one; `yes` and `1:30` are text."""
    for text in texts:
        assert document.read(f"- {text}\n") == SequenceNode(1, (ScalarNode(1, kind, text),))


@pytest.mark.parametrize("written", ['"5"', "'5'", "!!str 5", "|-\n  5", ">-\n  5"])
def test_a_quoted_scalar_is_text(written: str) -> None:
    """Quotes, block scalars and a tag make text of a number."""
    root = document.read(f"a: {written}\n")
    assert isinstance(root, MappingNode)
    node = root.entries["a"].node
    assert isinstance(node, ScalarNode)
    assert (node.type, node.text) == (Type.TEXT, "5")


def test_keys_and_values_know_their_lines() -> None:
    """An entry's line is its key's; a value's is where it starts, so an alias is its anchor."""
    root = document.read("a:\n  &list\n  - b\n\nc: *list\n")
    assert isinstance(root, MappingNode)
    assert [(key, entry.line, entry.node.line) for key, entry in root.entries.items()] == [
        ("a", 1, 2),
        ("c", 5, 2),
    ]
    assert root.entries["a"].node is root.entries["c"].node


def test_merged_maps_stand_behind_own_keys() -> None:
    """`<<` brings the keys of one map or of many; the map's own and the earlier ones win."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}\n"
    root = document.read(text)
    assert plain(root) == {
        "x": {"a": "1", "b": "1"},
        "y": {"b": "2", "c": "2"},
        "z": {"a": "1", "b": "1", "c": "3"},
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
def test_an_empty_document_is_nothing(text: str) -> None:
    """No document is no mistake yet."""
    node = document.read(text)
    assert isinstance(node, ScalarNode)
    assert node.type is Type.NOTHING


@pytest.mark.parametrize(("text", "line", "what"), UNREADABLE)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, what: str) -> None:
    """Whatever the text, there is one answer: the line and what is wrong there."""
    with pytest.raises(Unreadable) as caught:
        document.read(text)
    assert (caught.value.line, caught.value.what) == (line, what)


def test_aliases_cost_nothing() -> None:
    """A tower of aliases stands for 3^50 nodes and is read as 50."""
    text = "a0: &a0 [x, x, x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 50)
    )
    root = document.read(text)
    assert isinstance(root, MappingNode)
    assert len(root.entries) == 50
