"""What listens, after Linux's /proc: the tables of sockets and the descriptors of a process.

Comes in: process ids. Goes out: the listening sockets of each. It knows neither process trees nor
names; other systems are asked through psutil (`sockets.py`).

psutil reads the tables of the network namespace that it runs in itself. Asked from a host about a
process in a container it would see nothing and call that silence; here the tables are those of the
process in question. Nor does it tell a Unix socket that listens from one that does not.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = Path("/proc")
_TCP_LISTEN = "0A"
_UDP_UNCONNECTED = "07"
"""TCP_CLOSE of include/net/tcp_states.h, which a UDP socket is in until it is connected."""
_ACCEPTS = 0x10000
"""__SO_ACCEPTCON of include/linux/net.h: the flag of a Unix socket that listens."""


class Socket(NamedTuple):
    """A socket that takes what others send."""

    kind: str
    address: str

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


def available() -> bool:
    """Whether this system has the tables."""
    return sys.platform == "linux" and (PROC / "self/net/tcp").exists()


def listening(pid: int) -> list[Socket]:
    """The listening sockets of a process.

    Raises `ProcessLookupError` or `FileNotFoundError` where it has ended, and `PermissionError`
    where this user may not look.
    """
    held = {inode for inode in _inodes(pid) if inode}
    return [found for inode, found in _tables(pid) if inode in held] if held else []


def _inodes(pid: int) -> Iterator[str]:
    for descriptor in (PROC / str(pid) / "fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _tables(pid: int) -> Iterator[tuple[str, Socket]]:
    """Every listening socket of the process's network namespace, by inode."""
    net = PROC / str(pid) / "net"
    for name, kind, state in (
        ("tcp", "TCP", _TCP_LISTEN),
        ("tcp6", "TCP", _TCP_LISTEN),
        ("udp", "UDP", _UDP_UNCONNECTED),
        ("udp6", "UDP", _UDP_UNCONNECTED),
        ("udplite", "UDP-Lite", _UDP_UNCONNECTED),
        ("udplite6", "UDP-Lite", _UDP_UNCONNECTED),
    ):
        for row in _rows(net / name):
            if row[3] == state:
                yield row[9], Socket(kind, _address(row[1]))
    for row in _rows(net / "unix"):
        if int(row[3], 16) & _ACCEPTS:
            yield row[6], Socket("Unix", " ".join(row[7:]) or "(no path)")


def _rows(table: Path) -> Iterator[list[str]]:
    try:
        lines = table.read_text(errors="replace").splitlines()
    except FileNotFoundError:  # a kernel without that protocol
        return
    yield from (line.split() for line in lines[1:])


def _address(text: str) -> str:
    """`0100007F:1F90` -> `127.0.0.1:8080`: words of 32 bits in the machine's order."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[at : at + 8]) for at in range(0, len(host), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ipaddress.ip_address(packed)
    shown = f"[{address}]" if address.version == 6 else str(address)
    return f"{shown}:{int(port, 16)}"
