"""What listens in a tree of processes, seen from outside: asked is the system, not the processes.

Comes in: process ids. Goes out: each listening socket with its process, and the processes at which
this user may not look. It knows neither commands nor exit codes. It needs psutil.

TCP that listens, UDP that is bound and takes from anybody, Unix sockets that listen. UDP that is
connected to one peer, as a name server's client, does not listen. Not looked for are SCTP, raw and
packet sockets, and sockets of virtual machines.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

import psutil

from telemetry.guard import procfs
from telemetry.guard.procfs import Socket

if TYPE_CHECKING:
    from collections.abc import Iterable


class Listener(NamedTuple):
    """A listening socket and who has it."""

    pid: int
    name: str
    """The program's, without arguments: they may hold secrets."""
    socket: Socket

    def __str__(self) -> str:
        return f"{self.name}[{self.pid}] listens on {self.socket}"


class Look(NamedTuple):
    """What was seen at one moment."""

    listeners: tuple[Listener, ...]
    denied: tuple[str, ...]
    """Processes that this user may not look into, as `name[pid]`."""
    processes: int
    """How many were looked into."""


class Family:
    """Processes and everything that ever was below them, as long as each lives.

    A process once seen stays watched when its parent ends and it belongs to another one.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        """Raises `psutil.NoSuchProcess` for a pid that there is not."""
        self._members = {psutil.Process(pid) for pid in pids}

    def look(self) -> Look:
        """See who listens now, children that were born meanwhile included."""
        listeners: list[Listener] = []
        denied: list[str] = []
        seen: set[psutil.Process] = set()
        looked = 0
        while new := self._grow() - seen:
            seen |= new
            for process in sorted(new, key=lambda process: process.pid):
                try:
                    found = _look_at(process)
                except PermissionError:
                    denied.append(f"{process.name()}[{process.pid}]")
                    continue
                if found is not None:
                    listeners += found
                    looked += 1
        return Look(tuple(listeners), tuple(denied), looked)

    def _grow(self) -> set[psutil.Process]:
        self._members = {process for process in self._members if process.is_running()}
        below: set[psutil.Process] = set()
        for process in sorted(self._members, key=lambda process: process.pid):
            if process not in below:  # each call reads the parents of all processes there are
                try:
                    below.update(process.children(recursive=True))
                except psutil.NoSuchProcess:
                    continue
        self._members |= below
        return self._members


def _look_at(process: psutil.Process) -> list[Listener] | None:
    """A process's listeners; None if it has ended. Raises `PermissionError`."""
    try:
        # One that has ended and was not buried has no descriptors, and denies to show them.
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        name = process.name()
        return [Listener(process.pid, name, each) for each in _listening(process)]
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    except (psutil.AccessDenied, PermissionError) as error:
        if not _is_alive(process):
            return None
        raise PermissionError(process.pid) from error


def _listening(process: psutil.Process) -> list[Socket]:
    if procfs.available():
        return procfs.listening(process.pid)
    found = []
    for connection in process.net_connections("inet"):
        address = ":".join(str(part) for part in connection.laddr)
        if connection.status == psutil.CONN_LISTEN:
            found.append(Socket("TCP", address))
        elif connection.type == socket.SOCK_DGRAM and connection.laddr and not connection.raddr:
            found.append(Socket("UDP", address))
    return found


def _is_alive(process: psutil.Process) -> bool:
    """Whether it really is there: one that ends just now denies before it vanishes."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
