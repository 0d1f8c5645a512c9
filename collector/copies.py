"""Copies that rules make of streams: a stream counts in several series, once in each.

A copy is a stream of its own that is told the same: to the router it differs from the first in the
field `copy` alone, so it has sources, lives and shares like any other and is kept like any other. A
pipeline without such rules does nothing here. Numbers and times are not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from collector.binding import Binder, Binding
from collector.errors import Reason
from collector.route import NOWHERE
from collector.rule import copies_any, spread

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from collector.ledger.ledger import Ledger
    from collector.model import Attributes, Stream
    from collector.route import Router, Routes
    from collector.rule import Made, Rewrite
    from collector.wire.column import Cells
    from collector.wire.reader import Part


class Copier:
    """Runs a pipeline's rules."""

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._copies = copies_any(rewrite)
        self.ways = 1
        """Of all streams so far, the most that became of one."""

    def rewrite(self, stream: Stream) -> Stream | None:
        """Return what becomes of a stream, or of that of its copies which it is."""
        if not self._copies:
            return None if stream.copy else self._rewrite(stream)
        left = self._left(stream)
        found = left[stream.copy] if stream.copy < len(left) else None
        if isinstance(found, Exception):
            raise found
        return found

    def makes(self, copy: Stream) -> bool:
        """Whether there is such a copy of a stream, shown or refused."""
        return copy.copy < len(self._left(copy))

    def _left(self, stream: Stream) -> Sequence[Made]:
        plain = stream.but(copy=0)
        left = [one for one in spread(self._rewrite, plain) if one is not None]
        self.ways = max(self.ways, len(left))
        return left


class _Way:
    """The router, asked for one of the copies of each stream."""

    def __init__(self, router: Router, copier: Copier, copy: int) -> None:
        self._router = router
        self._copier = copier
        self._copy = copy

    def routes(self, frame: Stream, asked: Sequence[Attributes]) -> Routes:
        copies = frame.but(copy=self._copy)
        found = self._router.routes(copies, asked)
        limited = found.refused.get(Reason.STREAM_LIMIT, 0)
        if not limited:
            return found
        # The limit comes before the rules: it is no loss of those of which there is no copy.
        nowhere = np.flatnonzero(found.sources == NOWHERE).tolist()
        absent = sum(not self._copier.makes(copies.but(attributes=asked[at])) for at in nowhere)
        found.refused[Reason.STREAM_LIMIT] = limited - (absent - found.dropped)
        found.refused, found.dropped = +found.refused, absent
        return found


@dataclass
class Copies:
    """What became of points' copies, in all shapes of a pipeline."""

    missed: Counter[Reason]
    """Where points are counted whose copy was refused; the point itself is not."""
    kept: int = 0
    """Copies of points that were recorded."""

    def clear(self) -> None:
        """Begin anew."""
        self.missed.clear()
        self.kept = 0


@dataclass
class Copied:
    """A shape that is bound several times, as a `Binding` is once."""

    first: Binding
    others: Sequence[Binding]
    points: int
    """How many can be read, copied or not."""
    copies: Copies
    is_clean = False
    """Never remembered as part of a whole request."""

    @property
    def refused(self) -> int:
        """How much was refused, of copies too: whether it is worth to ask again."""
        return self.first.refused.total() + sum(one.refused.total() for one in self.others)

    @property
    def dropped(self) -> int:
        """Points of which a rule left nothing."""
        return self.first.dropped

    @property
    def freed(self) -> int:
        """See `Binding`."""
        return self.first.freed

    def record(self, cells: Sequence[Cells], now: float) -> Counter[Reason]:
        """Write a reading to the books for each copy; return what was refused of the first."""
        for other in self.others:
            missed = other.record(cells, now)
            self.copies.missed.update(missed)
            self.copies.kept += self.points - other.dropped - missed.total()
        return self.first.record(cells, now)


class CopyBinder:
    """Finds rows for all that becomes of a shape's points."""

    def __init__(self, ledger: Ledger, router: Router, copier: Copier, copies: Copies) -> None:
        self._ledger = ledger
        self._router = router
        self._copier = copier
        self._copies = copies
        self._binders = [Binder(ledger, router)]

    def bind(self, part: Part, now: float) -> Binding | Copied:
        """Find a row for every point of a part's shape, and for its copies."""
        shape = part.shape
        asked = shape.identities  # which a binder lets go of when nobody was refused
        first = self._binders[0].bind(part, now)
        # The router has asked the rules for every point by now, here or when it was restored.
        while len(self._binders) < self._copier.ways:
            way = _Way(self._router, self._copier, len(self._binders))
            self._binders.append(Binder(self._ledger, cast("Router", way)))
        if part.context.resource is None or part.context.scope is None:
            return first
        others = []
        for binder in self._binders[1:]:
            shape.identities = asked
            other = binder.bind(part, now)
            other.refused -= shape.refused  # these points cannot be read, copied or not
            if other.dropped < shape.points:
                others.append(other)
        points = shape.points - shape.refused.total()
        made = Copied(first, others, points, self._copies) if others else first
        shape.identities = asked if made.refused else []
        return made
