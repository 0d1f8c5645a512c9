"""Attribute bytes -> `Attributes`: values with the text that the OpenTelemetry Collector gives.

The text of a value is what pdata's `Value.AsString` makes of it, because that is what becomes a
label. Numbers that are measured never come here.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from collector.model import Attributes, Typed, Value
from collector.wire.scan import FIXED64, LENGTH, VARINT, Unusual, fields, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

_key = itemgetter(0)
DEPTH_MAX = 64
"""Lists in lists; the standard decoder gives up at 100 messages, some of them around us."""


class DuplicateKey(Exception):  # noqa: N818 - a property of the data, reported by its reader
    """One attribute key twice: which of the two is meant nobody can say."""


PAIR_BYTES_MAX = 256
"""Longer attributes are read anew each time they have to be learnt."""

Pairs: TypeAlias = "dict[bytes, tuple[str, Value]]"
"""Attributes by their bytes: a key to save work and room, never an identity."""


def attributes(
    data: bytes, ranges: Iterable[tuple[int, int]], known: Pairs | None = None
) -> Attributes:
    """Decode the KeyValue messages that stand in `ranges`; `known` are those decoded before.

    Raises DuplicateKey, and Unusual for what needs the standard decoder.
    """
    if known is None:
        pairs = [key_value(data, at, end) for at, end in ranges]
    else:
        pairs = [known.get(data[at:end]) or _pair(data, at, end, known) for at, end in ranges]
    pairs.sort(key=_key)
    for (key, _), (following, _) in zip(pairs, pairs[1:]):
        if key == following:
            raise DuplicateKey
    return tuple(pairs)


def _pair(data: bytes, at: int, end: int, known: Pairs) -> tuple[str, Value]:
    pair = key_value(data, at, end)
    if end - at <= PAIR_BYTES_MAX:
        known[data[at:end]] = pair
    return pair


def key_value(data: bytes, at: int, end: int) -> tuple[str, Value]:
    """Decode one KeyValue message."""
    key = ""
    value: Value = Typed("empty", "")
    seen = False
    for number, wire_type, start, stop in fields(data, at, end):
        if number == 1 and wire_type == LENGTH:
            key = data[start:stop].decode()
        elif number == 2 and wire_type == LENGTH:
            if seen:
                raise Unusual
            seen = True
            value = any_value(data, start, stop)
    return key, value


def any_value(data: bytes, at: int, end: int) -> Value:
    """Decode one AnyValue message to a value that can be compared and printed."""
    plain, type_ = _plain(data, at, end, 0)
    if type_ == "string":
        return str(plain)
    return Typed(type_, _text(plain, type_))


def _plain(data: bytes, at: int, end: int, depth: int) -> tuple[Any, str]:
    """Return a value as Python would hold it for JSON, and its OTLP type."""
    found: tuple[Any, str] | None = None
    if depth > DEPTH_MAX:
        raise Unusual
    for number, wire_type, start, stop in fields(data, at, end):
        if wire_type == LENGTH and number == 1:
            value: tuple[Any, str] = data[start:stop].decode(), "string"
        elif wire_type == VARINT and number == 2:
            value = varint(data, start)[0] != 0, "bool"
        elif wire_type == VARINT and number == 3:
            unsigned = varint(data, start)[0]
            value = unsigned - (1 << 64) if unsigned >> 63 else unsigned, "int"
        elif wire_type == FIXED64 and number == 4:
            value = struct.unpack_from("<d", data, start)[0], "double"
        elif wire_type == LENGTH and number == 5:
            value = _array(data, start, stop, depth), "array"
        elif wire_type == LENGTH and number == 6:
            value = _map(data, start, stop, depth), "map"
        elif wire_type == LENGTH and number == 7:
            value = data[start:stop], "bytes"
        else:
            continue
        if found is not None:
            raise Unusual  # a oneof twice: the last wins, or they merge
        found = value
    return (None, "empty") if found is None else found


def _array(data: bytes, at: int, end: int, depth: int) -> list[Any]:
    return [
        _json(*_plain(data, start, stop, depth + 1))
        for number, wire_type, start, stop in fields(data, at, end)
        if number == 1 and wire_type == LENGTH
    ]


def _map(data: bytes, at: int, end: int, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, wire_type, start, stop in fields(data, at, end):
        if number == 1 and wire_type == LENGTH:
            key, value = "", (None, "empty")
            for inner, inner_type, a, b in fields(data, start, stop):
                if inner == 1 and inner_type == LENGTH:
                    key = data[a:b].decode()
                elif inner == 2 and inner_type == LENGTH:
                    value = _plain(data, a, b, depth + 1)
            result[key] = _json(*value)
    return result


def _json(value: Any, type_: str) -> Any:
    return base64.b64encode(value).decode() if type_ == "bytes" else value


def _text(value: Any, type_: str) -> str:
    if type_ == "bool":
        return "true" if value else "false"
    if type_ == "int":
        return str(value)
    if type_ == "double":
        return go_float(value)
    if type_ == "bytes":
        return base64.b64encode(value).decode()
    return "" if type_ == "empty" else go_json(value)


def go_float(value: float) -> str:
    """Print a double as the Collector does: positional from 1e-6 up to 1e21, no padding."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size != 0 and (size < 1e-6 or size >= 1e21):
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def go_json(value: Any) -> str:
    """Print lists and maps as the Collector does: sorted keys, no spaces.

    Nothing at all where a NaN or an infinity is inside, which JSON cannot write.
    """
    return "" if _unprintable(value) else _dump(value)


def _dump(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_dump(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_dump(key)}:{_dump(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, float):
        return go_float(value)
    return json.dumps(value, ensure_ascii=False)


def _unprintable(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_unprintable, value))
    if isinstance(value, dict):
        return any(map(_unprintable, value.values()))
    return isinstance(value, float) and not math.isfinite(value)
