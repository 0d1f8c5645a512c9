"""The part of a page that one family fills: its series in order, each with its text but the number.

That text is made once, when a series comes; the order is made again only after series came or went.
At a scrape what is left is to print numbers. Names, labels and readings are taken as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from collector.exposition import protobuf
from collector.exposition.dialects import bucket_tails, label_block, name_and_block
from collector.exposition.families import Family
from collector.model import Series, Target, Type

if TYPE_CHECKING:
    from collector.exposition.alphabet import Labels
    from collector.exposition.dialects import Dialect
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
    def lines(self, readings: Readings, dialect: Dialect) -> list[str]:
        """Write the lines of all series that have something to say."""

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


class OfSeries(Block[int, Text]):
    """A family of series, by their number."""

    def metrics(self, readings: Readings) -> list[bytes]:
        """Write a message a series."""
        return [
            protobuf.metric(self.family, labels, readings, index)
            for index, labels in self.labels()
            if index not in readings.absent
        ]


class Numbers(OfSeries[str]):
    """A family of counters or gauges."""

    def _text(self, labels: Labels) -> str:
        return _sample(self.family.name, labels)

    def lines(self, readings: Readings, dialect: Dialect) -> list[str]:
        """Write one line a series, with the newest exemplar where there is one."""
        number, numbers, absent = dialect.number, readings.numbers, readings.absent
        behind = {}
        if readings.times:
            behind = {index: dialect.stamp(readings.times[index]) for index in self._texts}
        if dialect.exemplar:
            for index in self._texts.keys() & readings.exemplars.keys():
                exemplar = dialect.exemplar(readings.exemplars[index][-1])
                behind[index] = behind.get(index, "") + exemplar
        return [
            f"{text}{number(numbers[index])}{behind.get(index, '')}\n"
            for index, text in self._ordered()
            if index not in absent
        ]


class Histograms(OfSeries["tuple[str, str, str]"]):
    """A family of histograms."""

    def _text(self, labels: Labels) -> tuple[str, str, str]:
        return _distribution(self.family.name, "_bucket", labels, "le")

    def lines(self, readings: Readings, dialect: Dialect) -> list[str]:
        """Write a series' buckets, sum and count."""
        result = []
        count = dialect.count
        for index, (bucket, sum_, count_) in self._ordered():
            reading = readings.histograms.get(index)
            if reading is None:
                continue
            stamp = _stamp(index, readings, dialect)
            total = count(reading.count) + stamp
            counts = [*(count(each) + stamp for each in reading.cumulated), total]
            if dialect.exemplar and reading.native is None:
                for at, exemplar in reading.in_buckets(readings.exemplars.get(index, ())):
                    counts[at] += dialect.exemplar(exemplar)
            tails = bucket_tails(reading.bounds, dialect)
            result += [f"{bucket}{tail}{text}\n" for tail, text in zip(tails, counts)]
            result.append(f"{sum_}{dialect.number(reading.sum)}{stamp}\n{count_}{total}\n")
        return result


class Summaries(OfSeries["tuple[str, str, str]"]):
    """A family of summaries."""

    def _text(self, labels: Labels) -> tuple[str, str, str]:
        return _distribution(self.family.name, "", labels, "quantile")

    def lines(self, readings: Readings, dialect: Dialect) -> list[str]:
        """Write a series' quantiles, sum and count."""
        result = []
        number = dialect.number
        for index, (quantile, sum_, count_) in self._ordered():
            reading = readings.summaries.get(index)
            if reading is None:
                continue
            stamp = _stamp(index, readings, dialect)
            total = dialect.count(reading.count)
            result += [
                f'{quantile}{number(at)}"}} {number(value)}{stamp}\n'
                for at, value in reading.quantiles
            ]
            result.append(f"{sum_}{number(reading.sum)}{stamp}\n{count_}{total}{stamp}\n")
        return result


class Targets(Block[Target, str]):
    """The family `target_info`: of each target with a living series what its resource tells.

    Where series of one target tell different things, what the oldest of them told is shown.
    """

    def __init__(self, name: str) -> None:
        super().__init__(Family(name, Type.GAUGE, "Target metadata"))
        self._told: dict[Target, dict[Labels, int]] = {}
        self._members: dict[Target, set[int]] = {}

    def enter(self, number: int, series: Series) -> None:
        """Count a series of a target in."""
        if series.target is None:
            return
        self._members.setdefault(series.target, set()).add(number)
        told = self._told.setdefault(series.target, {})
        told[series.target_labels] = told.get(series.target_labels, 0) + 1
        if series.target not in self._texts:
            self.set(series.target, series.target_labels)

    def leave(self, number: int, series: Series) -> None:
        """Count a series of a target out; the target goes with the last one."""
        if series.target is None:
            return
        self._members[series.target].discard(number)
        told = self._told[series.target]
        told[series.target_labels] -= 1
        if not told[series.target_labels]:
            del told[series.target_labels]
            if told:
                self.set(series.target, next(iter(told)))
            else:
                del self._told[series.target]
                del self._members[series.target]
                self.remove(series.target)

    def _text(self, labels: Labels) -> str:
        return _sample(self.family.name, labels)

    def lines(self, readings: Readings, dialect: Dialect) -> list[str]:
        """Write one line for each target of which some series has something to say."""
        return [
            f"{text}{dialect.number(1.0)}\n"
            for target, text in self._ordered()
            if not self._members[target] <= readings.absent
        ]

    def metrics(self, readings: Readings) -> list[bytes]:
        """Write one message for each such target."""
        return [
            protobuf.gauge(labels, 1.0)
            for target, labels in self.labels()
            if not self._members[target] <= readings.absent
        ]


def _stamp(index: int, readings: Readings, dialect: Dialect) -> str:
    return dialect.stamp(readings.times[index]) if readings.times else ""


def _distribution(name: str, suffix: str, labels: Labels, last: str) -> tuple[str, str, str]:
    """Write how the lines of a distribution begin: how its values lie, their sum and count."""
    # the last label is completed later, and with it the brace
    inside = ",".join(filter(None, [label_block(labels), f'{last}="']))
    return (
        name_and_block(name + suffix, inside).removesuffix("}"),
        _sample(f"{name}_sum", labels),
        _sample(f"{name}_count", labels),
    )


def _sample(name: str, labels: Labels) -> str:
    return f"{name_and_block(name, label_block(labels))} "
