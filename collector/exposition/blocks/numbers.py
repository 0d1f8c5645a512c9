"""A family of counters or gauges: one line a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.exposition.blocks.block import Filled, has_more, sample, stamp
from collector.exposition.form import Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.exposition.alphabet import Labels
    from collector.exposition.dialects import Dialect
    from collector.reading import Readings


class Numbers(Filled[str, None]):
    """A family of counters or gauges."""

    def _text(self, labels: Labels) -> str:
        return sample(self.family.name, labels)

    def lines(self, readings: Readings, dialect: Dialect) -> Sequence[bytes]:
        """Write one line a series, with the newest exemplar where there is one."""
        series = self._speaking(readings)
        numbers = np.asarray(readings.numbers, np.float64)[series]
        behind: dict[int, str] = {}
        if has_more(readings, dialect):
            for line, number in enumerate(series.tolist()):
                text = stamp(number, readings, dialect)
                if dialect.exemplar and number in readings.exemplars:
                    text += dialect.exemplar(readings.exemplars[number][-1])
                if text:
                    behind[line] = text
        return self._form(dialect, series, None).fill(numbers, dialect, behind)

    def _new_form(self, dialect: Dialect, texts: Sequence[str], shape: None) -> Form:  # noqa: ARG002
        return Form([(text,) for text in texts])
