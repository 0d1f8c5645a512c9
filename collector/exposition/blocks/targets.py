"""The family `target_info`: one line for each target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.exposition import protobuf
from collector.exposition.blocks.block import Block, sample
from collector.exposition.families import Family
from collector.model import Target, Type

if TYPE_CHECKING:
    from collector.exposition.alphabet import Labels
    from collector.exposition.dialects import Dialect
    from collector.model import Series
    from collector.reading import Readings


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
        return sample(self.family.name, labels)

    def lines(self, readings: Readings, dialect: Dialect) -> list[bytes]:
        """Write one line for each target of which some series has something to say."""
        return [
            f"{text}{dialect.number(1.0)}\n".encode(errors="replace")
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
