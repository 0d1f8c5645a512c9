"""What a configuration file says of exporters that push, checked and frozen.

The seam between YAML and rooms, as `settings.py` is. Defaults are the OpenTelemetry Collector's.
No parsing here, and no behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True)
class Debug:
    """`exporters.debug`."""

    verbosity: str = "basic"
    """`basic`, `normal` or `detailed`."""


class Rotation(NamedTuple):
    """`exporters.file.rotation`; 0 is no limit where the Collector has none."""

    bytes_max: int = 100 * 1024 * 1024
    days_max: int = 0
    backups_max: int = 100
    local_time: bool = False
    """Whether the names of backups tell the time of this place, not UTC."""


@dataclass(frozen=True)
class File:
    """`exporters.file`."""

    path: str
    format: str = "json"
    """`json`, one request a line, or `proto`, each behind its length in four bytes."""
    append: bool = False
    rotation: Rotation | None = None
    flush_interval_seconds: float = 0.0
    """0 writes at once."""
    directory_mode: int | None = None
    """Of directories that may be made; None makes none."""


class Retry(NamedTuple):
    """`retry_on_failure`: how long is waited between two tries, and for how long it is tried."""

    enabled: bool = True
    initial_seconds: float = 5.0
    randomization: float = 0.5
    multiplier: float = 1.5
    interval_seconds_max: float = 30.0
    elapsed_seconds_max: float = 300.0
    """0 never gives up."""


@dataclass(frozen=True)
class FileStorage:
    """`extensions.file_storage`."""

    directory: str
    directory_mode: int | None = None
    """Of directories that may be made; None makes none."""
    fsync: bool = False


class Queue(NamedTuple):
    """`sending_queue`."""

    size: int = 1000
    """Requests that wait; 1 where the queue is not enabled."""
    storage: str = ""
    """The id of a `file_storage` extension; empty keeps the queue in memory."""


class ClientTls(NamedTuple):
    """`tls` of a client; paths are empty where nothing is said."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True)
class OtlpHttpExporter:
    """`exporters.otlp_http`."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """May hold secrets."""
    tls: ClientTls = ClientTls()
    compression: str = "gzip"
    """`gzip`, `zstd`, `deflate`, `zlib` or empty."""
    encoding: str = "proto"
    """`proto` or `json`."""
    timeout_seconds: float = 30.0
    retry: Retry = Retry()
    queue: Queue = Queue()


Pushing: TypeAlias = Debug | File | OtlpHttpExporter
"""An exporter that is not asked and tells by itself."""
