"""What an engine asks of whatever shows its series; several files here answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from collector.ledger.ledger import Ledger
    from collector.model import Stream
    from collector.self_metrics import Sample


class Feed(NamedTuple):
    """Where series come from: the ledger of a pipeline."""

    ledger: Ledger
    told_by: Collection[object]
    """Its receivers."""
    known: Callable[[], Iterable[tuple[int, Stream]]]
    """Tells of every series, those last that are silent and remembered."""


class Outlet(Protocol):
    """An exporter, as an engine and the river see it."""

    @property
    def expiration_seconds(self) -> float:
        """How long a series that nobody speaks for is shown."""

    @property
    def wants_exemplars(self) -> bool:
        """Whether exemplars are shown."""

    @property
    def wants_times(self) -> bool:
        """Whether the times of points are shown."""

    def join(self, feed: Feed) -> int:
        """Take series of one more ledger from now on; return its number, by which it is called.

        Ledgers that are told by the same receiver are told of the same streams: where two of them
        have series that would be one line, those would count twice, and the later one is refused.
        """

    def admit(self, feeder: int, series: int, stream: Stream) -> None:
        """Show a series from now on, or again; raises Untranslatable where it cannot be."""

    def line(self, feeder: int, series: int) -> Hashable:
        """Name what a series is shown as: alike for two that are one line."""

    def leave(self, feeder: int, series: Collection[int]) -> None:
        """Forget these series."""

    def hear(self, now: float) -> None:
        """Look which series were spoken for of late; the others are not shown."""

    def living(self, feeder: int) -> NDArray[np.bool_]:
        """Return which series of a ledger were, when it was last looked, among those."""

    def self_metrics(self, exporter: str) -> list[Sample]:
        """Return its own numbers; `exporter` is a label of them."""
