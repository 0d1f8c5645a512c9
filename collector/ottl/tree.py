"""What statements and conditions are once parsed: frozen, with the column of each part.

Nothing comes in or out: these are the nouns of the language, and the one way to refuse a part of
it. They know neither streams nor whether what they say can be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from collector.otelcol import CAN_RUN_IT, NOT_HERE


class Refused(Exception):  # noqa: N818 - an answer to who wrote the statement
    """A statement or condition that is not run; the text says where and why."""

    def __init__(self, column: int, what: str, hint: str = "") -> None:
        super().__init__(f"column {column}: {what}")
        self.hint = hint


def not_here(column: int, what: str, why: str = "") -> Refused:
    """Refuse what only the Collector does."""
    return Refused(column, f"{what} is {NOT_HERE}{why}", CAN_RUN_IT)


@dataclass(frozen=True)
class Literal:
    """A text, a number, true, false or nil."""

    column: int
    value: str | float | None


@dataclass(frozen=True)
class Path:
    """`resource.attributes["key"]`: names, and the keys behind the last of them."""

    column: int
    names: tuple[str, ...]
    keys: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return ".".join(self.names) + "".join("[…]" for _ in self.keys)


@dataclass(frozen=True)
class Name:
    """A word that begins with an upper case letter: a constant, or a function to call later."""

    column: int
    name: str


@dataclass(frozen=True)
class Items:
    """A list of values."""

    column: int
    items: tuple[Value, ...]


@dataclass(frozen=True)
class Argument:
    """An argument, and its name where it has one."""

    name: str
    value: Value


@dataclass(frozen=True)
class Call:
    """A function and its arguments: a converter, or the editor of a statement."""

    column: int
    name: str
    arguments: tuple[Argument, ...]


Value: TypeAlias = Literal | Path | Name | Items | Call


@dataclass(frozen=True)
class Comparison:
    """Two values and what is between them."""

    column: int
    left: Value
    operator: str
    right: Value


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    inner: Condition


@dataclass(frozen=True)
class All:
    """Conditions joined by `and`."""

    inner: tuple[Condition, ...]


@dataclass(frozen=True)
class Any:
    """Conditions joined by `or`."""

    inner: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Not | All | Any | Call | Literal


@dataclass(frozen=True)
class Statement:
    """What an editor does, and where."""

    editor: Call
    where: Condition | None = None
