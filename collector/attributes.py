"""Attributes taken apart: what rules read, put, hash and compare in them.

In: `Attributes` and plain Python values. Out: new `Attributes`, sorted as all are, and the plain
values behind typed ones. Nothing here knows which part of a stream it works on, nor a rule.
"""

from __future__ import annotations

import hashlib
import struct
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from collector.model import Typed
from collector.wire.values import go_float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model import Attributes, Value

Plain: TypeAlias = "str | int | float | bool | Typed | None"
"""A value as Python has it; lists, maps and bytes stay `Typed`, and empty is None."""


def get(attributes: Attributes, key: str) -> Value | None:
    """The value of a key; None where it is absent."""
    return next((value for name, value in attributes if name == key), None)


def put(attributes: Attributes, changes: Mapping[str, Value]) -> Attributes:
    """The attributes with these values, in place of those that were there."""
    return tuple(sorted({**dict(attributes), **changes}.items(), key=itemgetter(0)))


def without(attributes: Attributes, key: str) -> Attributes:
    """The attributes without one key."""
    return tuple(pair for pair in attributes if pair[0] != key)


def plain(value: Value | None) -> Plain:
    """What an attribute's value is in Python."""
    if not isinstance(value, Typed):
        return value
    if value.type == "int":
        return int(value.text)
    if value.type == "double":
        return float(value.text)
    if value.type == "bool":
        return value.text == "true"
    return None if value.type == "empty" else value


def value_of(thing: Plain) -> Value:
    """The attribute value that a plain one becomes."""
    if thing is None:
        return Typed("empty", "")
    if isinstance(thing, bool):
        return Typed("bool", "true" if thing else "false")
    if isinstance(thing, int):
        return Typed("int", str(thing))
    return Typed("double", go_float(thing)) if isinstance(thing, float) else thing


def text_alone(value: Value) -> str:
    """The text of a text; of anything else nothing, as pdata's `Value.Str` has it."""
    return value if isinstance(value, str) else ""


def equal(one: Plain, other: Plain) -> bool:
    """Whether two values are the same to OTTL: numbers by size, all else by type as well."""
    numbers = (int, float)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, numbers) and isinstance(other, numbers):
        return float(one) == float(other) if float in (type(one), type(other)) else one == other
    return type(one) is type(other) and one == other


def sha256(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def hashed(value: Value) -> str:
    """The SHA-256 of a value's bytes, numbers in 8 of them; nothing for lists, maps and bytes.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/internal/coreinternal/attraction/hasher.go
    """
    thing = plain(value)
    if isinstance(thing, str):
        return sha256(thing)
    if isinstance(thing, bool):
        return hashlib.sha256(bytes([thing])).hexdigest()
    if isinstance(thing, int):
        return hashlib.sha256(struct.pack("<q", thing)).hexdigest()
    if isinstance(thing, float):
        return hashlib.sha256(struct.pack("<d", thing)).hexdigest()
    return ""
