"""A journal: what must outlive the process is appended here before anybody is told that it is safe.

Records are written with one call each, so a process that is killed has written a record or has not;
`sync` makes them outlive the machine. When the files grow, who knows what they mean writes a state
that replaces them. A record that cannot be written leaves nothing behind.
"""

from __future__ import annotations

import enum
import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from collector.journal.directory import Directory
from collector.journal.frames import HEAD_BYTES, MAGIC, Gap, Record, frames, head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEGMENT_BYTES_MAX = 32 << 20
"""A file is no longer; a request may be 20 MiB."""
BYTES_MAX = 1 << 30
"""Of all files together, by default."""
GROWTH_BYTES_MIN = 64 << 20
"""A state is worth its while when the journal has grown so much, and twice the last state."""
SYNC_BYTES = 1 << 20
"""Of a state; so much is synced at once."""
SEGMENTS_MAX = 64
"""A process that is started again and again begins a file each time."""
END = 0
"""The kind of the last record of a state; those above are for who uses the journal."""


class Fsync(str, enum.Enum):
    """When what was written is made to outlive the machine."""

    ALWAYS = "always"
    INTERVAL = "interval"
    NEVER = "never"


class StateDir(NamedTuple):
    """Where journals are and how they are kept: each in a directory of its own in `path`."""

    path: Path
    fsync: Fsync = Fsync.INTERVAL
    bytes_max: int = BYTES_MAX
    """For each journal."""

    def journal(self, name: str) -> Journal:
        """Open a journal; raises StateDirError."""
        return Journal(self.path / quote(name, safe=""), fsync=self.fsync, bytes_max=self.bytes_max)


class Files(NamedTuple):
    """What a journal takes of the disk."""

    segments: int
    bytes: int


