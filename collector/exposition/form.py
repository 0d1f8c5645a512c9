"""Lines as a form: what stands before each number stays, and only what changed is written anew.

From one scrape to the next most numbers of a page are the same. So the pieces of a family's text
are kept, a number's own piece behind those of its line; a scrape compares all numbers in one
stroke, prints those that differ, and joins the segments in which they stand. A segment whose
numbers stayed is not even looked at. Which lines there are, and whose, is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from collector.exposition.dialects import Dialect

SEGMENT = 32
"""Lines that are joined in one piece: many in one copy, few around a number that changed."""


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
        self._pieces = [piece for beginning in beginnings for piece in (*beginning, "")]
        self._stride = len(beginnings[0]) + 1 if beginnings else 1
        self._segments = [b""] * -(-len(beginnings) // SEGMENT)
        self._counts = counts
        self._numbers = np.full(len(beginnings), np.nan)
        self._longer: list[int] = []
        """Lines that end in more than their number."""

    def fill(
        self, numbers: NDArray[np.float64], dialect: Dialect, behind: Mapping[int, str]
    ) -> Sequence[bytes]:
        """Write numbers, shape (lines,), and what stands behind some; return the text in UTF-8."""
        differs = numbers != self._numbers
        differs[[*self._longer, *behind]] = True
        changed = np.flatnonzero(differs)
        if len(changed):
            self._print(changed, numbers, dialect)
            for line, text in behind.items():
                at = self._place(line)
                self._pieces[at] = f"{self._pieces[at][:-1]}{text}\n"
            touched = np.logical_or.reduceat(differs, range(0, len(differs), SEGMENT))
            self._join(np.flatnonzero(touched).tolist())
            self._numbers = numbers
        self._longer = list(behind)
        return self._segments

    def _place(self, line: int) -> int:
        return (line + 1) * self._stride - 1

    def _print(
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
            self._pieces[self._stride - 1 :: self._stride] = texts
            return
        for at, text in zip(((lines + 1) * self._stride - 1).tolist(), texts):
            self._pieces[at] = text

    def _join(self, segments: Iterable[int]) -> None:
        size = SEGMENT * self._stride
        for segment in segments:
            text = "".join(self._pieces[segment * size : (segment + 1) * size])
            # What no UTF-8 can hold would come from a configuration; a scrape must not fail.
            self._segments[segment] = text.encode(errors="replace")
