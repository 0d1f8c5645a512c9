"""What an engine is told, kept: requests before they are recorded, ticks and starts.

Read again in the same order they make the same ledger. From time to time a state takes the place of
all that was kept until then; it is written a few rows at a time while the engine goes on. Which
bytes and files that makes, the journal knows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from collector.errors import Unkept
from collector.self_metrics import Sample, counter, gauge
from collector.state.write import copied, requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.journal.frames import Record
    from collector.journal.journal import Journal, State
    from collector.ledger.ledger import Ledger
    from collector.roster import Roster

log = logging.getLogger(__name__)

REQUEST, TICK, STATE, START = 1, 2, 3, 4
"""Kinds of records: a request as it came, decompressed protobuf; a tick that changed something; a
request of a state; a start, up to which no time had passed since the record before."""
AGAIN_SECONDS = 60
"""How long to wait after a state could not be written."""


class Keeper:
    """Keeps what one engine is told."""

    def __init__(self, journal: Journal, ledger: Ledger, roster: Roster) -> None:
        self.journal = journal
        self.replayed = 0
        """Records read at the start."""
        self.unreadable = 0
        """Records among them that said nothing any more."""
        self.unplaced = 0
        """Rows of a state that have no place under the rules that are in force now."""
        self.states = 0
        """States written since the start."""
        self._ledger = ledger
        self._roster = roster
        self._state: State | None = None
        self._requests: Iterator[bytes] = iter(())
        self._not_before = 0.0

    def records(self) -> Iterator[Record]:
        """Yield all that was kept."""
        for record in self.journal.records():
            self.replayed += 1
            yield record

    def request(self, body: bytes, now: float) -> None:
        """Keep a request; raises Unkept where it cannot be."""
        try:
            self.journal.append(REQUEST, now, body)
        except OSError as error:
            raise Unkept(f"the journal cannot be written: {error.strerror}") from None

    def take_back(self) -> None:
        """Let go of the request that was kept just now."""
        self.journal.take_back()

    def mark(self, kind: int, now: float) -> None:
        """Keep a tick or a start; without it the silent would be silent for another time."""
        try:
            self.journal.append(kind, now, b"")
        except OSError:
            log.debug("a tick or start was not kept")  # the journal has counted it

    def step(self, now: float) -> bool:
        """Write a little of a state, if one is due; return whether there is more to write."""
        if self._state is None and (not self.journal.is_long or now < self._not_before):
            return False
        try:
            self._write(now)
        except OSError as error:
            log.warning("the state cannot be written: %s", error.strerror)
            if self._state is not None:
                self._state.abandon()
                self._state = None
            self._not_before = now + AGAIN_SECONDS
        return self._state is not None

    def _write(self, now: float) -> None:
        if self._state is None:
            self._state = self.journal.begin_state()
            self._requests = requests(copied(self._ledger, self._roster))
            return
        body = next(self._requests, None)
        if body is not None:
            self._state.append(STATE, now, body)
            return
        self.journal.finish_state(self._state)
        self._state = None
        self.states += 1

    def close(self) -> None:
        """Let go of the files."""
        if self._state is not None:
            self._state.abandon()
        self.journal.close()

    def self_metrics(self, **labels: str) -> list[Sample]:
        """Return its own numbers."""
        journal, files = self.journal, self.journal.files
        gauges = [
            ("portless_journal_bytes", files.bytes, "What the journal takes of the disk."),
            ("portless_journal_segments", files.segments, "Files of records."),
        ]
        counters = [
            ("portless_journal_appended_bytes", journal.appended, "Written for what was accepted."),
            ("portless_journal_failed", journal.failed, "Records that could not be written."),
            ("portless_journal_replayed", self.replayed, "Records read at the start."),
            ("portless_journal_unreadable", self.unreadable, "Records that said nothing any more."),
            ("portless_journal_unplaced", self.unplaced, "Readings that no rule lets in any more."),
            ("portless_journal_cut_bytes", journal.cut, "Damaged bytes found at the start."),
            ("portless_journal_damaged", journal.damaged, "Damaged pieces found at the start."),
            ("portless_journal_states", self.states, "States written."),
        ]
        return [
            *(gauge(name, value, help_, **labels) for name, value, help_ in gauges),
            *(counter(name, value, help_, **labels) for name, value, help_ in counters),
        ]
