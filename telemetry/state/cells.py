"""Cells in a mapped file: counting costs what it costs in memory, and survives the process.

Comes in: an open state file and what stands in it. Goes out: a `telemetry.tally.Store`. Where the
disk refuses room for one more series, counting goes on in memory and the file is given up: numbers
that have stopped must not be continued later. It knows no metric and no clock.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.catalog import Kind
from telemetry.state import layout
from telemetry.tally import UNKNOWN, Memory, width

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator

    from telemetry.catalog import Metric
    from telemetry.state.held import Held
    from telemetry.state.layout import Contents
    from telemetry.tally import Numbers

logger = logging.getLogger(__name__)

SIZE = 1 << 16
"""Of a new file; it doubles when it is full."""


class Mapped:
    """A store in a file that this process holds."""

    def __init__(self, held: Held, contents: Contents, failed: Callable[[str], None]) -> None:
        """Raises `OSError` where the file cannot be mapped."""
        self.start_unix_nano = contents.head.start_unix_nano
        """When this life began, in an earlier process perhaps."""
        self._held = held
        self._contents = contents
        self._end = contents.end
        self._places = {metric: place for place, metric in enumerate(contents.head.metrics)}
        self._failed = failed
        self._memory: Memory | None = None
        self.numbers: Numbers
        self._map()

    def found(self) -> Iterator[tuple[Metric, tuple[str, ...], int]]:
        """See `Store.found`; what an earlier process measured is not known now."""
        for reading, cell in self._contents.series:
            if reading.metric.kind is Kind.GAUGE:
                self.numbers[cell] = UNKNOWN
            yield reading.metric, reading.attributes, cell

    def add(self, metric: Metric, values: tuple[str, ...]) -> int:
        """See `Store.add`."""
        if self._memory is None:
            try:
                place = self._places[metric]
                return self._append(layout.encode_series(place, values, width(metric)))
            except OSError as error:
                self._give_up(error)
        memory = self._to_memory()
        cell = memory.add(metric, values)
        self.numbers = memory.numbers
        return cell

    def leave(self) -> None:
        """Let go of the file, as it is; what is counted from now on is nobody's."""
        self._to_memory()
        self._held.close()

    def remove(self) -> None:
        """Delete the file: everything in it was said."""
        self._to_memory()
        with suppress(OSError):  # then it is said once more by whoever finds it
            self._held.remove()

    def forget(self) -> None:
        """In a forked child: the file is its parent's."""
        self._to_memory()
        self._held.forget()

    def _append(self, series: bytes) -> int:
        end = self._end + len(series)
        if end > len(self._bytes):
            self._held.extend(max(end, 2 * len(self._bytes)))
            self._map()
        self._bytes[self._end : end] = series
        self._words[layout.SEAL_AT // 8] = layout.seal(end)
        at, self._end = self._end, end
        return (at + layout.numbers_at(series)) // 8

    def _map(self) -> None:
        self._bytes: mmap.mmap = self._held.mapped()
        view = memoryview(self._bytes)
        self._words = view.cast("Q")
        self.numbers = view.cast("d")

    def _give_up(self, error: OSError) -> None:
        self._words[layout.SEAL_AT // 8] = 0  # if it cannot be deleted, nobody reads it
        path = self._held.path
        self.remove()
        logger.warning(
            "%s cannot grow (%s); counts are kept in memory until this worker ends. Make room and "
            "restart it",
            path,
            error.strerror,
        )
        self._failed("unwritable")

    def _to_memory(self) -> Memory:
        """Swap the numbers for a copy; the map goes with the last who looks at it."""
        if self._memory is None:
            self._memory = Memory(self.numbers)
            self.numbers = self._memory.numbers
        return self._memory
