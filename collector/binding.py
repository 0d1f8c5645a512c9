"""A shape's points bound to rows of the ledger: the joint between what is read and what is counted.

Binding asks the router once for every point of a new shape; from then on its columns are recorded
whole. Which book a point belongs to follows from its metric's kind and temporality alone. What the
numbers say is not looked at here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from collector.errors import Reason
from collector.ledger.columns import BIN, differ
from collector.ledger.exemplars import NO_SERIES, Exemplars
from collector.ledger.lives import Lives
from collector.model import Stream, Temporality
from collector.recording import Bound, record
from collector.route import NOWHERE
from collector.wire.shape import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from collector.ledger.book import Book
    from collector.ledger.ledger import Ledger
    from collector.route import Router, Routes
    from collector.wire.column import Cells, Column, Head, Identities
    from collector.wire.framing import Context
    from collector.wire.reader import Part
    from collector.wire.shape import RequestShape

MANY = 5
"""Points whose rows are sooner found all at once."""


@dataclass
class Binding:
    """All columns of a shape, and what binding refused of it."""

    bounds: list[Bound]
    refused: Counter[Reason]
    dropped: int
    """Points that a rule dropped."""
    freed: int
    """The ledger's `freed` when it was asked."""

    @property
    def is_clean(self) -> bool:
        """Whether every point has a row, so that nothing is left to ask the router again."""
        return not self.refused and not self.dropped

    def record(self, cells: Sequence[Cells], now: float) -> Counter[Reason]:
        """Write a reading, the cells of each column, to the books; return what was refused."""
        refused = self.refused.copy() if self.refused else Counter()
        for bound, own in zip(self.bounds, cells):
            column = bound.column
            if isinstance(bound.book, Exemplars):
                bound.book.record(bound.rows, column.layout.bounds, column.exemplars(own))
            else:
                record(bound, bound.book, column.read(own), now, refused)
        return refused


def join(shape: RequestShape, parts: Sequence[Part]) -> Binding:
    """Bind a whole request by what its metrics are bound to, which has to be clean."""
    bindings: list[Binding] = [part.shape.binding for part in parts]
    result = Binding([], Counter(), 0, bindings[0].freed if bindings else 0)
    groups = joined([part.shape for part in parts])
    for column, members in zip(shape.columns, groups):
        bounds = [bindings[which].bounds[at] for which, at in members]
        starts = np.cumsum([0, *map(len, bounds)])
        rows = np.concatenate([bound.rows for bound in bounds])
        unknown = np.concatenate([b.unknown + at for b, at in zip(bounds, starts)])
        stale = np.concatenate([b.stale + at for b, at in zip(bounds, starts)])
        first = bounds[0]
        made = Bound(
            column, first.kind, first.temporality, first.book, rows, differ(rows), unknown, stale
        )
        result.bounds.append(made.packed())
    return result