class Journal:
    """The journal in a directory; read it before appending to it."""

    def __init__(
        self, path: Path, *, fsync: Fsync = Fsync.INTERVAL, bytes_max: int = BYTES_MAX
    ) -> None:
        """Lock the directory; raises StateDirError."""
        self._directory = Directory(path)
        self._fsync = fsync
        self._bytes_max = bytes_max
        self._handle = -1
        self._number = max([0, *self._directory.numbers("journal"), *self._states()]) + 1
        self._size = self._last = 0
        """Bytes of the file that is being written, and of the record at its end."""
        self._others = sum(one.stat().st_size for one in self._files())
        self._state_bytes = 0
        self._segments = len(self._directory.numbers("journal"))
        self._dirty = False
        self.appended = 0
        """Bytes appended since the start."""
        self.failed = 0
        """Records that could not be written since the start."""
        self.cut = 0
        """Bytes found damaged at the start."""

    def _states(self) -> list[int]:
        return self._directory.numbers("state")

    def _files(self) -> Iterator[Path]:
        for suffix in ("journal", "state"):
            for number in self._directory.numbers(suffix):
                yield self._directory.name(number, suffix)

    @property
    def files(self) -> Files:
        """What it takes of the disk now."""
        return Files(self._segments, self._others + self._size)

    @property
    def damaged(self) -> int:
        """How many damaged pieces were found at the start."""
        return self._directory.damaged

    def records(self) -> Iterator[Record]:
        """Yield what the newest state says, and all records behind it, oldest first.

        What is damaged is cut out, kept aside and counted.
        """
        states = self._states()
        since = states[-1] if states else 0
        self._directory.remove_before(since)
        for suffix, numbers in (("state", states[-1:]), ("journal", self._numbers_from(since))):
            for number in numbers:
                path = self._directory.name(number, suffix)
                for record in self._read(path):
                    if record.kind != END:
                        yield record
        if states:
            self._state_bytes = self._directory.name(since, "state").stat().st_size

    def _numbers_from(self, since: int) -> list[int]:
        return [number for number in self._directory.numbers("journal") if number >= since]

    def _read(self, path: Path) -> Iterator[Record]:
        data = path.read_bytes()
        for found in frames(data):
            if isinstance(found, Record):
                yield found
                continue
            self.cut += found.end - found.at
            self._directory.set_aside(path, data[found.at : found.end])
            if found.end == len(data):
                self._shorten(path, found)

    def _shorten(self, path: Path, tail: Gap) -> None:
        """Cut a damaged tail off, so that the next start does not find it again."""
        with suppress(OSError):  # then it does
            os.truncate(path, tail.at)
            self._others -= tail.end - tail.at

    def append(self, kind: int, time: float, payload: bytes) -> None:
        """Write a record; raises OSError if it cannot be, and then nothing of it is there."""
        size = HEAD_BYTES + len(payload)
        try:
            self._make_room(size)
            if self._handle < 0 or self._size + size > SEGMENT_BYTES_MAX:
                self._open()
            self._write([head(kind, time, payload), payload], size)
            if self._fsync is Fsync.ALWAYS:
                os.fdatasync(self._handle)
        except OSError:
            self.failed += 1
            self._cut_off()
            raise
        self._size += size
        self._last = size
        self.appended += size
        self._dirty = True

    def take_back(self) -> None:
        """Cut off the record that was appended just now; a start will not find it."""
        self._size -= self._last
        self._last = 0
        self._cut_off()

    def _make_room(self, size: int) -> None:
        if self._others + self._size + size > self._bytes_max:
            raise OSError(errno.ENOSPC, "it is as large as it may be")

    def _write(self, parts: list[bytes], size: int) -> None:
        written = os.writev(self._handle, parts)
        if written < size:  # a disk that gets full, a file that gets too long
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _cut_off(self) -> None:
        """Cut off what was written beyond the last record; what comes next is in another file."""
        if self._handle >= 0:
            with suppress(OSError):  # then the next start finds a damaged tail and cuts it off
                os.ftruncate(self._handle, self._size)
            self._dirty = True  # that it is shorter has to outlive the machine too
            self._leave()

    def _open(self) -> None:
        """Begin the next file."""
        self._leave()
        path = self._directory.name(self._number, "journal")
        self._handle = self._directory.create(path)
        try:
            self._write([MAGIC], len(MAGIC))
        except OSError:
            os.close(self._handle)
            self._handle = -1
            path.unlink()
            raise
        self._size = len(MAGIC)
        self._number += 1
        self._segments += 1

    def _leave(self) -> None:
        """Write no more into the present file."""
        if self._handle >= 0:
            self._flush()
            os.close(self._handle)
            self._handle = -1
        self._others += self._size
        self._size = 0

    def _flush(self) -> None:
        if self._dirty and self._fsync is not Fsync.NEVER:
            with suppress(OSError):
                os.fdatasync(self._handle)
            self._dirty = False

    def syncing(self) -> int | None:
        """Return a handle to sync, a copy that the caller closes; None if nothing is to be done."""
        if not self._dirty or self._handle < 0 or self._fsync is not Fsync.INTERVAL:
            return None
        self._dirty = False
        return os.dup(self._handle)

    @property
    def is_long(self) -> bool:
        """Whether it has grown so much that a state should replace it."""
        grown = self._others + self._size - self._state_bytes
        worth = min(max(GROWTH_BYTES_MIN, 2 * self._state_bytes), self._bytes_max // 4)
        return grown > worth or self._segments > SEGMENTS_MAX

    def begin_state(self) -> State:
        """Begin to write what replaces all records that were written until now; raises OSError."""
        self._open()
        return State(self._directory, self._number - 1, fsync=self._fsync is not Fsync.NEVER)

    def finish_state(self, state: State) -> None:
        """Let a state that is complete replace the records before it; raises OSError."""
        size = state.finish()
        self._directory.remove_before(state.number)
        if self._fsync is not Fsync.NEVER:
            self._directory.sync()
        self._state_bytes = size
        self._segments = len(self._directory.numbers("journal"))
        self._others = sum(one.stat().st_size for one in self._files()) - self._size

    def close(self) -> None:
        """Let others have the directory."""
        self._leave()
        self._directory.close()


class State:
    """A state under way."""

    def __init__(self, directory: Directory, number: int, *, fsync: bool) -> None:
        self.number = number
        self._fsync = fsync
        self._unsynced = 0
        self._directory = directory
        self._path = directory.path / f"{directory.name(number, 'state').name}.unfinished"
        self._handle = directory.create(self._path)
        self._size = 0
        self._put([MAGIC])

    def append(self, kind: int, time: float, payload: bytes) -> None:
        """Write a record of it; raises OSError."""
        self._put([head(kind, time, payload), payload])

    def _put(self, parts: list[bytes]) -> None:
        size = sum(map(len, parts))
        if os.writev(self._handle, parts) < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += size
        self._unsynced += size
        if self._fsync and self._unsynced > SYNC_BYTES:  # a little at a time: nobody waits for long
            os.fdatasync(self._handle)
            self._unsynced = 0

    def finish(self) -> int:
        """Make it the state of its number; return its size in bytes. Raises OSError."""
        self.append(END, 0, b"")
        if self._fsync:
            os.fsync(self._handle)
        os.close(self._handle)
        self._path.replace(self._directory.name(self.number, "state"))
        return self._size

    def abandon(self) -> None:
        """Remove what was written of it."""
        with suppress(OSError):
            os.close(self._handle)
        with suppress(OSError):
            self._path.unlink()
