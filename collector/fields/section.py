"""YAML text becomes sections that components read their keys from.

In: a file's name and text, and the environment. Out: `Section`s whose readers never raise: a
mistake is written down with its path and line, and a default stands in, so that one run reports all
of them. A key nobody asked for is a mistake too. It knows no component.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from collector.errors import ConfigError, Problem
from collector.fields import component_id, document, references, values
from collector.fields.document import Entry, Node, ScalarNode, SequenceNode, Type
from collector.fields.values import Mistake
from collector.otelcol import CAN_RUN_IT, NOT_HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from collector.settings import Endpoint

T = TypeVar("T")


def open_file(source: str, text: str, environ: Mapping[str, str]) -> File:
    """Read a file's text; raises ConfigError where it is not YAML at all."""
    try:
        root = document.read(text)
    except document.Unreadable as error:
        problem = Problem("", error.line, error.what, error.hint)
        raise ConfigError(source, [problem]) from None
    return File(source, references.resolve(root, environ))


class File:
    """A configuration file, and what was found in it so far."""

    def __init__(self, source: str, resolved: references.Resolved) -> None:
        self._source = source
        self._problems = list(resolved.problems)
        self._unread = {problem.line for problem in resolved.problems}
        self.warnings = [self._line(warning) for warning in resolved.warnings]
        self.references: list[tuple[Section, str, str]] = []
        """Section, key and id of every reference to another component that was read."""
        self.root = Section(self, "", Entry(0, resolved.root))

    def mistake(self, problem: Problem) -> None:
        """Write a mistake down once; a line with an unreadable reference has had its message."""
        if problem.line not in self._unread and problem not in self._problems:
            self._problems.append(problem)

    def warn(self, path: str, line: int, what: str) -> None:
        """Write down what is allowed but hardly meant."""
        self.warnings.append(self._line(Problem(path, line, what)))

    def close(self) -> None:
        """End the reading; raises ConfigError with every mistake."""
        self.root.close()
        if self._problems:
            raise ConfigError(self._source, self._problems)

    def _line(self, problem: Problem) -> str:
        what = f"{problem.what}: {problem.hint}" if problem.hint else problem.what
        return f"{self._source}:{problem.line}: {problem.path}: {what}"


