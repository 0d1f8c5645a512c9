"""A regular expression as Go reads it becomes one that Python reads in the same way.

In: the text of a pattern. Out: a compiled pattern, searched unanchored, or `Unsupported` for what
only one of the two languages has or what the two read differently. It knows no metric.
One difference is left: with `(?i)` Python takes the letters ı and İ for an i.

https://github.com/google/re2/wiki/Syntax and https://docs.python.org/3/library/re.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collector.otelcol import CAN_RUN_IT, NOT_HERE

if TYPE_CHECKING:
    from collections.abc import Callable

REPEAT_MAX = 1000
"""Go's limit on `{n}`."""

_TOKEN = re.compile(
    r"""
      (?P<set>\[(?P<not>\^?)(?P<items>\]?(?:\\.|[^\]\\])*)\])
    | (?P<escape>\\.)
    | (?P<repeat>(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)
    | (?P<group>\((?:\?i?:)?(?!\?))
    | (?P<named>\(\?P?<(?P<name>[A-Za-z_][A-Za-z0-9_]*)>)
    | (?P<bare>[|)^.])
    | (?P<end>\$)
    | (?P<literal>[^\\\[({*+?|)^.$])
    """,
    re.VERBOSE | re.DOTALL,
)
_ITEM = re.compile(r"(\\.|.)(?:-(\\.|[^\\]))?", re.DOTALL)
# Go's classes are ASCII, and \v is no space.
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_EDGES = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}
_IGNORE_CASE = "(?i)"
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


class Unsupported(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A pattern that this engine cannot run as the Collector would; the text says why."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def compile(pattern: str) -> re.Pattern[str]:  # noqa: A001 - go_regexp.compile, as re.compile
    """Translate a Go pattern; raises `Unsupported`."""
    prefix = _IGNORE_CASE if pattern.startswith(_IGNORE_CASE) else ""
    translated = prefix + "".join(_translated(pattern, len(prefix)))
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unsupported(f"not a regular expression: {error}") from None


def replace_all(
    pattern: re.Pattern[str],
    template: str,
    text: str,
    through: Callable[[str], str] = str,
) -> str:
    """Replace every match as Go does: an empty one only where no other has just ended.

    What comes of the template goes `through` a function.
    """
    parts: list[str] = []
    at = last = 0
    while match := pattern.search(text, at) if at <= len(text) else None:
        parts.append(text[last : match.start()])
        if match.end() > last or match.start() == 0:
            parts.append(through(expand(template, match)))
        last = match.end()
        at = max(at + 1, last)
    return "".join(parts) + text[last:]


def expand(template: str, match: re.Match[str]) -> str:
    """Fill in `$1`, `${1}`, `$name` and `${name}`; `$$` is one $, what matched nothing is nothing.

    https://pkg.go.dev/regexp#Regexp.Expand
    """

    def filled(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isascii() and name.isdigit():
            return (match[int(name)] or "") if int(name) <= match.re.groups else ""
        return (match[name] or "") if name in match.re.groupindex else ""

    return _REFERENCE.sub(filled, template)


def _translated(pattern: str, start: int) -> list[str]:
    parts: list[str] = []
    repeated = False
    while start < len(pattern):
        token = _TOKEN.match(pattern, start)
        if token is None:
            raise _only_go(pattern[start : start + 8])
        if repeated and token["repeat"]:
            raise Unsupported(f'"{token[0]}" repeats a repetition')
        repeated = bool(token["repeat"])
        parts.append(_part(token))
        start = token.end()
    return parts


def _part(token: re.Match[str]) -> str:
    if token["set"]:
        return f"[{token['not']}{_set(token['items'])}]"
    if token["escape"]:
        return _escape(token[0][1])
    if token["end"]:
        return r"\Z"
    if token["named"]:
        return f"(?P<{token['name']}>"
    if token["literal"]:
        return re.escape(token[0])
    if any(int(times) > REPEAT_MAX for times in re.findall("[0-9]+", token["repeat"] or "")):
        raise Unsupported(f'"{token[0]}" repeats more than {REPEAT_MAX} times')
    return token[0]


def _escape(letter: str) -> str:
    if letter in _EDGES:
        return _EDGES[letter]
    if letter.lower() in _CLASSES:
        negated = "^" if letter.isupper() else ""
        return f"[{negated}{_CLASSES[letter.lower()]}]"
    return _character(f"\\{letter}")


def _set(items: str) -> str:
    """The inside of `[…]`, with nothing left that Python could read in its own way."""
    parts = []
    for first, last in _ITEM.findall(items):
        if first[1:] in _CLASSES:
            parts.append(_CLASSES[first[1:]] + (rf"\-{_character(last)}" if last else ""))
        elif last:
            parts.append(f"{_character(first)}-{_character(last)}")
        else:
            parts.append(_character(first))
    if "[:" in items:
        raise _only_go(f"[{items}]")
    return "".join(parts)


def _character(text: str) -> str:
    """One character, escaped or not, as Python writes it."""
    if len(text) == 1:
        return re.escape(text)
    if text[1] in _CONTROLS:
        return re.escape(_CONTROLS[text[1]])
    if text[1].isascii() and not text[1].isalnum():
        return re.escape(text[1])
    raise _only_go(text)


def _only_go(text: str) -> Unsupported:
    return Unsupported(f'"{text}" is {NOT_HERE}', f"Where Go has it: {CAN_RUN_IT}")
