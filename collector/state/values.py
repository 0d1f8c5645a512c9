"""Attributes of the model -> OTLP, so that reading gives the same types and texts."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model import Attributes, Value

_NOT_A_NUMBER = AnyValue(double_value=float("nan"))
"""A list or map with one in it has no text, as JSON has none for it."""


def key_values(attributes: Attributes) -> Iterable[KeyValue]:
    """Write attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes]


def any_value(value: Value) -> AnyValue:
    """Write a value."""
    if isinstance(value, str):
        return AnyValue(string_value=value)
    type_, text = value
    if type_ == "bool":
        return AnyValue(bool_value=text == "true")
    if type_ == "int":
        return AnyValue(int_value=int(text))
    if type_ == "double":
        return AnyValue(double_value=float(text))
    if type_ == "bytes":
        return AnyValue(bytes_value=base64.b64decode(text))
    if type_ == "array":
        items = [_json(item) for item in json.loads(text)] if text else [_NOT_A_NUMBER]
        return AnyValue(array_value=ArrayValue(values=items))
    if type_ == "map":
        pairs = json.loads(text) if text else {"": None}
        return AnyValue(kvlist_value=_map(pairs, known=bool(text)))
    return AnyValue()


def _map(pairs: dict[str, Any], *, known: bool = True) -> KeyValueList:
    values = [
        KeyValue(key=key, value=_json(value) if known else _NOT_A_NUMBER)
        for key, value in pairs.items()
    ]
    return KeyValueList(values=values)


def _json(value: Any) -> AnyValue:  # noqa: ANN401 - whatever JSON has
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return AnyValue(int_value=value)
    if isinstance(value, int | float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_json(item) for item in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=_map(value))
    return AnyValue()
