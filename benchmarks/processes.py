"""A process under measurement, and HTTP requests to it as several clients send them at once."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psutil


IDLE_SECONDS = 0.25
IDLE_SHARE = 0.02
"""Of a core: who takes less is idle."""
IDLE_SECONDS_MAX = 30


class Push(NamedTuple):
    """A request with a body."""

    line: str
    """Its method and path, as `POST /v1/metrics`."""
    content_type: str
    body: bytes
    encoding: str = ""

    def bytes(self) -> bytes:
        """Write it for HTTP/1.1."""
        header = f"Content-Encoding: {self.encoding}\r\n" if self.encoding else ""
        head = (
            f"{self.line} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: {self.content_type}\r\n{header}"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a whole process so far.

    Linux tells it in nanoseconds thread by thread, and for all together in hundredths of a second;
    no thread of what is measured here ends while it is measured.
    """
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    spent = sum(int(thread.read_text().split()[0]) for thread in threads)
    if spent:
        return spent / 1e9
    times = process.cpu_times()
    return float(times.user + times.system)


def until_idle(process: psutil.Process) -> None:
    """Wait for what is done after the answer: batches, and what only reads lines."""
    deadline = time.monotonic() + IDLE_SECONDS_MAX
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        before = cpu_seconds(process)
        time.sleep(IDLE_SECONDS)
        spent = cpu_seconds(process) - before
        quiet = quiet + 1 if spent < IDLE_SHARE * IDLE_SECONDS else 0


def send(port: int, pushes: Sequence[Push], connections: int) -> None:
    """Push as several workers do at once: one on each connection, then the answers.

    Raises RuntimeError on any answer but 200.
    """
    with ExitStack() as closing:
        wires = [
            closing.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(min(connections, len(pushes)))
        ]
        answers = [closing.enter_context(wire.makefile("rb")) for wire in wires]
        for first in range(0, len(pushes), len(wires)):
            some = pushes[first : first + len(wires)]
            for wire, push in zip(wires, some):
                wire.sendall(push.bytes())
            for answer, _ in zip(answers, some):
                _read_ok(answer)


def _read_ok(answers: IO[bytes]) -> None:
    status = answers.readline()
    size = 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    said = answers.read(size)
    if b" 200 " not in status:
        raise RuntimeError(f"a push was answered with {status!r}: {said[:500]!r}")


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports
