"""The text of a statement or condition becomes a tree, or is refused at a column.

In: text as it stands in the configuration. Out: the nodes of `tree.py`. The grammar leaves out what
could only be about numbers: arithmetic, lambdas, literals of maps and bytes. It knows no stream and
no function.

https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/pkg/ottl/LANGUAGE.md
"""

from __future__ import annotations

import re
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from collector.otelcol import CAN_RUN_IT
from collector.ottl.tree import (
    All,
    Any,
    Argument,
    Call,
    Comparison,
    Items,
    Literal,
    Name,
    Not,
    Path,
    Refused,
    Statement,
)

if TYPE_CHECKING:
    from collector.ottl.tree import Condition, Value

DEPTH_MAX = 50
"""Brackets in brackets; a rule that people can read has three."""

_GRAMMAR = r"""
statement: editor ["where" condition]
editor: LOWER "(" [arguments] ")"
call: UPPER "(" [arguments] ")"
arguments: argument ("," argument)*
argument: [LOWER "="] value

condition: all ("or" all)*
all: one ("and" one)*
?one: "not" truth -> negation
    | truth
?truth: value COMPARES value -> comparison
      | call
      | boolean
      | "(" condition ")"

?value: path | call | boolean | literal | UPPER -> name | "[" [value ("," value)*] "]" -> items
path: LOWER ("." LOWER)* ("[" key "]")*
key: STRING | NUMBER
boolean: TRUE | FALSE
literal: STRING | NUMBER | NIL

TRUE: "true"
FALSE: "false"
NIL: "nil"
COMPARES: "==" | "!=" | ">=" | "<=" | ">" | "<"
NUMBER: /[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+/
STRING: /"(\\.|[^\\"])*"/s
UPPER: /[A-Z][A-Za-z0-9_]*/
LOWER: /[a-z][a-z0-9_]*/
%ignore /\s+/
"""
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_CONTROLS = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"'))


def statement(text: str) -> Statement:
    """Parse an editor's call and its condition; raises Refused."""
    return cast("Statement", _parse(text, "statement"))


def condition(text: str) -> Condition:
    """Parse a condition; raises Refused."""
    return cast("Condition", _parse(text, "condition"))


@cache
def _parser() -> Lark:
    starts = ["statement", "condition"]
    # An option that is not taken is None in the arguments of its node.
    return Lark(
        _GRAMMAR, parser="lalr", start=starts, transformer=_Nodes(), maybe_placeholders=True
    )


def _parse(text: str, start: str) -> object:
    _check_depth(text)
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None


def _check_depth(text: str) -> None:
    depth = 0
    for column, character in enumerate(text, 1):
        depth += (character in "([") - (character in ")]")
        if depth > DEPTH_MAX:
            raise Refused(column, f"more than {DEPTH_MAX} brackets in one another")


def _unexpected(error: UnexpectedInput, text: str) -> Refused:
    hint = f"Where OTTL has it: {CAN_RUN_IT}"
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return Refused(len(text) + 1, "this ends too early", hint)
    at = error.pos_in_stream or 0
    return Refused(at + 1, f"{token or text[at]} is not expected here", hint)


@v_args(inline=True)
class _Nodes(Transformer[Token, object]):
    """Each rule of the grammar as the node that it makes."""

    def statement(self, editor: Call, where: Condition | None) -> Statement:
        return Statement(editor, where)

    def editor(self, name: Token, arguments: tuple[Argument, ...] | None) -> Call:
        return Call(_column(name), str(name), arguments or ())

    call = editor

    def arguments(self, *arguments: Argument) -> tuple[Argument, ...]:
        return arguments

    def argument(self, name: Token | None, value: Value) -> Argument:
        return Argument(str(name or ""), value)

    def condition(self, *inner: Condition) -> Condition:
        return inner[0] if len(inner) == 1 else Any(inner)

    def all(self, *inner: Condition) -> Condition:
        return inner[0] if len(inner) == 1 else All(inner)

    def negation(self, inner: Condition) -> Condition:
        return Not(inner)

    def comparison(self, left: Value, operator: Token, right: Value) -> Comparison:
        return Comparison(_column(operator), left, str(operator), right)

    def name(self, name: Token) -> Name:
        return Name(_column(name), str(name))

    def items(self, *items: Value | None) -> Items:
        found = tuple(item for item in items if item is not None)
        return Items(found[0].column if found else 0, found)

    def path(self, *parts: Token | str | int) -> Path:
        names = [part for part in parts if isinstance(part, Token)]
        keys = [part for part in parts if not isinstance(part, Token)]
        return Path(_column(names[0]), tuple(map(str, names)), tuple(keys))

    def key(self, token: Token) -> str | int:
        key = _value(token)
        if not isinstance(key, (str, int)):
            raise Refused(_column(token), "a key is a text or a whole number")
        return key

    def literal(self, token: Token) -> Literal:
        return Literal(_column(token), _value(token))

    boolean = literal


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _value(token: Token) -> str | float | None:
    if token.type == "STRING":
        return _unquoted(token)
    if token.type == "NUMBER":
        return _number(token)
    return {"true": True, "false": False}.get(token)


def _number(token: Token) -> float:
    beyond = Refused(_column(token), "a number beyond 64 bits")
    digits = token.lstrip("+-0") or "0"
    if not digits.isdigit():
        number = float(token)
        if isfinite(number):
            return number
        raise beyond
    # Twenty digits are too many already, and Python reads no thousands of them.
    whole = int(digits[:20]) * (-1 if token.startswith("-") else 1)
    if -(2**63) <= whole < 2**63:
        return whole
    raise beyond


def _unquoted(token: Token) -> str:
    """The text in quotes, with Go's escapes; https://go.dev/ref/spec#Rune_literals."""

    def character(escape: re.Match[str]) -> str:
        if escape[5]:
            hint = 'in a pattern a \\ is written twice: "\\\\."'
            raise Refused(_column(token) + 1 + escape.start(), f"\\{escape[5]} is no escape", hint)
        digits = escape[2] or escape[3] or escape[4]
        if not digits:
            return _CONTROLS[escape[1]]
        number = int(digits, 16)
        beyond = number > 0x10FFFF or 0xD800 <= number < 0xE000 or (escape[2] and number > 0x7F)
        if beyond:
            raise Refused(_column(token) + 1 + escape.start(), f"{escape[0]} is no character")
        return chr(number)

    if "\n" in token:
        raise Refused(_column(token), "a text that does not end in its line")
    return _ESCAPE.sub(character, token[1:-1])
