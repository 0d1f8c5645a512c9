"""Requests that wait to be sent, first in first out, in memory or on a disk.

There is room for so many. One that comes when it is full takes the place of the oldest: numbers are
cumulative, so what a later request says of a series holds what an earlier one said. On a disk each
request is a file, written beside its place and moved there, so that none is ever half of one; what
is none all the same is put aside. It knows no exporter and no network.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.push_settings import FileStorage

log = logging.getLogger(__name__)

SUFFIX = ".request"


class Waiting(NamedTuple):
    """A request that waits."""

    body: bytes
    points: int
    since: float
    """From when on its series were spoken for, seconds of the clock."""
    file: Path | None = None


class Spool:
    """The queue of one exporter."""

    def __init__(self, size: int, storage: FileStorage | None, name: str) -> None:
        """`name` is that of a directory in the storage."""
        self.capacity = size
        self._storage = storage
        self._folder = Path(storage.directory) / name if storage else None
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._next = 0

    def __len__(self) -> int:
        return len(self._queue)

    def open(self) -> None:
        """Find what a process before this one left; raises OSError."""
        if self._folder is None or self._storage is None:
            return
        mode = self._storage.directory_mode
        if mode is not None:
            self._folder.parent.mkdir(mode, parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for waiting in self._left():
            self._queue.append(waiting)
            while len(self._queue) > self.capacity:
                self._remove(self._queue.popleft())

    def _left(self) -> Iterator[Waiting]:
        for file in sorted((self._folder or Path()).glob(f"*{SUFFIX}")):
            try:
                head, body = file.read_bytes().split(b"\n", 1)
                told = json.loads(head)
                points, size, number = int(told["points"]), int(told["bytes"]), int(file.stem)
            except (ValueError, KeyError, TypeError):
                points, size, number, body = 0, -1, 0, b""
            if len(body) != size:
                log.warning("%s: not a whole request, put aside", file.name)
                file.rename(file.with_suffix(".corrupt"))
                continue
            self._next = max(self._next, number + 1)
            yield Waiting(body, points, 0.0, file)

    def put(self, body: bytes, points: int, since: float) -> Waiting | None:
        """Let a request wait; return the oldest if it had to go. Raises OSError of the disk."""
        waiting = Waiting(body, points, since, self._written(body, points))
        with self._changed:
            oldest = self._queue.popleft() if len(self._queue) >= self.capacity else None
            self._queue.append(waiting)
            self._changed.notify_all()
        if oldest:
            self._remove(oldest)
        return oldest

    def _written(self, body: bytes, points: int) -> Path | None:
        if self._folder is None or self._storage is None:
            return None
        file = self._folder / f"{self._next:020d}{SUFFIX}"
        unfinished = file.with_suffix(".unfinished")
        self._next += 1
        try:
            with unfinished.open("wb") as writing:
                writing.write(json.dumps({"points": points, "bytes": len(body)}).encode() + b"\n")
                writing.write(body)
                if self._storage.fsync:
                    writing.flush()
                    os.fsync(writing.fileno())
            unfinished.replace(file)
        except OSError:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        return file

    def first(self, seconds: float) -> Waiting | None:
        """Return the oldest, for which so long may be waited; it stays until it is done."""
        with self._changed:
            if not self._queue:
                self._changed.wait(seconds)
            return self._queue[0] if self._queue else None

    def done(self, waiting: Waiting) -> None:
        """Let go of a request, if it is still there."""
        with self._changed:
            if waiting not in self._queue:
                return
            self._queue.remove(waiting)
        self._remove(waiting)

    def holds(self, waiting: Waiting) -> bool:
        """Whether a request still waits."""
        return waiting in self._queue

    def wake(self) -> None:
        """Let whoever waits for a request look again."""
        with self._changed:
            self._changed.notify_all()

    def _remove(self, waiting: Waiting) -> None:
        if waiting.file:
            with suppress(OSError):
                waiting.file.unlink(missing_ok=True)
