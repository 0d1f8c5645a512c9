"""The file of a journal, as it may be found after whatever happened to it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from collector.exposition.negotiate import TEXT_FORMAT
from collector.journal.frames import HEAD_BYTES, MAGIC, Record, frames, head
from collector.journal.journal import Fsync, StateDir
from collector.keeper import REQUEST
from collector.plan import load
from tests.collector.pipeline import CONFIG, Pipeline

STEP = 64
"""Where an input begins with an odd byte, the rest are requests of this length in whole frames:
chance alone does not find a checksum."""
_PLAN = load("fuzz.yaml", CONFIG.read_text(), {})


def journal(data: bytes) -> None:
    """Each byte is in a record or a gap; a start goes on, and the next finds no broken end."""
    first, rest = data[:1], data[1:]
    pieces = [rest[at : at + STEP] for at in range(0, len(rest), STEP)]
    if first and first[0] % 2:
        rest = MAGIC + b"".join(head(REQUEST, 1.0, piece) + piece for piece in pieces)
    found = list(frames(rest))
    records = [one for one in found if isinstance(one, Record)]
    told = sum(HEAD_BYTES + len(one.payload) for one in records)
    gaps = [one for one in found if not isinstance(one, Record)]
    lost = sum(gap.end - gap.at for gap in gaps)
    assert told + lost + (len(MAGIC) if rest.startswith(MAGIC) else 0) == len(rest)
    with tempfile.TemporaryDirectory() as path:
        kept = Path(path) / "metrics"
        kept.mkdir()
        (kept / "0000000001.journal").write_bytes(rest)
        damaged, page = _started(Path(path))
        assert damaged == len(gaps)
        again, same = _started(Path(path))
        assert again == sum(gap.end < len(rest) for gap in gaps)
        assert page == same


def _started(path: Path) -> tuple[int, bytes]:
    """Start from a directory; return how much was damaged, and the page."""
    running = Pipeline(_PLAN, 1000, StateDir(path, Fsync.NEVER))
    running.river.restore(2.0)
    page = running.scrape(TEXT_FORMAT)
    damaged = running.engine.keeper.journal.damaged
    running.river.close()
    return damaged, page
