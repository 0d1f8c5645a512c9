"""A real Redis for tests: on a unix socket only, its data in memory, gone at the end."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 20.0


def is_installed() -> bool:
    """Whether there is a server to start."""
    return shutil.which("redis-server") is not None


class Redis:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], socket: Path) -> None:
        self.address = f"redis+socket://{socket}"
        """For Celery."""
        self._process = process
        self._socket = socket

    def stop(self) -> None:
        """End it, with all that was in it."""
        self._process.terminate()
        self._process.wait()

    def all_keys(self) -> list[str]:
        """Every key there is."""
        with redis.Redis(unix_socket_path=str(self._socket)) as client:
            return [key.decode() for key in client.keys("*")]


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Redis]:
    """A server for the length of the block."""
    socket = directory / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
    command += ["--dir", str(directory), *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    running = Redis(server, socket)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists():
            assert server.poll() is None, "redis-server has ended"
            assert time.monotonic() < deadline, "redis-server is not up"
            time.sleep(0.05)
        yield running
    finally:
        running.stop()
