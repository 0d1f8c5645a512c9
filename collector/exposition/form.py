"""Lines as a form: what stands before each number stays, and only numbers that changed are written.

From one scrape to the next most numbers of a page are the same. So the pieces of a family's text
are kept in one list, a number's own piece behind those of its line; a scrape compares all numbers
in one stroke and prints those that differ. Which lines there are, and whose, is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.exposition.dialects import Dialect


class Form:
    """Lines in their order, each of as many pieces as the others, of which the last is its number.

    A number's piece ends its line.
    """

    def __init__(
        self, beginnings: Sequence[Sequence[str]], counts: NDArray[np.bool_] | None = None
    ) -> None:
        """`beginnings` are the pieces before each number, and `counts` tells which numbers count.

        Its shape is (lines,); None where they all measure.
        """
        self.pieces = [piece for beginning in beginnings for piece in (*beginning, "")]
        self._stride = len(beginnings[0]) + 1 if beginnings else 1
        self._counts = counts
        self._numbers = np.full(len(beginnings), np.nan)
        self._longer: list[int] = []
        """Lines that end in more than their number."""

    def fill(self, numbers: NDArray[np.float64], dialect: Dialect) -> list[str]:
        """Write numbers, shape (lines,), where they differ; return all pieces."""
        differs = numbers != self._numbers
        differs[self._longer] = True
        self._longer.clear()
        changed = np.flatnonzero(differs)
        if len(changed):
            self._write(changed, numbers, dialect)
            self._numbers = numbers
        return self.pieces

    def _write(
        self, changed: NDArray[np.intp], numbers: NDArray[np.float64], dialect: Dialect
    ) -> None:
        if self._counts is None or dialect.count_lines is dialect.number_lines:
            self._put(changed, dialect.number_lines(numbers[changed]))
            return
        is_count = self._counts[changed]
        counted, measured = changed[is_count], changed[~is_count]
        self._put(counted, dialect.count_lines(numbers[counted]))
        self._put(measured, dialect.number_lines(numbers[measured]))

    def _put(self, lines: NDArray[np.intp], texts: Sequence[str]) -> None:
        if len(lines) == len(self._numbers):
            self.pieces[self._stride - 1 :: self._stride] = texts
            return
        for at, text in zip((lines * self._stride + self._stride - 1).tolist(), texts):
            self.pieces[at] = text

    def append(self, line: int, text: str) -> None:
        """Write more at the end of a line, for this time."""
        at = (line + 1) * self._stride - 1
        self.pieces[at] = f"{self.pieces[at][:-1]}{text}\n"
        self._longer.append(line)
