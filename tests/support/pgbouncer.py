"""A real PgBouncer for tests, before a test's PostgreSQL: on a unix socket only, gone at the end.

It hands out sessions of the database as its mode says: in `transaction` mode whoever is first gets
one, for a transaction; in `session` mode a client keeps its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 20.0
HAS_PGBOUNCER = shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin") is not None
_PORT = 5432
_CONFIGURATION = """
[databases]
* = host={host} user={role}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {directory}
auth_type = any
pool_mode = {mode}
default_pool_size = {sessions}
"""


@contextmanager
def pooling(database: str, mode: str, sessions: int = 5, role: str = "postgres") -> Iterator[str]:
    """The address of a database, by way of a pooler with that many sessions of a role to give."""
    url = make_url(database)
    directory = Path(tempfile.mkdtemp(prefix="portless-pgbouncer-"))
    file, log = directory / "pgbouncer.ini", directory / "log"
    file.write_text(
        _CONFIGURATION.format(
            host=url.query["host"],
            port=_PORT,
            directory=directory,
            mode=mode,
            sessions=sessions,
            role=role,
        )
    )
    command = ["pgbouncer", str(file)]
    if os.geteuid() == 0:  # it refuses to be root's; the server's user sees the server's socket
        user = Path(str(url.query["host"])).owner()
        shutil.chown(directory, user)
        command[1:1] = ["--user", user]
    path = f"{os.environ['PATH']}:/usr/sbin"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, "PATH": path}, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(directory / f".s.PGSQL.{_PORT}"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        through = url.update_query_dict({"host": str(directory)})
        yield through.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
