"""A table of measurements: what `python -m benchmarks` prints, and what it keeps in RESULTS.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Table(NamedTuple):
    """A heading, the columns, and rows as they are measured."""

    title: str
    columns: Sequence[str]
    rows: Iterable[Sequence[str]]
    """The first cell of each is a name, the others are numbers."""
    notes: str = ""
    """What has to be known to read them, in Markdown."""

    def lines(self) -> Iterable[str]:
        """Write the table in Markdown, line by line while it is measured."""
        yield f"\n### {self.title}\n"
        yield f"| {' | '.join(self.columns)} |"
        yield f"|---|{'---:|' * (len(self.columns) - 1)}"
        for row in self.rows:
            yield f"| {' | '.join(row)} |"
        if self.notes:
            yield f"\n{self.notes.strip()}"
