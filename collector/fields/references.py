"""Nodes with `${env:NAME}` in them become nodes without.

In: a document's root and the environment. Out: the same tree with every reference replaced, what
could not be, and which variables were unset. The rules are the OpenTelemetry Collector's, odd ones
included; a variable's value never comes into a message. It knows no key and no component.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from collector.errors import Problem
from collector.fields import document
from collector.fields.document import Entry, MappingNode, Node, ScalarNode, SequenceNode, Type
from collector.otelcol import CAN_RUN_IT, NOT_HERE

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDS_MAX = 1000
"""Replacements in one scalar, confmap's own limit: a value may hold references itself."""
LENGTH_MAX = 1 << 20
"""Characters that one scalar may grow to: a value that holds itself twice doubles every round."""

_PROVIDER = re.compile("([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)
_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_FORGOTTEN = re.compile(f"({_NAME.pattern}):-.*", re.DOTALL)
_FORMS = "write ${env:NAME} or ${env:NAME:-default}; $$ stands for one $"


@dataclass
class Resolved:
    """A tree without references, and what was found on the way."""

    root: Node
    problems: list[Problem]
    warnings: list[Problem]
    """References to variables that are unset and have no default: they read as nothing."""


def resolve(root: Node, environ: Mapping[str, str]) -> Resolved:
    """Replace every reference in a tree; keys are left alone.

    https://opentelemetry.io/docs/collector/configuration/#environment-variables
    """
    walk = _Walk(environ)
    node = walk.node(root, "")
    return Resolved(node, walk.problems, walk.warnings)


@dataclass
class _Walk:
    """One pass over a tree; each node once, so that aliases cost nothing."""

    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    done: dict[int, Node] = field(default_factory=dict)

    def node(self, node: Node, path: str) -> Node:
        if id(node) not in self.done:
            self.done[id(node)] = self._resolved(node, path)
        return self.done[id(node)]

    def _resolved(self, node: Node, path: str) -> Node:
        if isinstance(node, SequenceNode):
            items = (self.node(item, f"{path}[{n}]") for n, item in enumerate(node.items))
            return replace(node, items=tuple(items))
        if isinstance(node, MappingNode):
            entries = {
                key: Entry(line, self.node(value, f"{path}::{key}" if path else key))
                for key, (line, value) in node.entries.items()
            }
            return replace(node, entries=entries)
        return self._scalar(node, path) if node.type is Type.TEXT else node

    def _scalar(self, node: ScalarNode, path: str) -> Node:
        text = _Text(node.text, self.environ, written=node.text)
        try:
            text.expand()
        except _Unresolvable as reason:
            self.problems.append(Problem(path, node.line, reason.what, reason.hint))
        for name in text.unset:
            what = f"the environment variable {name} is not set"
            self.warnings.append(Problem(path, node.line, what, "it reads as nothing"))
        variables = (*node.variables, *text.variables)
        plain = replace(node, text=_unescape(text.text), variables=variables)
        if text.meaning is None:
            return plain
        return self._typed(text.meaning, plain, path)

    def _typed(self, meaning: Node, plain: ScalarNode, path: str) -> Node:
        """What a scalar is that is one reference: typed by the value, but still a text too."""
        if isinstance(meaning, SequenceNode):
            items = (
                self._resolved(_inside(item, plain), f"{path}[{n}]")
                for n, item in enumerate(meaning.items)
            )
            return replace(
                meaning,
                line=plain.line,
                items=tuple(items),
                original=plain.text,
                variables=plain.variables,
            )
        typed = _inside(meaning, plain)
        return replace(typed, original=plain.text)


class _Unresolvable(Exception):  # noqa: N818 - reported as a Problem
    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass
class _Text:
    """One scalar while its references are replaced."""

    text: str
    environ: Mapping[str, str]
    written: str
    """The text as it stands in the file."""
    variables: list[str] = field(default_factory=list)
    unset: list[str] = field(default_factory=list)
    meaning: Node | None = None
    """What the text is if it was one reference to something other than text."""

    def expand(self) -> None:
        """Replace until nothing is left to replace; raises `_Unresolvable`."""
        for _ in range(ROUNDS_MAX):
            reference = _find(self.text)
            if reference is None:
                return
            whole = reference == self.text
            self.text = self.text.replace(reference, self._value(reference[2:-1], whole=whole))
            if len(self.text) > LENGTH_MAX:
                break
        raise _Unresolvable(f"{self._names()} never ends, it holds itself", "")

    def _value(self, inner: str, *, whole: bool) -> str:
        name, default = self._named(inner)
        value = self.environ.get(name, default)
        # A name that is not in the file is a value itself, and values stay unsaid.
        said = name if name in self.written else "(named by another)"
        self.variables.append(said)
        if value is not None and document.has_surrogates(value):
            raise _Unresolvable(f"{self._names()} is not UTF-8", "")
        if value is None:
            self.unset.append(said)
            value = ""
        # An empty default is empty text; an empty value is nothing, as empty YAML is.
        if whole and (value or default != "" or name in self.environ):
            self.meaning = _meaning(value)
        return value

    def _named(self, inner: str) -> tuple[str, str | None]:
        try:
            return _parse(inner)
        except _Unresolvable:
            if not self.variables:
                raise
            what = f"{self._names()} holds a reference that cannot be read"
            raise _Unresolvable(what, _FORMS) from None

    def _names(self) -> str:
        return f"the value of {', '.join(dict.fromkeys(self.variables))}"


def _find(text: str) -> str | None:
    """The reference to replace next: the last `${` before the first `}`, unless it is escaped."""
    start = 0
    while (end := text.find("}", start) + 1) > 0:
        opening = text.rfind("${", start, end)
        if opening >= 0:
            before = text[:opening]
            escapes = len(before) - len(before.rstrip("$"))
            if escapes % 2 == 0:
                return text[opening:end]
        start = end
    return None


def _parse(inner: str) -> tuple[str, str | None]:
    """The name and the default of what stands between `${` and `}`; raises `_Unresolvable`."""
    provider, opaque = "env", inner
    if ":" in inner:
        forgotten = _FORGOTTEN.fullmatch(inner)
        if forgotten:
            name = forgotten[1]
            raise _Unresolvable(f'"{name}" is no provider', f"write ${{env:{name}:-default}}")
        found = _PROVIDER.fullmatch(inner)
        if not found:
            raise _Unresolvable("a reference that names no provider", _FORMS)
        provider, opaque = found.groups()
    if provider != "env":
        raise _Unresolvable(f'the provider "{provider}" is {NOT_HERE}', f"{_FORMS}. {CAN_RUN_IT}")
    if "$" in opaque:
        raise _Unresolvable("a $ inside of a reference", _FORMS)
    name, separator, default = opaque.partition(":-")
    if not _NAME.fullmatch(name):
        raise _Unresolvable(f'"{name}" is no name of an environment variable', _FORMS)
    return name, default if separator else None


def _meaning(value: str) -> Node | None:
    """What a value is as YAML; None for text, and for what is not YAML."""
    try:
        node = document.read(value)
    except document.Unreadable:
        return None
    return None if isinstance(node, ScalarNode) and node.type is Type.TEXT else node


def _inside(node: Node, around: ScalarNode) -> ScalarNode:
    """A node of a variable's value, at the place of the reference; its structure goes no deeper."""
    if isinstance(node, ScalarNode):
        return replace(node, line=around.line, variables=around.variables)
    return ScalarNode(around.line, Type.STRUCTURE, "", variables=around.variables)


def _unescape(text: str) -> str:
    return text.replace("$$", "$")
