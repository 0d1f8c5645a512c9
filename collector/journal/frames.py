"""Records as bytes in a file, so that whatever happens to the file is noticed.

    frame = length of the payload (4) | CRC-32 of what follows (4) | kind (1) | time (8) | payload

All numbers are little-endian; the time is a double, seconds of the writer's clock. A file begins
with `MAGIC`. What a payload means is not known here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"portless journal 1\n"
_FRAME = struct.Struct("<IIBd")
_STAMP = struct.Struct("<Bd")
HEAD_BYTES = _FRAME.size
_CHECKED_FROM = HEAD_BYTES - _STAMP.size


class Record(NamedTuple):
    """What one frame holds."""

    kind: int
    time: float
    payload: bytes


class Gap(NamedTuple):
    """Bytes from `at` to `end` that are no frame."""

    at: int
    end: int


def head(kind: int, time: float, payload: bytes) -> bytes:
    """Return what stands before a payload."""
    checksum = crc32(payload, crc32(_STAMP.pack(kind, time)))
    return _FRAME.pack(len(payload), checksum, kind, time)


def frames(data: bytes) -> Iterator[Record | Gap]:
    """Yield the records of a file, and what is damaged between and behind them.

    Behind a frame whose checksum is wrong the next is looked for where it should end; if none is
    there, everything that follows is damaged: no length can be trusted.
    """
    if not data.startswith(MAGIC):
        if data:
            yield Gap(0, len(data))
        return
    at = len(MAGIC)
    while at < len(data):
        record, end = _frame(data, at)
        if record is not None:
            yield record
            at = end
        elif end < len(data) and _frame(data, end)[0] is not None:
            yield Gap(at, end)
            at = end
        else:
            yield Gap(at, len(data))
            return


def _frame(data: bytes, at: int) -> tuple[Record | None, int]:
    """Return the record of the frame at `at`, None if it is damaged, and where it ends."""
    if at + HEAD_BYTES > len(data):
        return None, len(data)
    size, checksum, kind, time = _FRAME.unpack_from(data, at)
    begin, end = at + HEAD_BYTES, at + HEAD_BYTES + size
    if end > len(data):
        return None, len(data)
    payload = data[begin:end]
    if crc32(payload, crc32(data[at + _CHECKED_FROM : begin])) != checksum:
        return None, end
    return Record(kind, time, payload), end
