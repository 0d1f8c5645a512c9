"""SQLite as a broker: read from the file that kombu writes."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection

from telemetry.broker import sql
from telemetry.broker.arrivals import Arrivals
from telemetry.broker.blind import Unreadable, Unseen
from telemetry.broker.brokers import broker, elects
from telemetry.broker.readings import Rows, of
from telemetry.tasks.publish import HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# kombu 5.7 says so to SQLAlchemy 2.1, and our tests take warnings for errors.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload``")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A broker with two messages and one that was delivered, all of it kombu's work."""
    connected = Connection(f"sqla+sqlite:///{tmp_path}/broker.sqlite")
    queue = connected.SimpleQueue("lab")
    for seconds in (300, 200, 100):
        queue.put({}, headers={HEADER: time.time() - seconds})
    queue.get(timeout=5).ack()
    connected.SimpleQueue("x.reply.celery.pidbox").put({})
    channel: Any = connected.default_channel
    channel.session.close()
    yield connected
    connected.close()
    for engine, _ in channel._engines.values():
        engine.dispose()
    channel._engines.clear()


def test_a_file_is_read_like_a_server(connection: Connection, tmp_path: Path) -> None:
    """Lengths, ages, rows and the file's size; it is the file's name that it goes by."""
    seen = broker(connection, tuple, 1.0)
    look = seen.look()
    seen.close()
    assert look is not None
    assert look.name == "broker.sqlite"
    assert look.blind == frozenset()
    assert look.rows == Rows(visible=3, invisible=1)
    assert look.table_bytes == (tmp_path / "broker.sqlite").stat().st_size
    made, blind = of(look, Arrivals())
    numbers = {(r.metric.name, *r.attributes): r.numbers[0] for r in made}
    assert blind == set()
    assert numbers["celery.queue.length", "lab"] == 2
    assert 190 < numbers["celery.queue.oldest_age", "lab"] < 290
    assert ("celery.queue.length", "x.reply.celery.pidbox") not in numbers


def test_reading_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    """The file is opened for reading only, and one that is not there is not made."""
    seen: Any = broker(connection, tuple, 1.0)
    seen.look()
    with pytest.raises(Exception, match="readonly"):
        seen._connection.exec_driver_sql("DELETE FROM kombu_message")
    seen.close()
    nowhere = broker(Connection(f"sqla+sqlite:///{tmp_path}/nowhere.sqlite"), tuple, 1.0)
    with pytest.raises(Unseen) as unseen:
        nowhere.look()
    assert (unseen.value.reason, unseen.value.name) == ("unreachable", "nowhere.sqlite")
    assert not (tmp_path / "nowhere.sqlite").exists()


def test_a_file_that_is_no_broker_s_says_so(tmp_path: Path) -> None:
    """Missing tables are a reason, and what can be seen without them is seen."""
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE t (x)").connection.close()
    seen = broker(Connection(f"sqla+sqlite:///{tmp_path}/other.sqlite"), tuple, 1.0)
    look = seen.look()
    seen.close()
    assert look is not None
    assert (look.blind, look.queues, look.rows) == (frozenset({"missing"}), (), None)


def test_a_statement_has_a_limit(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has none of its own: it is asked to stop, the rest is read, and it is told."""
    with sqlite3.connect(tmp_path / "broker.sqlite") as writing:
        writing.executemany(
            "INSERT INTO kombu_message (visible, payload, version, queue_id) VALUES (1, ?, 1, 1)",
            [("{}",)] * 20_000,
        )
    writing.close()
    monkeypatch.setattr(sql, "STATEMENT_SECONDS", 0.0)
    seen = broker(connection, tuple, 1.0)
    look = seen.look()
    seen.close()
    assert look is not None
    assert (look.blind, look.queues) == (frozenset({"timeout"}), ())


def test_what_cannot_be_read_is_refused_without_its_address() -> None:
    """By the kind of broker and what to do; a password in the address is not quoted."""
    for url, words in (
        ("memory://", "'memory' cannot be read; PostgreSQL, SQLite, Redis and AMQP can"),
        ("sqla+sqlite://", "a database in memory is its own process's"),
        ("sqla+mysql+pymysql://u:hunter2@h/d", "postgresql and sqlite, not mysql"),
        ("sqla+postgresql+psycopg2://u:hunter2@h:port/d", "the broker's address is none"),
    ):
        connection = Connection(url)
        with pytest.raises(Unreadable, match=words) as refused:
            broker(connection, tuple, 1.0)
        assert "hunter2" not in str(refused.value)


def test_one_of_many_is_elected_in_postgresql_alone() -> None:
    """Nothing else has a lock of sessions: workers leave other brokers to `portless observe`."""
    for transport in ("sqla", "portless"):
        assert elects(Connection(f"{transport}+postgresql+psycopg2://h/d"))
    for url in ("sqla+sqlite:///f", "sqla+mysql+pymysql://h/d", "memory://", "amqp://h"):
        assert not elects(Connection(url))
