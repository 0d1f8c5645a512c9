"""A family of counters or gauges: one line a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collector.exposition.blocks.block import Filled, sample, stamp
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

    def lines(self, readings: Readings, dialect: Dialect) -> list[str]:
        """Write one line a series, with the newest exemplar where there is one."""
        series = self._speaking(readings)
        form = self._form(dialect, series, None)
        pieces = form.fill(np.asarray(readings.numbers, np.float64)[series], dialect)
        if not readings.times and not (dialect.exemplar and readings.exemplars):
            return pieces
        for line, number in enumerate(series.tolist()):
            behind = stamp(number, readings, dialect)
            if dialect.exemplar and number in readings.exemplars:
                behind += dialect.exemplar(readings.exemplars[number][-1])
            if behind:
                form.append(line, behind)
        return pieces

    def _new_form(self, dialect: Dialect, texts: Sequence[str], shape: None) -> Form:  # noqa: ARG002
        return Form([(text,) for text in texts])
