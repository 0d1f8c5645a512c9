"""The directory of one journal: its files by number, who may read them, and who has it.

    NNNNNNNNNN.journal    records as they came, in the order of their numbers
    NNNNNNNNNN.state      all that the files of smaller numbers said; they are not needed any more
    *.unfinished          a state under way when the process ended
    *.damaged             bytes that were no records, as they were found; the newest few
    lock                  held by the process that writes here

What stands in the files is read by the owner alone: they hold what was pushed, tenants included.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
DAMAGED_FILES_MAX, DAMAGED_BYTES_MAX = 8, 1 << 20
"""Kept aside for whoever wants to look: so many files, and so much of each."""
DIGITS = 10


class StateDirError(Exception):
    """The directory cannot be used: where, why, and what to do."""


class Directory:
    """A journal's directory, locked for as long as it is open."""

    def __init__(self, path: Path) -> None:
        """Make and lock the directory; raises StateDirError."""
        self.path = path
        self.damaged = 0
        """Files set aside, wholly or in part, since it was opened."""
        try:
            path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            path.chmod(DIRECTORY_MODE)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise StateDirError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            if isinstance(error, BlockingIOError):
                text = "another collector uses this state directory; give each one its own"
                raise StateDirError(f"{path}: {text}") from None
            raise StateDirError(f"{path}: cannot be locked: {error.strerror}") from None
        for left in path.glob("*.unfinished"):
            left.unlink()

    def close(self) -> None:
        """Let others have it."""
        os.close(self._lock)

    def name(self, number: int, suffix: str) -> Path:
        """Return a file's path."""
        return self.path / f"{number:0{DIGITS}}.{suffix}"

    def numbers(self, suffix: str) -> list[int]:
        """Return the numbers of all files of a kind, ascending."""
        return sorted(int(path.stem) for path in self.path.glob(f"{'[0-9]' * DIGITS}.{suffix}"))

    def create(self, path: Path) -> int:
        """Open a new file for writing; raises OSError."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)

    def sync(self) -> None:
        """Make what was renamed, made and removed here outlive a power failure."""
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove_before(self, number: int) -> None:
        """Remove the files that a state replaces."""
        for suffix in ("journal", "state"):
            for old in self.numbers(suffix):
                if old < number:
                    self.name(old, suffix).unlink()

    def set_aside(self, path: Path, piece: bytes) -> None:
        """Keep a beginning of bytes that were no records, if there is room for it."""
        self.damaged += 1
        kept = sorted(self.path.glob("*.damaged"), key=lambda one: one.stat().st_mtime)
        with suppress(OSError):  # to look at what is broken is not worth failing for
            for old in kept[: max(0, len(kept) + 1 - DAMAGED_FILES_MAX)]:
                old.unlink()
            handle = self.create(path.with_name(f"{path.name}-{self.damaged}.damaged"))
            try:
                os.write(handle, piece[:DAMAGED_BYTES_MAX])
            finally:
                os.close(handle)
