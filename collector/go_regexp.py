"""A regular expression as Go reads it becomes one that Python reads in the same way.

In: the text of a pattern. Out: a compiled pattern, searched unanchored, or `Unsupported` for what
only one of the two languages has or what the two read differently. It knows no metric.
One difference is left: with `(?i)` Python takes the letters ı and İ for an i.

https://github.com/google/re2/wiki/Syntax and https://docs.python.org/3/library/re.html
"""

from __future__ import annotations

import re

from collector.otelcol import CAN_RUN_IT, NOT_HERE

REPEAT_MAX = 1000
"""Go's limit on `{n}`."""

_TOKEN = re.compile(
    r"""
      (?P<set>\[(?P<not>\^?)(?P<items>\]?(?:\\.|[^\]\\])*)\])
    | (?P<escape>\\.)
    | (?P<repeat>(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)
    | (?P<group>\((?:\?i?:)?(?!\?))
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
