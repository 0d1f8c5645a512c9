"""A condition becomes a question to a stream, and a value what it is in a stream.

In: the nodes of a condition or value, and where they stand. Out: functions of a stream, which raise
RuleFailed where they have no answer. They do not know what happens to a stream of which they are
true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from collector import go_regexp
from collector.attributes import equal, sha256, value_of
from collector.errors import RuleFailed
from collector.model import Stream, Typed, text_of
from collector.ottl import tree
from collector.ottl.places import CONSTANTS, Place, Read, owner_of, resolve
from collector.ottl.tree import Refused, not_here

if TYPE_CHECKING:
    import re

    from collector.attributes import Plain

Question: TypeAlias = Callable[[Stream], bool]


@dataclass(frozen=True)
class Setting:
    """Where a statement or condition stands."""

    context: str
    explicit: bool = False
    """Whether the context is written there, so that paths need not name it."""

    def place(self, path: tree.Path) -> Place:
        """The place of a path; raises Refused."""
        return resolve(path, self.context, explicit=self.explicit)


def question(node: tree.Condition, at: Setting) -> Question:
    """Make a question of a condition; raises Refused."""
    if isinstance(node, tree.Not):
        inner = question(node.inner, at)
        return lambda stream: not inner(stream)
    if isinstance(node, tree.All):
        every = [question(each, at) for each in node.inner]
        return lambda stream: all(each(stream) for each in every)
    if isinstance(node, tree.Any):
        some = [question(each, at) for each in node.inner]
        return lambda stream: any(each(stream) for each in some)
    if isinstance(node, tree.Comparison):
        return _comparison(node, at)
    if isinstance(node, tree.Call):
        return _is_match(node, at)
    return lambda _: node.value is True


def _comparison(node: tree.Comparison, at: Setting) -> Question:
    left, right = (_comparable(side, at) for side in (node.left, node.right))
    if node.operator == "==":
        return lambda stream: equal(left(stream), right(stream))
    if node.operator == "!=":
        return lambda stream: not equal(left(stream), right(stream))
    raise not_here(node.column, node.operator, ", only == and !=")


def _comparable(node: tree.Value, at: Setting) -> Read:
    if isinstance(node, tree.Call):
        raise not_here(node.column, f"{node.name} in a comparison")
    return value(node, at)


def _is_match(node: tree.Call, at: Setting) -> Question:
    if node.name != "IsMatch":
        raise not_here(node.column, f"the condition {node.name}", ", only IsMatch")
    given = arguments(node, ("target", "pattern"))
    target, pattern = given["target"], compiled(given["pattern"])
    if isinstance(target, tree.Call):
        raise not_here(target.column, f"{target.name} in a condition")
    read = value(target, at)

    def matches(stream: Stream) -> bool:
        found = read(stream)
        return found is not None and pattern.search(_text(found)) is not None

    return matches


def arguments(
    call: tree.Call, names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, tree.Value]:
    """Sort a call's arguments by their names, whether they have one or only a place.

    Raises Refused where one is missing, unknown, twice or too many.
    """
    known = (*names, *optional)
    found: dict[str, tree.Value] = {}
    for place, argument in enumerate(call.arguments):
        name = argument.name or (known[place] if place < len(known) else "")
        if name not in known or name in found:
            raise Refused(call.column, f"{call.name} takes {', '.join(known)}")
        found[name] = argument.value
    if not found.keys() >= set(names):
        raise Refused(call.column, f"{call.name} needs {', '.join(names)}")
    return found


def value(node: tree.Value, at: Setting) -> Read:
    """What a value is in a stream; raises Refused."""
    if isinstance(node, tree.Literal):
        constant = node.value
        return lambda _: constant
    if isinstance(node, tree.Path):
        place = at.place(node)
        if place.read is None:
            raise not_here(node.column, f"to read {node}")
        if not place.is_identity:
            why = ": streams that differ in it alone are one"
            raise not_here(node.column, f"to read {node}", why)
        return place.read
    if isinstance(node, tree.Name):
        if node.name not in CONSTANTS or at.context in ("resource", "scope"):
            raise not_here(node.column, f'the name {node.name} in the context "{at.context}"')
        number = CONSTANTS[node.name]
        return lambda _: number
    if isinstance(node, tree.Call):
        return _converted(node, at)
    raise not_here(node.column, "a list as a value")


def _converted(node: tree.Call, at: Setting) -> Read:
    if node.name == "SHA256":
        read = value(arguments(node, ("target",))["target"], at)
        return lambda stream: sha256(_text_or_fail(read(stream)))
    if node.name == "Concat":
        given = arguments(node, ("vals", "delimiter"))
        parts, between = given["vals"], literal_text(given["delimiter"])
        if not isinstance(parts, tree.Items):
            raise not_here(node.column, "Concat of anything but a list")
        reads = [value(part, at) for part in parts.items]
        return lambda stream: between.join(_text(read(stream)) for read in reads)
    raise not_here(node.column, f"the function {node.name}", ", only SHA256 and Concat")


def _text_or_fail(found: Plain) -> str:
    """A value that has to be text; raises RuleFailed where it is not."""
    if not isinstance(found, str):
        raise RuleFailed
    return found


def _text(found: Plain) -> str:
    """The text of a value, as OTTL has it where it wants one.

    Lists, maps and bytes have other texts there than in the exposition, and NaN has none: raises
    RuleFailed.
    """
    if found is None:
        return "<nil>"
    if isinstance(found, Typed) or (isinstance(found, float) and not isfinite(found)):
        raise RuleFailed
    return text_of(value_of(found))


def literal_text(node: tree.Value) -> str:
    """A text that stands in the statement; raises Refused."""
    if isinstance(node, tree.Literal) and isinstance(node.value, str):
        return node.value
    raise not_here(node.column, "anything but a text in quotes")


def compiled(node: tree.Value) -> re.Pattern[str]:
    """A pattern that stands in the statement; raises Refused."""
    try:
        return go_regexp.compile(literal_text(node))
    except go_regexp.Unsupported as error:
        raise Refused(node.column, str(error), error.hint) from None


def paths(node: tree.Condition | tree.Value) -> list[tree.Path]:
    """Every path in a condition or value."""
    if isinstance(node, tree.Path):
        return [node]
    inner: list[tree.Condition | tree.Value] = []
    if isinstance(node, tree.Not):
        inner = [node.inner]
    elif isinstance(node, (tree.All, tree.Any)):
        inner = list(node.inner)
    elif isinstance(node, tree.Comparison):
        inner = [node.left, node.right]
    elif isinstance(node, tree.Call):
        inner = [argument.value for argument in node.arguments]
    elif isinstance(node, tree.Items):
        inner = list(node.items)
    return [path for each in inner for path in paths(each)]


def owners(nodes: list[tree.Condition | tree.Value]) -> set[str]:
    """The contexts that the paths in these nodes name."""
    return {owner for node in nodes for path in paths(node) if (owner := owner_of(path))}
