"""A statement becomes a rule: each editor, with the condition behind it.

In: a parsed statement and the context that it runs in. Out: a rule on streams, or a refusal. A
statement may write its own context alone: in the Collector, what a point writes into its resource
depends on which point comes last, and here streams have no order. It knows no other statement.

https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/pkg/ottl/ottlfuncs
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from collector import go_regexp
from collector.aggregation import aggregate, merged
from collector.attributes import put, sha256, value_of, without
from collector.errors import RuleFailed
from collector.model import Merge
from collector.ottl import tree
from collector.ottl.conditions import (
    arguments,
    compiled,
    literal_text,
    question,
    value,
)
from collector.ottl.tree import Refused, not_here

if TYPE_CHECKING:
    from collector.model import Attributes, Stream, Value
    from collector.ottl.conditions import Setting
    from collector.ottl.places import Place
    from collector.rule import Rewrite

Given: TypeAlias = "dict[str, tree.Value]"
Change: TypeAlias = Callable[["Attributes"], "Attributes"]


def rule(statement: tree.Statement, at: Setting) -> Rewrite:
    """Make a rule of a statement; raises Refused."""
    editor = statement.editor
    if editor.name in _CHANGES:
        names, optional, change_of = _CHANGES[editor.name]
        given = arguments(editor, ("target", *names), optional)
        act = _on_attributes(_target(editor, given, at), given["target"], change_of(given))
    elif editor.name in _EDITORS:
        act = _EDITORS[editor.name](editor, at)
    else:
        known = ", ".join(sorted((*_CHANGES, *_EDITORS)))
        raise not_here(editor.column, f"the function {editor.name}", f", only {known}")
    if statement.where is None:
        return act
    is_meant = question(statement.where, at)
    return lambda stream: act(stream) if is_meant(stream) else stream


def _target(editor: tree.Call, given: Given, at: Setting) -> Place:
    """The place that a statement writes, which has to be its own context's."""
    path = given["target"]
    if not isinstance(path, tree.Path):
        raise Refused(editor.column, f"{editor.name} needs a path to write to")
    place = at.place(path)
    if place.context != at.context:
        what = f'{path} is written, but the statement runs in the context "{at.context}"'
        hint = f'make a group of its own for what is written in the context "{place.context}"'
        raise Refused(path.column, what, hint)
    return place


def _on_attributes(place: Place, path: tree.Value, change: Change) -> Rewrite:
    """Change all attributes of a place."""
    whole = place.map
    if place.is_never_out:
        return _same
    if whole is None:
        raise not_here(path.column, f"{path} as a map")
    return lambda stream: whole.write(stream, change(whole.read(stream)))


def _same(stream: Stream) -> Stream:
    return stream


def _set(editor: tree.Call, at: Setting) -> Rewrite:
    """Write a value; an attribute becomes empty where there is none, as in the Collector."""
    given = arguments(editor, ("target", "value"))
    place = _target(editor, given, at)
    if place.is_never_out:
        return _same
    read, write = value(given["value"], at), place.write
    if write is None:
        raise not_here(editor.column, f"to set {given['target']}")
    return lambda stream: write(stream, value_of(read(stream)))


def _replace_pattern(editor: tree.Call, at: Setting) -> Rewrite:
    """Replace in one text; what is no text stays."""
    given = arguments(editor, ("target", *_REPLACING), _REPLACING_HOW)
    place, replaced = _target(editor, given, at), _replacing(given)
    if place.is_never_out:
        return _same
    read, write = place.read, place.write
    if read is None or write is None:
        raise not_here(editor.column, f"to replace in {given['target']}")

    def rewrite(stream: Stream) -> Stream:
        found = read(stream)
        return write(stream, replaced(found)) if isinstance(found, str) else stream

    return rewrite


def _aggregate_on_attributes(editor: tree.Call, at: Setting) -> Rewrite:
    """Keep these labels; streams that become equal meet as the statement says."""
    given = arguments(editor, ("aggregation_function",), ("attributes",))
    function = literal_text(given["aggregation_function"])
    if at.context != "metric":
        hint = "write `context: metric` above"
        raise Refused(editor.column, f'{editor.name} needs the context "metric"', hint)
    known = [merge.value for merge in Merge]
    if function not in known:
        raise Refused(editor.column, f'"{function}" is none of {", ".join(known)}')
    merge = Merge(function)
    if "attributes" in given:
        return aggregate(_texts(given["attributes"]), merge)
    return lambda stream: merged(stream, stream.attributes, merge)


_EDITORS: dict[str, Callable[[tree.Call, Setting], Rewrite]] = {
    "aggregate_on_attributes": _aggregate_on_attributes,
    "replace_pattern": _replace_pattern,
    "set": _set,
}


