"""A list of actions on one map of attributes: what `attributes` and `resource` have in common.

In: the sections of the actions. Out: a function from attributes to attributes. It does not know
whose attributes they are.

https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/internal/coreinternal/attraction/attraction.go
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from collector.attributes import get, hashed, plain, put, value_of, without
from collector.errors import RuleFailed
from collector.model import text_of
from collector.processors._names import compiled

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.model import Attributes, Value

Change: TypeAlias = Callable[["Attributes"], "Attributes"]

PUTTING = ("insert", "update", "upsert")
ACTIONS = (*PUTTING, "delete", "hash", "extract", "convert")
_INT64 = range(-(2**63), 2**63)
_INT = re.compile("[-+]?[0-9]{1,40}")
"""Nobody writes 64 bits in more digits, and Python refuses to read thousands of them."""
_DOUBLE = re.compile(
    r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|inf|infinity)|nan", re.IGNORECASE
)


def read(section: Section, key: str) -> Change:
    """Read a list of actions, at least one; they run in its order."""
    section.require(key)
    changes = [_action(each) for each in section.sections(key)]
    if key in section and not changes and not section.mistaken(key):
        section.mistake(key, "must name at least one action")

    def change(attributes: Attributes) -> Attributes:
        for each in changes:
            attributes = each(attributes)
        return attributes

    return change


def _action(section: Section) -> Change:
    section.require("action")
    action = section.choice("action", ACTIONS, "", fold=True)
    if not action:
        section.free_keys()  # which of them it may have is not known
        return lambda attributes: attributes
    section.elsewhere("from_context", why=": what is around a request is not kept with its streams")
    key = section.text("key")
    if action in PUTTING:
        return _put(section, action, key)
    if action in ("delete", "hash"):
        return _delete_or_hash(section, action, key)
    section.require("key")
    if action == "extract":
        return _extract(section, key)
    return _convert(section, key)


def _put(section: Section, action: str, key: str) -> Change:
    """Put a value from the file or from another attribute."""
    section.require("key")
    default, fixed = section.scalar("default_value"), section.scalar("value")
    source = section.text("from_attribute")
    if fixed is not None and source:
        section.mistake("", "value and from_attribute exclude each other")
    given = {"value", "default_value", "from_attribute", "from_context"}
    if not any(each in section for each in given):
        section.mistake("", f"{action} needs value, from_attribute or default_value")
    fallback = default if fixed is None else fixed

    def change(attributes: Attributes) -> Attributes:
        value: Value | None = get(attributes, source) if source else None
        if value is None and fallback is not None:
            value = value_of(fallback)
        there = get(attributes, key) is not None
        if value is None or (action == "insert" and there) or (action == "update" and not there):
            return attributes
        return put(attributes, {key: value})

    return change


def _delete_or_hash(section: Section, action: str, key: str) -> Change:
    """Act on one key, and then on all that match a pattern."""
    written = section.text("pattern")
    pattern = compiled(section, "pattern") if written else None
    if not key and not written and not section.mistaken("key", "pattern"):
        section.mistake("", f"{action} needs a key or a pattern")

    def delete(attributes: Attributes) -> Attributes:
        left = without(attributes, key)
        return tuple(pair for pair in left if not (pattern and pattern.search(pair[0])))

    def hash_(attributes: Attributes) -> Attributes:
        found = get(attributes, key)
        if found is not None:
            attributes = put(attributes, {key: hashed(found)})
        again = {k: hashed(v) for k, v in attributes if pattern and pattern.search(k)}
        return put(attributes, again)

    return delete if action == "delete" else hash_


def _extract(section: Section, key: str) -> Change:
    """Put what the named groups of a pattern match in a text under their names."""
    section.require("pattern")
    pattern = compiled(section, "pattern")
    is_told = "pattern" not in section or section.mistaken("pattern")
    if pattern and not is_told and not 0 < pattern.groups == len(pattern.groupindex):
        section.mistake("pattern", "needs groups with names, and no other")

    def change(attributes: Attributes) -> Attributes:
        value = get(attributes, key)
        found = pattern.search(value) if pattern and isinstance(value, str) else None
        return put(attributes, found.groupdict("")) if found else attributes

    return change


def _convert(section: Section, key: str) -> Change:
    """Change the type of a value, where it can be; otherwise it stays."""
    section.require("converted_type")
    convert = CONVERSIONS[section.choice("converted_type", tuple(CONVERSIONS), "string")]

    def change(attributes: Attributes) -> Attributes:
        value = get(attributes, key)
        return attributes if value is None else put(attributes, {key: convert(value)})

    return change


def _int(value: Value) -> Value:
    thing = plain(value)
    if isinstance(thing, str):
        is_int = _INT.fullmatch(thing) and int(thing) in _INT64
        return value_of(int(thing)) if is_int else value
    if isinstance(thing, float) and not _INT64.start <= thing < _INT64.stop:
        raise RuleFailed  # what Go makes of it depends on the machine
    return value_of(int(thing)) if isinstance(thing, (int, float)) else value


def _double(value: Value) -> Value:
    """Numbers in hexadecimal digits stay text, which is the one difference from Go."""
    thing = plain(value)
    if isinstance(thing, str):
        number = float(thing) if _DOUBLE.fullmatch(thing) else None
        in_range = number is not None and (isfinite(number) or "n" in thing.lower())
        return value_of(number) if in_range and number is not None else value
    return value_of(float(thing)) if isinstance(thing, (int, float)) else value


CONVERSIONS: dict[str, Callable[[Value], Value]] = {
    "string": text_of,
    "int": _int,
    "double": _double,
}
