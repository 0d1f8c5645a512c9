"""Which row is a source's: one table for all books of a ledger.

Nearly every source has one row, in one book. That row is noted here, with the book whose it is, in
eight bytes a source. What a source has besides (more lives, or another book since its bounds
changed) its books note themselves. Sources, rows and books are numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = 0
"""No row, which in a book is the bin; and no book."""


class Owners:
    """The one row of each source."""

    def __init__(self) -> None:
        self._rows = np.zeros(64, np.int32)
        self._books = np.zeros(64, np.int32)
        self._joined = NONE

    def join(self) -> int:
        """Return the number of a book that notes its rows here from now on."""
        self._joined += 1
        return self._joined

    def row(self, source: int, book: int) -> int:
        """Return a source's row, if it is of this book."""
        is_known = source < len(self._rows) and self._books[source] == book
        return int(self._rows[source]) if is_known else NONE

    def rows(self, sources: NDArray[np.intp], book: int) -> NDArray[np.intp]:
        """Return the rows of sources in a book; none where a source is negative."""
        self._make_room(int(sources.max(initial=0)))
        is_known = (self._books[sources] == book) & (sources >= 0)
        return np.where(is_known, self._rows[sources], NONE).astype(np.intp)

    def claim(self, source: int, book: int, row: int) -> bool:
        """Note a row; return whether there was none before."""
        self._make_room(source)
        if self._rows[source] != NONE:
            return False
        self._rows[source], self._books[source] = row, book
        return True

    def claim_all(self, sources: NDArray[np.intp], book: int, rows: NDArray[np.intp]) -> None:
        """Note rows of sources that have none."""
        self._make_room(int(sources.max(initial=0)))
        self._rows[sources], self._books[sources] = rows, book

    def is_free(self, sources: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which of the sources, none negative, have no row here."""
        self._make_room(int(sources.max(initial=0)))
        free: NDArray[np.bool_] = self._rows[sources] == NONE
        return free

    def clear(self, sources: int | NDArray[np.intp]) -> None:
        """Forget the row of a source, or of several."""
        self._rows[sources] = self._books[sources] = NONE

    def _make_room(self, source: int) -> None:
        if source >= len(self._rows):
            for name in ("_rows", "_books"):
                old = getattr(self, name)
                grown = np.zeros(2 * (source + 1), old.dtype)
                grown[: len(old)] = old
                setattr(self, name, grown)
