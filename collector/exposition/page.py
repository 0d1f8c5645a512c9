"""All living series -> the exposition, in the order of the real exporter.

Series come and go by number; a page knows their text but not their values, which are handed in at
each scrape. Who refuses a series, and why, is told by `families.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.exposition import protobuf
from collector.exposition.blocks.histograms import Histograms
from collector.exposition.blocks.numbers import Numbers
from collector.exposition.blocks.summaries import Summaries
from collector.exposition.blocks.targets import Targets
from collector.exposition.families import Families
from collector.exposition.names import target_info_name
from collector.exposition.utf8 import AS_IS
from collector.model import Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.exposition.negotiate import Format
    from collector.model import Series
    from collector.reading import Readings
    from collector.settings import Prometheus


BLOCKS: dict[Type, type[Histograms | Summaries]] = {
    Type.HISTOGRAM: Histograms,
    Type.SUMMARY: Summaries,
}
"""What shows a family of a type; all others are numbers."""


class Page:
    """What one Prometheus exporter shows."""

    def __init__(self, settings: Prometheus, escaping: str = AS_IS) -> None:
        """`escaping` is that of names which the exporter leaves as they are."""
        target_info = target_info_name(settings, escaping)
        self._families = Families(target_info, open_metrics=settings.enable_open_metrics)
        self._targets = Targets(target_info)
        self._blocks: dict[str, Numbers | Histograms | Summaries] = {}
        self._series: dict[int, Series] = {}
        self.changes = 0
        """How often series came or went."""
        self._order: list[Numbers | Histograms | Summaries | Targets] | None = None

    @property
    def series(self) -> Mapping[int, Series]:
        """What is shown, by number."""
        return self._series

    def add(self, number: int, series: Series) -> None:
        """Show a series from now on; raises Untranslatable where it cannot be."""
        family = self._families.enter(series)
        if family.name not in self._blocks:
            self._blocks[family.name] = BLOCKS.get(family.type, Numbers)(family)
            self._order = None
        self._blocks[family.name].set(number, series.labels)
        self._targets.enter(number, series)
        self._series[number] = series
        self.changes += 1

    def remove(self, number: int) -> None:
        """Stop to show a series."""
        series = self._series.pop(number)
        self.changes += 1
        self._targets.leave(number, series)
        self._families.leave(series)
        block = self._blocks[series.family]
        block.remove(number)
        if not block:
            del self._blocks[series.family]
            self._order = None

    def render(self, readings: Readings, form: Format) -> bytes:
        """Write the page; its bytes are UTF-8.

        Text that no UTF-8 can hold would come from a configuration, since what comes over the wire
        was UTF-8; it is written as `?`, because a scrape must not fail.
        """
        if form.dialect is None:
            return self._protobuf(readings)
        dialect = form.dialect
        parts: list[bytes] = []
        for block in self._ordered():
            lines = block.lines(readings, dialect)
            if lines:
                parts.append(dialect.heading(block.family).encode(errors="replace"))
                parts += lines
        parts.append(dialect.end.encode())
        return b"".join(parts)

    def _protobuf(self, readings: Readings) -> bytes:
        parts = []
        for block in self._ordered():
            metrics = block.metrics(readings)
            if metrics:
                parts.append(protobuf.family(block.family, metrics))
        return b"".join(parts)

    def _ordered(self) -> list[Numbers | Histograms | Summaries | Targets]:
        if self._order is None:
            blocks = [*self._blocks.values(), self._targets]
            self._order = sorted(blocks, key=lambda block: block.family.name)
        return self._order
