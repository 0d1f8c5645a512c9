"""When an exporter pushes, and what: at an interval, all that was spoken for since the last time.

Looking at the ledgers is done in the loop, where they belong; writing requests and handing them on
takes a thread, so that nobody else waits. How a request is carried, the sink knows.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from collector.outlets import otlp
from collector.outlets.pushed import SECOND
from collector.server.room import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.outlets.otlp import Batch
    from collector.outlets.pushed import PushOutlet, Told
    from collector.self_metrics import Sample

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where an exporter's requests go. Its methods are called by one thread at a time."""

    def open(self) -> None:
        """Begin; raises OSError where it cannot."""

    def put(self, batch: Batch, since: float) -> None:
        """Take a request with all that was spoken for since a moment, seconds of the clock.

        It must not wait for anybody. What it has to give up on, it counts.
        """

    def lost_since(self) -> float | None:
        """Return from when on what was given up has to be told again, if anything was; once."""

    def close(self, seconds: float) -> None:
        """End; what is waiting may take so long."""

    def self_metrics(self) -> list[Sample]:
        """Return its own numbers."""


class Pusher:
    """One exporter that pushes."""

    def __init__(
        self,
        name: str,
        outlet: PushOutlet,
        sink: Sink,
        interval_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.interval_seconds = interval_seconds
        self._outlet = outlet
        self._sink = sink
        self._clock = clock
        self._since = 0.0
        self._turn = asyncio.Lock()

    def open(self) -> None:
        """Begin; raises OSError where its sink cannot."""
        self._sink.open()

    async def run(self) -> None:
        """Push at every interval, for ever."""
        while True:
            await asyncio.sleep(self.interval_seconds)
            await self.push()

    async def push(self) -> None:
        """Push what was spoken for since the last time."""
        async with self._turn:
            lost, now = self._sink.lost_since(), self._clock()
            self._since = self._since if lost is None else min(lost, self._since)
            try:
                told = self._outlet.snapshot(self._since, now)
                if told:
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(None, self._put, told, self._since, now)
            except Exception as fault:  # noqa: BLE001 - the others are served on
                report(fault)  # the same is told again with the next push
            else:
                self._since = now

    def _put(self, told: Sequence[Told], since: float, now: float) -> None:
        for batch in otlp.batches(told, int(now * SECOND)):
            self._sink.put(batch, since)

    async def close(self, seconds: float) -> None:
        """Push once more, and end."""
        await self.push()
        await asyncio.get_running_loop().run_in_executor(None, self._sink.close, seconds)

    def self_metrics(self) -> list[Sample]:
        """Return the sink's own numbers."""
        return self._sink.self_metrics()