class Section:
    """A map in the file, read key by key."""

    def __init__(self, file: File, path: str, entry: Entry) -> None:
        self.path = path
        self.line = entry.line
        self._file = file
        self._asked: dict[str, None] = {}
        self._elsewhere: set[str] = set()
        self._mistaken: set[str] = set()
        self._sections: dict[str, Section] = {}
        self._entries: Mapping[str, Entry] = {}
        try:
            self._entries = values.entries(entry.node)
            self._is_map = True
        except Mistake as mistake:
            line = self.line or mistake.line
            file.mistake(Problem(path, line, mistake.what, mistake.hint))
            self._is_map = False

    def __contains__(self, key: str) -> bool:
        """Whether the key stands in the file, whatever its value."""
        return key in self._entries

    def text(self, key: str, default: str = "") -> str:
        """Read text."""
        return self._read(key, values.text, default)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Read true or false."""
        return self._read(key, values.flag, default)

    def whole(self, key: str, default: int = 0, least: int = 0, most: int = 2**32 - 1) -> int:
        """Read a whole number within limits."""

        def limited(node: Node) -> int:
            number = values.whole(node)
            if not least <= number <= most:
                raise Mistake(node, f"expects {least} to {most}, not {values.shown(node)}")
            return number

        return self._read(key, limited, default)

    def fraction(self, key: str, default: float = 0.0, most: float = 1.0) -> float:
        """Read a number from 0 to a limit."""

        def limited(node: Node) -> float:
            number = values.scalar(node)
            is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
            if not is_number or not 0 <= float(number or 0) <= most:
                expected = f"a number from 0 to {most:g}"
                raise Mistake(node, f"expects {expected}, not {values.shown(node)}")
            return float(number or 0)

        return self._read(key, limited, default)

    def seconds(self, key: str, default: float = 0.0) -> float:
        """Read a duration as seconds."""
        return self._read(key, values.seconds, default)

    def words(self, key: str) -> tuple[str, ...]:
        """Read a list of texts."""
        return self._read(key, values.words, ())

    def names(self, key: str, least: int = 0) -> tuple[values.Name, ...]:
        """Read a list of at least so many texts, with the line of each."""

        def enough(node: Node) -> tuple[values.Name, ...]:
            names = values.names(node)
            if len(names) < least:
                raise Mistake(node, f"must name at least {least}")
            return names

        return self._read(key, enough, ())

    def reference(self, key: str) -> str:
        """Read the id of another component, and leave it to the file's reader whether it is there.

        Empty where nothing stands.
        """
        text = self.text(key)
        if not text:
            return ""
        try:
            id_ = str(component_id.parse(text))
        except component_id.Invalid as error:
            self.mistake(key, f'"{text}" is no id: {error}', quotes=True)
            return ""
        self._file.references.append((self, key, id_))
        return id_

    def scalar(self, key: str) -> str | float | None:
        """Read a text, a number, true or false; None where nothing stands."""
        return self._read(key, values.scalar, None)

    def begins_with_text(self, key: str) -> bool:
        """Whether a list that may be of texts or of maps is of texts; reads nothing."""
        node = self._entry(key).node
        first = node.items[:1] if isinstance(node, SequenceNode) else ()
        return any(isinstance(item, ScalarNode) for item in first)

    def pairs(self, key: str) -> dict[str, str]:
        """Read a map of texts."""
        return self._read(key, values.pairs, {})

    def endpoint(self, key: str, default: Endpoint) -> Endpoint:
        """Read host:port."""
        return self._read(key, values.endpoint, default)

    def choice(
        self,
        key: str,
        here: Collection[str],
        default: str,
        elsewhere: Collection[str] = (),
        *,
        fold: bool = False,
    ) -> str:
        """Read one of a few texts; `elsewhere` are those that only the Collector knows.

        With `fold`, upper case is as good as lower, and an empty text is the default.
        """

        def chosen(node: Node) -> str:
            text = values.text(node)
            if fold:
                text = text.lower() or default
            allowed = _listed([choice for choice in here if choice])
            if text in elsewhere:
                raise Mistake(node, f'"{text}" is {NOT_HERE}, only {allowed}', CAN_RUN_IT)
            if text not in here:
                raise values.unlike(node, allowed)
            return text

        return self._read(key, chosen, default)

    def section(self, key: str) -> Section:
        """Read a map; an absent one is empty."""
        self._asked[key] = None
        return self._section(self._path(key), self._entry(key))

    def sections(self, key: str) -> list[Section]:
        """Read a list of maps."""
        path, nothing = self._path(key), tuple[Node, ...]()
        return [
            self._section(f"{path}[{n}]", Entry(item.line, item))
            for n, item in enumerate(self._read(key, values.items, nothing))
        ]

    def free_keys(self) -> list[str]:
        """Read the keys of a map in which they are the user's own."""
        self._asked.update(dict.fromkeys(self._entries))
        return list(self._entries)

    def require(self, *keys: str) -> None:
        """Write down which of these keys are missing."""
        for key in keys:
            if key not in self._entries and self._is_map:
                self.mistake("", f'the key "{key}" is missing')

    def elsewhere(self, *keys: str, why: str = "") -> None:
        """Refuse keys that the Collector knows here and this engine does not."""
        for key in keys:
            self._asked[key] = None
            self._elsewhere.add(key)
            if key in self._entries:
                self.mistake(key, NOT_HERE + why, CAN_RUN_IT)

    def only(self, key: str, value: str | bool) -> None:
        """Accept a key with its default spelled out; any other value is the Collector's."""
        self._elsewhere.add(key)
        read: Callable[[Node], str | bool]
        read = values.flag if isinstance(value, bool) else values.text
        if self._read(key, read, value) != value:
            shown = str(value).lower() if isinstance(value, bool) else value
            self.mistake(key, f"anything but {shown} is {NOT_HERE}", CAN_RUN_IT)

    def line_of(self, key: str) -> int:
        """The line of a key, or of the section where it has none."""
        return self._entry(key).line

    def mistaken(self, *keys: str) -> bool:
        """Whether one of these keys could not be read and its default stands in."""
        return not self._mistaken.isdisjoint(keys)

    def mistake(
        self, key: str, what: str, hint: str = "", line: int = 0, *, quotes: bool = False
    ) -> None:
        """Write down what is wrong with a key, or without one with the section.

        Where `what` quotes the key's value, a value out of the environment stays unsaid.
        """
        if quotes and values.is_secret(self._entry(key).node):
            what = f"{values.shown(self._entry(key).node)} cannot be used here"
        line = line or (self.line_of(key) if key else self.line)
        self._file.mistake(Problem(self._path(key), line, what, hint))

    def warn(self, key: str, what: str) -> None:
        """Write down what is allowed but hardly meant."""
        self._file.warn(self._path(key), self.line_of(key), what)

    def close(self) -> None:
        """Refuse every key that nobody asked for, here and below."""
        for section in self._sections.values():
            section.close()
        allowed = [key for key in self._asked if key not in self._elsewhere]
        for key, entry in self._entries.items():
            if key not in self._asked:
                hint = f"{did_you_mean(key, self._asked)}allowed here: {_listed(allowed)}"
                self.mistake("", f'unknown key "{key}"', hint, entry.line)

    def _read(self, key: str, convert: Callable[[Node], T], default: T) -> T:
        self._asked[key] = None
        if key not in self._entries:
            return default
        try:
            return convert(self._entries[key].node)
        except Mistake as mistake:
            self._mistaken.add(key)
            path = self._path(key) + mistake.at
            self._file.mistake(Problem(path, mistake.line, mistake.what, mistake.hint))
            return default

    def _section(self, path: str, entry: Entry) -> Section:
        if path not in self._sections:
            self._sections[path] = Section(self._file, path, entry)
        return self._sections[path]

    def _entry(self, key: str) -> Entry:
        nothing = Entry(self.line, ScalarNode(self.line, Type.NOTHING, ""))
        return self._entries.get(key, nothing)

    def _path(self, key: str) -> str:
        return f"{self.path}::{key}" if self.path and key else self.path or key


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write a question that names the nearest known word, or nothing."""
    nearest = difflib.get_close_matches(word, known, n=1)
    return f'did you mean "{nearest[0]}"? ' if nearest else ""


def _listed(words: Collection[str]) -> str:
    return ", ".join(words)
