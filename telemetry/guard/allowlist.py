"""The allowlist: a text file -> which chains of imports and which calls are allowed.

Comes in: lines, each with a module, a run of modules (`a -> b -> c`), or a module's call
(`a: bind`); a `#` begins a comment. Goes out: a matcher, and the lines that matched nothing. It
knows no file and no import.

A chain is allowed if it contains an allowed run. So a whole chain as it was printed allows just
that; `logging.config -> socketserver` allows whatever comes that way; a module alone allows
everything through it, and its calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Run: TypeAlias = tuple[str, ...]

_NAME = r"\w+(?:\.\w+)*"
_LINE = re.compile(rf"(?P<run>{_NAME}(?:\s*->\s*{_NAME})*)(?:\s*:\s*(?P<call>{_NAME}))?")


class AllowlistError(ValueError):
    """A line says neither a module, nor `a -> b`, nor `a: call`."""


class Entry(NamedTuple):
    """One line."""

    run: Run
    call: str | None
    line: int


class Allowlist:
    """What is allowed, and which of it was needed."""

    def __init__(self, entries: Iterable[Entry] = (), standing: Iterable[Run] = ()) -> None:
        self._entries = tuple(entries)
        self._runs = {*standing, *(entry.run for entry in self._entries if entry.call is None)}
        self._begun = {run[:end] for run in self._runs for end in range(len(run))} | {()}
        self._calls = {(*entry.run, entry.call) for entry in self._entries if entry.call}
        self.used: set[Run] = set()
        """The runs and calls that allowed something."""

    def follow(self, tail: Run, *modules: str) -> Run | None:
        """Go on with a chain; None if it has become an allowed one.

        `tail` is what was returned for the modules before, () at the beginning: as much of the
        chain's end as may be the beginning of an allowed run.
        """
        for module in modules:
            tail = (*tail, module)
            for start in range(len(tail)):
                if tail[start:] in self._runs:
                    self.used.add(tail[start:])
                    return None
            while tail not in self._begun:
                tail = tail[1:]
        return tail

    def allows_call(self, module: str, name: str) -> bool:
        """Whether a module may make a call."""
        allowed = {(module, name)} & self._calls or {(module,)} & self._runs
        self.used |= allowed
        return bool(allowed)

    def unused(self) -> list[Entry]:
        """The lines that allowed nothing."""
        return [
            entry
            for entry in self._entries
            if (entry.run if entry.call is None else (*entry.run, entry.call)) not in self.used
        ]


def parse(text: str) -> list[Entry]:
    """The entries of a file. Raises `AllowlistError` with the line's number."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        wanted = line.partition("#")[0].strip()
        if not wanted:
            continue
        match = _LINE.fullmatch(wanted)
        run = tuple(re.split(r"\s*->\s*", match["run"])) if match else ()
        if match is None or (match["call"] and len(run) > 1):
            raise AllowlistError(f"line {number}: a module, `a -> b` or `a: call`, not {wanted!r}")
        entries.append(Entry(run, match["call"], number))
    return entries
