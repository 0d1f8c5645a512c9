"""`type` or `type/name`: how components and pipelines are called.

In: a key or a list item of the file. Out: its two parts, or `Invalid` that says what is wrong. It
knows neither types nor pipelines.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_TYPE = re.compile("[a-zA-Z][0-9a-zA-Z_]{0,62}")
_NAME_LENGTH_MAX = 1024
_FORBIDDEN = "ZCS"
"""Unicode's separators, control characters and symbols."""


class Invalid(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """No component can be called so."""


class ComponentId(NamedTuple):
    """A component's or pipeline's identity."""

    type: str
    name: str

    def __str__(self) -> str:
        """Write it as the file does."""
        return f"{self.type}/{self.name}" if self.name else self.type


def parse(text: str) -> ComponentId:
    """Split an id; blanks around its parts do not count. Raises `Invalid`.

    https://pkg.go.dev/go.opentelemetry.io/collector/component#ID
    """
    before, slash, after = text.partition("/")
    type_, name = before.strip(), after.strip()
    if not _TYPE.fullmatch(type_):
        raise Invalid("a type is a letter, then letters, digits and _")
    if slash and not name:
        raise Invalid("the part after / is empty")
    if len(name) > _NAME_LENGTH_MAX or any(
        unicodedata.category(character)[0] in _FORBIDDEN for character in name
    ):
        raise Invalid("a name holds no blank and no symbol")
    return ComponentId(type_, name)
