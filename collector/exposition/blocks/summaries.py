"""A family of summaries: of each series its quantiles, sum and count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.exposition.blocks.block import Listed, distribution, stamp

if TYPE_CHECKING:
    from collector.exposition.alphabet import Labels
    from collector.exposition.dialects import Dialect
    from collector.reading import Readings


class Summaries(Listed["tuple[str, str, str]"]):
    """A family of summaries."""

    def _text(self, labels: Labels) -> tuple[str, str, str]:
        return distribution(self.family.name, "", labels, "quantile")

    def lines(self, readings: Readings, dialect: Dialect) -> list[bytes]:
        """Write a series' quantiles, sum and count."""
        result = []
        number = dialect.number
        for index, (quantile, sum_, count_) in self._ordered():
            reading = readings.summaries.get(index)
            if reading is None:
                continue
            end = f"{stamp(index, readings, dialect)}\n"
            result += [
                f'{quantile}{number(at)}"}} {number(value)}{end}' for at, value in reading.quantiles
            ]
            total = dialect.count(reading.count)
            result.append(f"{sum_}{number(reading.sum)}{end}{count_}{total}{end}")
        return [line.encode(errors="replace") for line in result]