class Binder:
    """Finds rows, and opens those that are missing."""

    def __init__(self, ledger: Ledger, router: Router) -> None:
        self._ledger = ledger
        self._router = router

    def bind(self, part: Part, now: float) -> Binding:
        """Find a row for every point of a part's shape."""
        shape = part.shape
        binding = Binding([], Counter(shape.refused), 0, self._ledger.freed)
        if shape.head is None:
            return binding
        frame = _frame(part.context, shape.head)
        if frame is None:
            binding.refused[Reason.DUPLICATE_ATTRIBUTE] += shape.points
            return binding
        for column, whose in zip(shape.columns, shape.identities):
            routes = self._router.routes(frame, whose.attributes)
            if column.layout.is_exemplar:
                series = np.where(routes.sources == NOWHERE, NO_SERIES, routes.series)
                binding.bounds.append(
                    _bound(column, whose, shape.head, self._ledger.exemplars, series)
                )
                continue
            binding.refused.update(routes.refused)
            binding.dropped += routes.dropped
            book = self._ledger.book(shape.head.kind, shape.head.temporality, column.layout.bounds)
            lives = whose.starts if isinstance(book, Lives) else np.zeros_like(whose.starts)
            rows = self._rows(book, routes, lives, now, binding.refused)
            binding.bounds.append(_bound(column, whose, shape.head, book, rows))
        if not binding.refused:
            shape.identities = []  # nobody is to be asked for again
        return binding

    def _rows(
        self,
        book: Book,
        routes: Routes,
        lives: NDArray[np.uint64],
        now: float,
        refused: Counter[Reason],
    ) -> NDArray[np.intp]:
        """Return the rows of sources' lives, BIN where there is none."""
        if len(lives) < MANY:
            few = enumerate(lives.tolist())
            return np.array(
                [self._row(book, routes, at, life, now, refused) for at, life in few], np.intp
            )
        rows, fresh = book.find_all(routes.sources, lives)
        missing = (rows == BIN) & (routes.sources != NOWHERE)
        if not missing.any():
            return rows
        # Of those that have no row at all there are most, and nothing to decide.
        new = np.flatnonzero(missing & fresh)
        sources = routes.sources[new]
        room = self._ledger.room
        if len(new) <= room and self._ledger.owners.is_free(sources).all() and differ(sources):
            rows[new] = book.open_all(sources, lives[new], routes.series[new], now)
            missing[new] = False
        if isinstance(book, Lives):
            self._begin(book, routes, lives, now, rows, missing & ~fresh)
            missing &= rows == BIN
        for at in np.flatnonzero(missing).tolist():
            rows[at] = self._row(book, routes, at, int(lives[at]), now, refused)
        return rows

    def _begin(
        self,
        book: Lives,
        routes: Routes,
        lives: NDArray[np.uint64],
        now: float,
        rows: NDArray[np.intp],
        known: NDArray[np.bool_],
    ) -> None:
        """Open rows for known sources that began anew, where nothing speaks against any of them."""
        chosen = np.flatnonzero(known)
        chosen = chosen[~book.are_closed(routes.sources[chosen], lives[chosen])]
        sources = routes.sources[chosen]
        if 0 < len(chosen) <= self._ledger.room and differ(sources):
            rows[chosen] = book.open_next(sources, lives[chosen], routes.series[chosen], now)

    def _row(
        self, book: Book, routes: Routes, at: int, life: int, now: float, refused: Counter[Reason]
    ) -> int:
        """Return the row of one source's life, opened if need be; BIN where it gets none."""
        source = int(routes.sources[at])
        if source == NOWHERE:
            return BIN
        row = book.find(source, life)
        if row is not None:
            return row
        if self._ledger.room <= 0:
            refused[Reason.STREAM_LIMIT] += 1
        elif isinstance(book, Lives) and book.is_closed(source, life):
            refused[Reason.TOO_LATE] += 1
        else:
            return book.open(source, life, int(routes.series[at]), now)
        return BIN


def _frame(context: Context, head: Head) -> Stream | None:
    """Return what all points of a metric have in common; None where nobody can say."""
    if context.resource is None or context.scope is None:
        return None
    return Stream(
        resource=context.resource,
        scope=context.scope,
        name=head.name,
        unit=head.unit,
        kind=head.kind,
        temporality=head.temporality,
        attributes=(),
        description=head.description,
    )


def _bound(
    column: Column,
    whose: Identities,
    head: Head,
    book: Book | Exemplars,
    rows: NDArray[np.intp],
) -> Bound:
    lives = isinstance(book, Lives) and head.temporality is Temporality.CUMULATIVE
    untold = whose.starts == 0 if lives and column.layout.is_timed else ()
    return Bound(
        column=column,
        kind=head.kind,
        temporality=head.temporality,
        book=book,
        where=rows,
        unique=differ(rows[rows != BIN]),
        unknown=np.flatnonzero(untold),
        stale=np.flatnonzero(whose.stale),
    ).packed()
