"""YAML text becomes nodes that know their line and, where scalar, their type.

In: the text of a file, or of one value. Out: frozen nodes, aliases shared and `<<` merged. It reads
scalars as the OpenTelemetry Collector's parser does (`yes` is text, `0123` is octal) and knows no
key, no component and no environment.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import yaml

DEPTH_MAX = 64
"""Nesting beyond this is refused; a pipeline needs about ten levels."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"


class Type(enum.Enum):
    """What a scalar is; the value is the phrase for a message."""

    TEXT = "text"
    WHOLE = "a whole number"
    FRACTION = "a number"
    FLAG = "true or false"
    DATE = "a date"
    NOTHING = "nothing"
    STRUCTURE = "a map, or a list in a list"
    """Only out of an environment variable; such a value can be used as text alone."""


_FORMS = {
    # https://pkg.go.dev/go.yaml.in/yaml/v3, which the Collector uses: YAML 1.2 and octal `0123`.
    # Longer whole numbers than 20 digits overflow 64 bits and become fractions there too.
    Type.NOTHING: re.compile("|~|null|Null|NULL"),
    Type.FLAG: re.compile("true|True|TRUE|false|False|FALSE"),
    Type.DATE: re.compile("[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"),
    Type.WHOLE: re.compile(
        "[-+]?(?:0[xX][0-9a-fA-F]{1,16}|0[bB][01]{1,64}|0[oO]?[0-7]{1,22}|0|[1-9][0-9]{0,19})"
    ),
    Type.FRACTION: re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
_TAGS = {
    _TAG + "null": Type.NOTHING,
    _TAG + "bool": Type.FLAG,
    _TAG + "timestamp": Type.DATE,
    _TAG + "int": Type.WHOLE,
    _TAG + "float": Type.FRACTION,
    _TAG + "str": Type.TEXT,
}


@dataclass(frozen=True)
class ScalarNode:
    """One value of a file, as its text and what that text means."""

    line: int
    """1-based."""
    type: Type
    text: str
    original: str | None = None
    """Set where the whole scalar is one reference: its text, whatever type that text has."""
    variables: tuple[str, ...] = ()
    """The environment variables that `text` holds values of; such a text is never printed."""


@dataclass(frozen=True)
class SequenceNode:
    """A list."""

    line: int
    items: tuple[Node, ...]
    original: str | None = None
    variables: tuple[str, ...] = ()


class Entry(NamedTuple):
    """One key's line and value."""

    line: int
    node: Node


@dataclass(frozen=True)
class MappingNode:
    """A map; keys are text, each once."""

    line: int
    entries: dict[str, Entry]


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


class Unreadable(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """The text is not the YAML that the Collector reads."""

    def __init__(self, line: int, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.line = line
        self.what = what
        self.hint = hint


def read(text: str) -> Node:
    """The root node of a YAML document; of an empty one, a scalar that is nothing.

    Raises `Unreadable`.
    """
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, text) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(line, f"not YAML: the character {error.character:#x}") from None
    return ScalarNode(1, Type.NOTHING, "") if root is None else _Converter().node(root)


def type_of(text: str) -> Type:
    """What a plain, untagged scalar means."""
    digits = text if text.startswith("_") else text.replace("_", "")
    for kind, form in _FORMS.items():
        if form.fullmatch(digits if kind in (Type.WHOLE, Type.FRACTION) else text):
            return kind
    return Type.TEXT


def has_surrogates(text: str) -> bool:
    """Whether a text cannot be written as UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        root: yaml.Node | None = loader.get_single_node()
    except ValueError:  # PyYAML's own, on "\U00110000" and on a %YAML version of many digits
        raise Unreadable(loader.line + 1, "not YAML: a number out of range") from None
    finally:
        loader.dispose()
    return root


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the Collector's scalars and a limit on depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth == DEPTH_MAX:
            raise yaml.MarkedYAMLError(
                problem=f"nested more than {DEPTH_MAX} deep", problem_mark=self.get_mark()
            )
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is not yaml.ScalarNode:
            return _TAG + ("seq" if kind is yaml.SequenceNode else "map")
        if not implicit[0]:
            return _TAG + "str"
        if value == "<<":
            return _MERGE
        return next(tag for tag, type_ in _TAGS.items() if type_ is type_of(value))


class _Converter:
    """PyYAML's nodes become ours; each once, so that aliases cost nothing."""

    def __init__(self) -> None:
        self._done: dict[yaml.Node, Node] = {}
        self._open: set[yaml.Node] = set()

    def node(self, node: yaml.Node) -> Node:
        if node in self._done:
            return self._done[node]
        if node in self._open:
            raise Unreadable(_line(node), "an anchor that contains itself")
        self._open.add(node)
        self._done[node] = converted = self._convert(node)
        return converted

    def _convert(self, node: yaml.Node) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return SequenceNode(_line(node), tuple(self.node(item) for item in node.value))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node)
        raise Unreadable(_line(node), f"the tag {node.tag} is not supported")

    def _mapping(self, node: yaml.MappingNode) -> MappingNode:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            value = self.node(value_node)
            if key_node.tag == _MERGE:
                merged = self._merge(value) | merged
                continue
            key = self._key(key_node)
            if key in entries:
                first = entries[key].line
                what = f'the key "{key}" stands here and in line {first} already'
                raise Unreadable(_line(key_node), what, "keep one of the two")
            entries[key] = Entry(_line(key_node), value)
        return MappingNode(_line(node), merged | entries)

    def _key(self, node: yaml.Node) -> str:
        key = self.node(node)
        if not isinstance(key, ScalarNode) or key.type is not Type.TEXT:
            raise Unreadable(_line(node), "a key that is not text", "quote it")
        return key.text

    def _merge(self, value: Node) -> dict[str, Entry]:
        sources = value.items if isinstance(value, SequenceNode) else (value,)
        merged: dict[str, Entry] = {}
        for source in sources:
            if not isinstance(source, MappingNode):
                raise Unreadable(value.line, "<< merges maps only")
            merged = source.entries | merged
        return merged


def _scalar(node: yaml.ScalarNode) -> ScalarNode:
    line, text = _line(node), node.value
    tag = _TAGS.get(node.tag, Type.TEXT if node.tag == _MERGE else None)
    if tag is None:
        raise Unreadable(line, f"the tag {node.tag} is not supported")
    if tag not in (Type.TEXT, type_of(text)):
        raise Unreadable(line, f"this is not {tag.value}, as its tag says")
    if has_surrogates(text):
        raise Unreadable(line, "half of a surrogate pair is not a character")
    return ScalarNode(line, tag, text)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _unreadable(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else -1
    has_reference = "${" in "".join(text.splitlines()[line : line + 1])
    hint = ""
    if has_reference and "flow" in (error.context or ""):
        hint = 'inside {…} and […] a reference needs quotes: "${env:NAME}"'
    return Unreadable(line + 1, f"not YAML: {error.problem or error.context}", hint)
