"""The `file` exporter's sink: requests one behind the other in a file, as the real one writes them.

JSON stands one request a line; protobuf stands each behind its length in four bytes, the highest
first. A file that is large enough is renamed for the moment and another one begun. Where the disk
does not take what is written, it is counted, and told again later.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from collector.server.push.counts import Counts

if TYPE_CHECKING:
    from collector.outlets.otlp import Batch
    from collector.push_settings import File, Rotation
    from collector.self_metrics import Sample

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400


class FileSink:
    """Writes into a file."""

    def __init__(self, name: str, settings: File) -> None:
        self._settings = settings
        self._path = Path(settings.path)
        self._counts = Counts(name)
        self._file: IO[bytes] | None = None
        self._flushed = 0.0
        self._lost: float | None = None
        self._turn = threading.Lock()

    def open(self) -> None:
        """Make directories, if they may be made, and begin the file; raises OSError."""
        if self._settings.directory_mode is not None:
            self._path.parent.mkdir(self._settings.directory_mode, parents=True, exist_ok=True)
        appends = self._settings.append or self._settings.rotation is not None
        self._file = self._path.open("ab" if appends else "wb")

    def put(self, batch: Batch, since: float) -> None:
        """Write a request."""
        with self._turn:
            try:
                self._write(_written(batch, self._settings.format))
            except OSError as error:
                log.warning("exporters::%s: %s", self._counts.exporter, error.strerror)
                self._counts.failed += batch.points
                self._lost = since if self._lost is None else min(self._lost, since)
            else:
                self._counts.sent += batch.points

    def _write(self, data: bytes) -> None:
        rotation = self._settings.rotation
        if self._file is None:
            self.open()
        if self._file is None:
            raise OSError
        if rotation and self._file.tell() and self._file.tell() + len(data) > rotation.bytes_max:
            self._rotate(rotation)
        self._file.write(data)
        if time.monotonic() - self._flushed >= self._settings.flush_interval_seconds:
            self._file.flush()
            self._flushed = time.monotonic()

    def _rotate(self, rotation: Rotation) -> None:
        """Begin another file, and remove backups that are too many or too old."""
        if self._file:
            self._file.close()
            self._file = None
        now = datetime.now() if rotation.local_time else datetime.now(timezone.utc)  # noqa: DTZ005 - asked for
        self._path.rename(self._backup(now))
        pattern = f"{self._path.stem}-????-??-??T??-??-??.???{self._path.suffix}"
        backups = sorted(self._path.parent.glob(pattern), reverse=True)
        kept = backups[: rotation.backups_max] if rotation.backups_max else backups
        if rotation.days_max:
            oldest = time.time() - rotation.days_max * DAY_SECONDS
            kept = [backup for backup in kept if backup.stat().st_mtime >= oldest]
        for backup in set(backups) - set(kept):
            backup.unlink()
        self.open()

    def _backup(self, now: datetime) -> Path:
        """Return a name that tells the moment, or one a little later where that is taken."""
        while True:
            stamp = now.strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
            backup = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
            if not backup.exists():
                return backup
            now += timedelta(milliseconds=1)

    def lost_since(self) -> float | None:
        """Return from when on has to be told again what the disk did not take; once."""
        lost, self._lost = self._lost, None
        return lost

    def close(self, seconds: float) -> None:  # noqa: ARG002 - as every sink
        """Close the file."""
        with self._turn:
            if self._file:
                self._file.close()
                self._file = None

    def self_metrics(self) -> list[Sample]:
        """Return its own numbers."""
        return self._counts.samples()


def _written(batch: Batch, format_: str) -> bytes:
    if format_ == "proto":
        data = batch.message.SerializeToString()
        return len(data).to_bytes(4, "big") + data
    fields = MessageToDict(batch.message, use_integers_for_enums=True)
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