def _keep_keys(given: Given) -> Change:
    keys = _texts(given["keys"])
    return lambda attributes: tuple(pair for pair in attributes if pair[0] in keys)


def _delete_key(given: Given) -> Change:
    gone = literal_text(given["key"])
    return lambda attributes: without(attributes, gone)


def _keep_matching_keys(given: Given) -> Change:
    search = compiled(given["pattern"]).search
    return lambda attributes: tuple(pair for pair in attributes if search(pair[0]))


def _delete_matching_keys(given: Given) -> Change:
    search = compiled(given["pattern"]).search
    return lambda attributes: tuple(pair for pair in attributes if not search(pair[0]))


def _limit(given: Given) -> Change:
    """Of attributes that are not named, those whose keys come first in the alphabet stay.

    The Collector keeps those that a client wrote first; here attributes have no order.
    """
    most = _whole(given["limit"])
    priority = _texts(given["priority_keys"])
    if most < len(priority):
        raise Refused(given["limit"].column, "less than there are keys to keep")

    def change(attributes: Attributes) -> Attributes:
        keys = sorted((key for key, _ in attributes), key=lambda key: (key not in priority, key))
        kept = keys[:most]
        return tuple(pair for pair in attributes if pair[0] in kept)

    return change


def _truncate_all(given: Given) -> Change:
    """Cut texts to so many bytes, the marker among them, and never within a character."""
    most = _whole(given["limit"])
    marker = literal_text(given["truncation_marker"]) if "truncation_marker" in given else ""
    safe = given.get("utf8_safe")
    if safe is not None and not (isinstance(safe, tree.Literal) and safe.value is True):
        raise not_here(safe.column, "utf8_safe = false")
    room = most - len(marker.encode())
    if room < 0:
        raise Refused(given["limit"].column, "less than the truncation marker is long")

    def cut(found: Value) -> Value:
        if not isinstance(found, str) or len(found.encode()) <= most:
            return found
        return found.encode()[:room].decode(errors="ignore") + marker

    return lambda attributes: tuple((key, cut(found)) for key, found in attributes)


def _replace_all_patterns(given: Given) -> Change:
    """Replace in all texts, or in all keys: two keys that become one are a rule that failed."""
    mode, replaced = literal_text(given["mode"]), _replacing(given)
    if mode not in ("key", "value"):
        raise Refused(given["mode"].column, "the mode is neither key nor value")

    def in_values(attributes: Attributes) -> Attributes:
        return tuple((k, replaced(v) if isinstance(v, str) else v) for k, v in attributes)

    def in_keys(attributes: Attributes) -> Attributes:
        changed = {replaced(key): found for key, found in attributes}
        if len(changed) < len(attributes):
            raise RuleFailed
        return put((), changed)

    return in_values if mode == "value" else in_keys


_REPLACING = ("regex_pattern", "replacement")
_REPLACING_HOW = ("function", "replacement_format")
_CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Given], Change]]] = {
    # Arguments behind `target`, optional ones, and what they do to all attributes of it.
    "delete_key": (("key",), (), _delete_key),
    "delete_matching_keys": (("pattern",), (), _delete_matching_keys),
    "keep_keys": (("keys",), (), _keep_keys),
    "keep_matching_keys": (("pattern",), (), _keep_matching_keys),
    "limit": (("limit", "priority_keys"), (), _limit),
    "replace_all_patterns": (("mode", *_REPLACING), _REPLACING_HOW, _replace_all_patterns),
    "truncate_all": (("limit",), ("utf8_safe", "truncation_marker"), _truncate_all),
}


def _replacing(given: Given) -> Callable[[str], str]:
    """What is done to each text: matches replaced, and hashed where the statement says so."""
    pattern, template = compiled(given["regex_pattern"]), literal_text(given["replacement"])
    function = given.get("function")
    if "replacement_format" in given:
        raise not_here(given["replacement_format"].column, "a replacement_format")
    if function is None:
        return lambda text: go_regexp.replace_all(pattern, template, text)
    if not (isinstance(function, tree.Name) and function.name == "SHA256"):
        raise not_here(function.column, "a function but SHA256")
    return lambda text: go_regexp.replace_all(pattern, template, text, sha256)


def _texts(node: tree.Value) -> frozenset[str]:
    if not isinstance(node, tree.Items):
        raise not_here(node.column, "anything but a list of texts in quotes")
    return frozenset(literal_text(item) for item in node.items)


def _whole(node: tree.Value) -> int:
    number = node.value if isinstance(node, tree.Literal) else None
    if type(number) is not int or number < 0:
        raise Refused(node.column, "needs a whole number that is not negative")
    return number
