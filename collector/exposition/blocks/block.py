"""The part of a page that one family fills: its series in order, each with its text but the number.

That text is made once, when a series comes; the order is made again only after series came or went.
At a scrape what is left is to print numbers. Names, labels and readings are taken as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from collector.exposition import protobuf
from collector.exposition.dialects import label_block, name_and_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.exposition.alphabet import Labels
    from collector.exposition.dialects import Dialect
    from collector.exposition.families import Family
    from collector.exposition.form import Form
    from collector.reading import Readings

Key = TypeVar("Key")
Text = TypeVar("Text")


def place(labels: Labels) -> tuple[int, list[str], Labels]:
    """Return the sort key of a series in its family, which is that of the Prometheus client in Go.

    Few labels before many, then by the values in the order of the labels' names. Python orders
    strings by code point, which is the order of their UTF-8 bytes.
    """
    return len(labels), [value for _, value in labels], labels


class Block(ABC, Generic[Key, Text]):
    """A family's heading and lines; `Text` is what is written of a series before its numbers."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._texts: dict[Key, tuple[Labels, Text]] = {}
        self._order: list[tuple[Key, Text]] | None = None

    def __len__(self) -> int:
        return len(self._texts)

    @abstractmethod
    def _text(self, labels: Labels) -> Text:
        """Write what stands before the numbers of a series."""

    @abstractmethod
    def lines(self, readings: Readings, dialect: Dialect) -> Sequence[bytes]:
        """Write the lines of all series that have something to say, in pieces of any length."""

    @abstractmethod
    def metrics(self, readings: Readings) -> list[bytes]:
        """Write the protobuf messages of all series that have something to say."""

    def set(self, key: Key, labels: Labels) -> None:
        """Take in a series, or give one other labels."""
        self._texts[key] = labels, self._text(labels)
        self._order = None

    def labels(self) -> list[tuple[Key, Labels]]:
        """Return the series in order, each with its labels."""
        return [(key, self._texts[key][0]) for key, _ in self._ordered()]

    def remove(self, key: Key) -> None:
        """Take a series out."""
        del self._texts[key]
        self._order = None

    def _ordered(self) -> list[tuple[Key, Text]]:
        if self._order is None:
            texts = sorted(self._texts.items(), key=lambda item: place(item[1][0]))
            self._order = [(key, text) for key, (_, text) in texts]
        return self._order


Shape = TypeVar("Shape")


class Listed(Block[int, Text]):
    """A family of series, by their number."""

    def metrics(self, readings: Readings) -> list[bytes]:
        """Write a message a series."""
        return [
            protobuf.metric(self.family, labels, readings, index)
            for index, labels in self.labels()
            if index not in readings.absent
        ]


class Filled(Listed[Text], Generic[Text, Shape]):
    """A family whose lines are a form.

    It is the same one as long as the same series speak and `Shape`, what else it depends on, stays.
    """

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self._numbers = np.zeros(0, np.intp)
        """The series in order."""
        self._forms: dict[Dialect, tuple[NDArray[np.intp], Shape, Form]] = {}

    def _speaking(self, readings: Readings) -> NDArray[np.intp]:
        """Return the series in order, without those that have nothing to say."""
        if self._order is None:
            self._numbers = np.array([number for number, _ in self._ordered()], np.intp)
            self._forms.clear()
        if not readings.absent:
            return self._numbers
        absent = np.fromiter(readings.absent, np.intp, len(readings.absent))
        return self._numbers[~np.isin(self._numbers, absent)]

    def _form(self, dialect: Dialect, series: NDArray[np.intp], shape: Shape) -> Form:
        """Return the form of these series, a new one if it is not the one of last time."""
        known = self._forms.get(dialect)
        if known is not None and known[1] == shape and np.array_equal(known[0], series):
            return known[2]
        texts = [self._texts[number][1] for number in series.tolist()]
        form = self._new_form(dialect, texts, shape)
        self._forms[dialect] = series, shape, form
        return form

    @abstractmethod
    def _new_form(self, dialect: Dialect, texts: Sequence[Text], shape: Shape) -> Form:
        """Write what stands before the numbers of these series."""


def has_more(readings: Readings, dialect: Dialect) -> bool:
    """Whether there may be something to write behind numbers."""
    return bool(readings.times or (dialect.exemplar and readings.exemplars))


def stamp(number: int, readings: Readings, dialect: Dialect) -> str:
    """Write the time of a series' newest point, where times are shown."""
    return dialect.stamp(readings.times[number]) if readings.times else ""


def distribution(name: str, suffix: str, labels: Labels, last: str) -> tuple[str, str, str]:
    """Write how the lines of a distribution begin: how its values lie, their sum and count."""
    # the last label is completed later, and with it the brace
    inside = ",".join(filter(None, [label_block(labels), f'{last}="']))
    return (
        name_and_block(name + suffix, inside).removesuffix("}"),
        sample(f"{name}_sum", labels),
        sample(f"{name}_count", labels),
    )


def sample(name: str, labels: Labels) -> str:
    """Write how the line of a sample begins."""
    return f"{name_and_block(name, label_block(labels))} "
