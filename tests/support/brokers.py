"""Real brokers that are no database: Debian's Redis and RabbitMQ, on loopback and free ports.

Data and logs are in a directory that the test gives; what was started ends with the block.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.support import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

START_SECONDS = 90.0
"""RabbitMQ takes some 10 s for itself, and this is a small machine with much to do."""
RABBITMQ = max(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"), default=None)
"""The script itself: Debian's way to it changes to a user of its own."""
HAS_RABBITMQ = RABBITMQ is not None and shutil.which("epmd") is not None


class Server(NamedTuple):
    """What was started, and where it writes."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Until `done()` is true; fails with the log if that never happens or it ends."""
        deadline = time.monotonic() + START_SECONDS
        while not done():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)


@contextmanager
def redis_on_tcp(directory: Path, *options: str) -> Iterator[int]:
    """A Redis with a port, as sentinels need it; the port."""
    port = free_port()
    tcp = ("--port", str(port), "--bind", "127.0.0.1")
    with redis.running(directory, *tcp, *options):
        yield port


@contextmanager
def sentinel(directory: Path, master_port: int) -> Iterator[int]:
    """A sentinel that watches a master by the name `shop`; its port."""
    port = free_port()
    file = directory / f"sentinel-{port}.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
        f"sentinel monitor shop 127.0.0.1 {master_port} 1\n"
    )
    command = ["redis-server", str(file), "--sentinel"]
    with _running(command, directory / f"sentinel-{port}.log") as server:
        server.wait_for(lambda: _answers(port))
        yield port


@contextmanager
def rabbitmq(directory: Path) -> Iterator[int]:
    """A node, and as a child of ours the daemon by which nodes find each other; the node's port."""
    port, names, distribution = free_port(), free_port(), free_port()
    environ = {
        "HOME": str(directory),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_NODENAME": f"lab{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
        "RABBITMQ_CONFIG_FILE": str(directory / "none"),
    }
    log = directory / "rabbitmq.log"
    with (
        _running(["epmd", "-address", "127.0.0.1", "-port", str(names)], log, environ),
        _running([str(RABBITMQ)], log, environ) as server,
    ):
        server.wait_for(lambda: "startup complete" in log.read_text())
        yield port


@contextmanager
def _running(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **(environ or {})}, stdout=output, stderr=output
        )
    try:
        yield Server(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(1) in {b"+", b"-"}  # it may ask for a password
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
