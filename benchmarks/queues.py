"""What a look at the broker's queues takes when nearly all of its rows are dead.

kombu deletes no row, so tables grow with every message that was ever sent. The same look, all of
its statements, is made at a table that holds only what waits and at one with dead rows besides, in
turn; and after that the one statement that counts rows by `visible`, as it would be written first.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.table import Table
from demo.database import postgres
from telemetry.broker.sql import SqlBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.database import Database

WAITING = 400
PAYLOAD_BYTES = 600
"""A small task's message, as Celery writes it."""
COUNTING = (
    "SELECT queue.name, count(*) FILTER (WHERE visible), count(*) FILTER (WHERE NOT visible)"
    " FROM crowded_message JOIN crowded_queue AS queue ON queue.id = queue_id GROUP BY 1"
)


class Row(NamedTuple):
    """One way to look."""

    what: str
    milliseconds: float
    """The least: its own cost is what is left when nobody is in its way."""
    ratio: float
    """To a look at a table without dead rows."""


def table(short: bool) -> Table:
    """Measure; see `measure`."""
    return Table(
        "A look at the broker's queues in PostgreSQL",
        ("what", "ms", "to a table without dead rows"),
        (
            (look.what, f"{look.milliseconds:.1f}", f"{look.ratio:.1f}")
            for look in measure(short=short)
        ),
    )


def measure(*, short: bool) -> list[Row]:
    """Look at both tables in turn, and count."""
    dead, rounds = (50_000, 50) if short else (500_000, 200)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        with postgres(root / "data", root / "log", ()) as database:
            _fill(database, "fresh", 0)
            _fill(database, "crowded", dead)
            fresh, crowded = (_observer(database, name) for name in ("fresh", "crowded"))
            times = _least(
                {"a look, no dead rows": fresh.look, f"a look, {dead:,} dead rows": crowded.look},
                rounds,
            )
            counting = {f"counting by visible, {dead:,} dead rows": lambda: database.ask(COUNTING)}
            times |= _least(counting, 5)
            for observer in (fresh, crowded):
                observer.close()
    base = times["a look, no dead rows"]
    return [Row(what, took * 1000, took / base) for what, took in times.items()]


def _least(looks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {what: [] for what in looks}
    for what, look in looks.items():
        if look() is None:
            raise RuntimeError(f"{what}: another one is elected")
    for _ in range(rounds):
        for what, look in looks.items():
            began = time.perf_counter()
            look()
            times[what].append(time.perf_counter() - began)
    return {what: min(found) for what, found in times.items()}


def _observer(database: Database, name: str) -> SqlBroker:
    tables = {"queues": f"{name}_queue", "messages": f"{name}_message"}
    return SqlBroker(database.url, tables=tables, connect_args={}, silence_seconds=60.0)


def _fill(database: Database, name: str, dead: int) -> None:
    """Tables as kombu makes them, with four queues, as autovacuum leaves them."""
    message = '{"headers": {"portless_enqueued_at": 1.0e9}, "body": "' + "x" * PAYLOAD_BYTES + '"}'
    insert = (
        f"INSERT INTO {name}_message (id, visible, payload, version, queue_id)"
        " SELECT n, {visible}, '{message}', 1, n % 4 + 1 FROM generate_series({first}, {last}) n"
    )
    database.ask(
        "SET LOCAL synchronous_commit = off",
        f"CREATE TABLE {name}_queue (LIKE kombu_queue INCLUDING ALL)",
        f"CREATE TABLE {name}_message (LIKE kombu_message INCLUDING ALL)",
        f"INSERT INTO {name}_queue SELECT n, 'queue ' || n FROM generate_series(1, 4) n",
        insert.format(visible="false", message=message, first=1, last=dead),
        insert.format(visible="true", message=message, first=dead + 1, last=dead + WAITING),
        f"ANALYZE {name}_message",
    )
