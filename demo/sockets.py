"""Who listens: the listening sockets of processes and of everything below them, from outside.

In: process ids. Out: one sentence per socket that others can reach: TCP that listens, UDP that is
bound and takes from anybody, Unix sockets that listen. It asks the system, not the processes.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNIX = Path("/proc/net/unix")
_ACCEPTS = 0x10000
"""__SO_ACCEPTCON of Linux: the flag of a Unix socket that listens."""


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """Find the processes and their descendants, as far as they still live."""
    found: list[psutil.Process] = []
    for pid in pids:
        try:
            parent = psutil.Process(pid)
            found += [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def listening(processes: Iterable[psutil.Process]) -> list[str]:
    """Describe every socket of theirs that listens; of Unix sockets only Linux tells."""
    unix = _listening_unix_inodes()
    found: list[str] = []
    for process in processes:
        try:
            found += [f"{process.pid}: {what}" for what in _of(process, unix)]
        except psutil.NoSuchProcess:
            continue
    return found


def _of(process: psutil.Process, unix: dict[str, str]) -> Iterator[str]:
    for connection in process.net_connections("inet"):
        address = ":".join(str(part) for part in connection.laddr)
        if connection.type == socket.SOCK_DGRAM and connection.laddr and not connection.raddr:
            yield f"UDP {address}"
        elif connection.status == psutil.CONN_LISTEN:
            yield f"TCP {address}"
    for descriptor in Path(f"/proc/{process.pid}/fd").glob("*") if unix else ():
        try:
            inode = descriptor.readlink().name.removeprefix("socket:[").removesuffix("]")
        except FileNotFoundError:  # closed meanwhile
            continue
        if inode in unix:
            yield f"Unix socket {unix[inode]}"


def _listening_unix_inodes() -> dict[str, str]:
    """Paths by inode; a line is number, references, protocol, flags, type, state, inode, path."""
    if not _UNIX.exists():
        return {}
    rows = [line.split(maxsplit=7) for line in _UNIX.read_text().splitlines()[1:]]
    return {row[6]: row[7] if len(row) > 7 else "" for row in rows if int(row[3], 16) & _ACCEPTS}
