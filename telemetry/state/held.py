"""A state file that is open, and locked for as long as its process lives, whatever ends that.

Comes in: a path. Goes out: a `Held`, or the news that somebody else holds it. The lock is the
kernel's and ends with the process; a file is this process's only if it is still the one at its path
once the lock is there. What stands in the file is not known here.

On POSIX the lock is flock's: it belongs to the open file, so a forked child that closes what it
inherited (`Held.forget`) leaves its parent the lock. Windows locks a byte far behind the end.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TRIES = 8
_TRY_SECONDS = 0.02
"""Who looks whether a file is free holds it for much less."""
_LOCKED_BYTE = 1 << 40
_FLAGS = (
    os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class Taken(Exception):  # noqa: N818 - a state of affairs
    """Another process, or another worker of this one, holds the file."""


class Held:
    """An open file and its lock; both end with the process, with `close` or with `remove`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def read(self) -> bytes:
        """Everything in it."""
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            return file.read()

    def extend(self, size: int) -> None:
        """Make it `size` bytes long. Raises `OSError`, such as for a disk that is full.

        Zeros are written, not left out: storing into a page of a mapped file for which the disk has
        no room would end the process.
        """
        with open(self._descriptor, "r+b", closefd=False) as file:
            length = file.seek(0, os.SEEK_END)
            while length < size:
                length += file.write(bytes(min(size - length, 1 << 20)))
            file.flush()

    def mapped(self) -> mmap.mmap:
        """Its bytes as memory: what is stored there survives the process.

        Through a descriptor of its own, which `mmap` copies and keeps: with a copy of ours a forked
        child would keep the lock.
        """
        descriptor = os.open(self.path, _FLAGS)
        try:
            return mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)

    def rename(self, path: Path) -> None:
        """Give it another name, also in place of a file that has that already."""
        if os.name == "nt":  # which renames nothing that is open
            self.close()
        self.path.replace(path)
        self.path = path

    def remove(self) -> None:
        """Delete it, and let go of it."""
        if os.name == "nt":
            self.close()
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def forget(self) -> None:
        """In a forked child: the file is its parent's."""
        with suppress(OSError):
            self.close()


def hold(path: Path, *, create: bool = False) -> Held:
    """Open the file at `path` and lock it. Raises `Taken` and `OSError`."""
    for _ in range(_TRIES):
        held = Held(path, os.open(path, _FLAGS | (os.O_CREAT if create else 0), 0o600))
        try:
            if _lock(held._descriptor) and _is_at(held._descriptor, path):  # noqa: SLF001 - in here
                return held
        except BaseException:
            held.close()
            raise
        held.close()
        time.sleep(_TRY_SECONDS)
    raise Taken


def is_held(path: Path) -> bool:
    """Whether somebody holds the file at `path`. Raises `OSError` where it cannot be opened."""
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    if os.name == "nt":
        return _lock_byte(descriptor)
    import fcntl  # noqa: PLC0415 - not on Windows

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_byte(descriptor: int) -> bool:
    import msvcrt  # noqa: PLC0415 - only on Windows

    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined] # of Windows
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EDEADLK}:
            return False
        raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the path still leads to this file: who held it before may have renamed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
