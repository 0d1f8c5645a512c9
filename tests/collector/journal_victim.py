"""A process that accepts what comes through a pipe and is killed while it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from collector.journal import journal
from tests.collector.test_journal_restore import started

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def serve(path: str, pipe: Connection, now: float) -> None:
    """Tell what is exposed at the start; then acknowledge each request when it was accepted."""
    journal.GROWTH_BYTES_MIN = 4_000
    running = started(Path(path), now)
    pipe.send(running.scrape_text())
    while True:
        body, now = pipe.recv()
        running.accept(body, now)
        pipe.send(None)
        running.tick(now)
        running.river.keep(now)
