"""A real PostgreSQL is read as it is, or it is said why not."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from telemetry.broker import sql
from telemetry.broker.arrivals import Arrivals
from telemetry.broker.blind import Unseen
from telemetry.broker.readings import Rows, of
from telemetry.broker.sql import SqlBroker
from telemetry.tasks.publish import HEADER
from tests.support.looks import ages, lengths, seen
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres

# As kombu 5.7 makes them.
TABLES = """
CREATE TABLE {queues} (id integer PRIMARY KEY, name varchar(200) UNIQUE);
CREATE TABLE {messages} (
    id serial PRIMARY KEY, visible boolean, timestamp timestamp, payload text NOT NULL,
    version smallint NOT NULL, queue_id integer REFERENCES {queues}
);
CREATE INDEX "ix_{number}_visible" ON {messages} (visible);
CREATE INDEX "ix_{number}_timestamp" ON {messages} (timestamp);
CREATE INDEX "ix_{number}_timestamp_id" ON {messages} (timestamp, id);
"""
KOMBU = {"queues": "kombu_queue", "messages": "kombu_message"}


class Broker:
    """A database with kombu's tables, and observers of it."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.url = server.create(f"queues-{uuid.uuid4().hex}")
        self.observers: list[SqlBroker] = []
        self.tables()

    def tables(self, queues: str = "kombu_queue", messages: str = "kombu_message") -> None:
        """Make a pair of tables."""
        number = uuid.uuid4().hex
        self.execute(TABLES.format(queues=f'"{queues}"', messages=f'"{messages}"', number=number))

    def execute(self, *statements: str, user: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as a user; the rows of the last one."""
        url = make_url(self.url)
        connection = psycopg2.connect(host=url.query["host"], user=user, dbname=url.database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description is not None else []
        connection.close()
        return rows

    def send(self, queue: str, payload: str, **columns: object) -> None:
        """Put a message into a queue."""
        table = columns.get("table", "kombu")
        self.execute(
            f"""INSERT INTO "{table}_queue" VALUES (hashtext('{queue}'), '{queue}')
                ON CONFLICT DO NOTHING""",
            f"""INSERT INTO "{table}_message" (visible, payload, version, queue_id)
                VALUES ({columns.get("visible", True)}, '{payload}', 1, hashtext('{queue}'))""",
        )

    def observer(
        self, user: str = "postgres", tables: dict[str, str] = KOMBU, silence_seconds: float = 15.0
    ) -> SqlBroker:
        """Another observer, as a user."""
        url = self.url.replace("postgres:@", f"{user}:@")
        made = SqlBroker(url, tables=tables, connect_args={}, silence_seconds=silence_seconds)
        self.observers.append(made)
        return made


@pytest.fixture
def broker(server: Postgres) -> Iterator[Broker]:
    """A broker of its own for a test."""
    made = Broker(server)
    yield made
    for observer in made.observers:
        observer.close()


def message(**headers: object) -> str:
    """A message as kombu keeps it."""
    return json.dumps({"body": "e30=", "headers": headers, "properties": {}})


def test_only_what_waits_is_length_and_age(broker: Broker) -> None:
    """Delivered rows are rows and no length; queues for replies are neither, nor do they count.

    A message that waits for its ETA is not late, and what is behind it is found.
    """
    now = time.time()
    later = message(eta="2999-01-01T00:00:00", **{HEADER: now - 500})
    broker.send("lab", message(**{HEADER: now - 900}), visible=False)
    broker.send("lab", message(**{HEADER: now - 100}))
    broker.send("lab", message(**{HEADER: now - 50}))
    broker.send("eta", later)
    broker.send("mixed", later)
    broker.send("mixed", later)
    broker.send("mixed", message(**{HEADER: now - 200}))
    broker.send("done", message(), visible=False)
    broker.send("1f.reply.celery.pidbox", message())
    broker.send("celeryev.1f", message())
    look = seen(broker.observer())
    assert look.blind == frozenset()
    assert lengths(look) == {"lab": 2, "eta": 1, "mixed": 3, "done": 0}
    age = ages(look)
    assert (age["eta"], age["done"]) == (0, 0)
    assert 100 <= age["lab"] < 150
    assert 200 <= age["mixed"] < 250
    assert look.rows is not None
    assert look.rows.visible == 8
    assert look.table_bytes is not None
    assert look.table_bytes > 8192


def test_many_queues_are_all_counted(broker: Broker) -> None:
    """More than have names of their own: the sum is right all the same, and it is told."""
    broker.execute(
        "INSERT INTO kombu_queue SELECT n, 'q' || n FROM generate_series(1, 700) n",
        "INSERT INTO kombu_message (visible, payload, version, queue_id)"
        " SELECT true, '{}', 1, n FROM generate_series(1, 700) n",
    )
    made, blind = of(seen(broker.observer()), Arrivals())
    lengths = [r.numbers[0] for r in made if r.metric.name == "celery.queue.length"]
    assert (len(lengths), sum(lengths)) == (500, 700)
    assert "too_many" in blind


def test_the_rows_are_about_as_many_as_there_are(broker: Broker) -> None:
    """PostgreSQL counts them itself; once it has said what it counted, it is right."""
    broker.send("lab", message())
    broker.execute(
        "INSERT INTO kombu_message (visible, payload, version) SELECT false, '', 1"
        " FROM generate_series(1, 5000)"
    )
    observer = broker.observer()
    eventually(lambda: seen(observer).rows == Rows(visible=1, invisible=5000))


def test_a_message_without_a_stamp_ages_from_its_first_look(broker: Broker) -> None:
    """At first sight it has not waited; at the next look it has waited since then."""
    broker.send("lab", message())
    observer, arrivals = broker.observer(), Arrivals()
    first = seen(observer)
    assert ages(first, arrivals) == {"lab": 0}
    second = seen(observer)
    passed = second.now_seconds - first.now_seconds
    assert ages(second, arrivals)["lab"] == pytest.approx(passed, abs=1e-6)
    assert passed > 0


def test_tables_may_have_other_names(broker: Broker) -> None:
    """Those of `broker_transport_options`, whatever is in them, with a lock of their own."""
    names = {"queues": 'Shop "1" %_queue', "messages": 'Shop "1" %_message'}
    broker.tables(*(name.replace('"', '""') for name in names.values()))
    broker.send("lab", message(), table='Shop ""1"" %')
    broker.send("other", message())
    assert lengths(seen(broker.observer(tables=names))) == {"lab": 1}
    assert lengths(seen(broker.observer())) == {"other": 1}


def test_a_role_that_may_only_select_is_enough(broker: Broker) -> None:
    """All readings, the lock and the name; and whoever observes cannot write, whatever its role."""
    role = f"reader_{uuid.uuid4().hex}"
    broker.send("lab", message())
    broker.execute(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT ON kombu_queue, kombu_message TO {role}",
    )
    reader = broker.observer(role)
    look = seen(reader)
    assert (look.blind, lengths(look)) == (frozenset(), {"lab": 1})
    assert look.rows is not None
    assert look.table_bytes
    assert broker.observer().look() is None, "there are two observers"
    reader.close()
    owner = broker.observer()
    assert seen(owner).name == look.name
    assert owner._connection is not None
    with pytest.raises(Exception, match="read-only transaction"):
        owner._connection.execute(text("DELETE FROM kombu_message"))


BLIND: list[tuple[str, tuple[str, ...], str, frozenset[str]]] = [
    ("no table", ("DROP TABLE kombu_message, kombu_queue",), "postgres", frozenset({"missing"})),
    ("no queues", ("DROP TABLE kombu_queue CASCADE",), "postgres", frozenset({"missing"})),
    ("another's", ("ALTER TABLE kombu_message DROP visible",), "postgres", frozenset({"missing"})),
    ("no right", ("CREATE ROLE {role} LOGIN",), "{role}", frozenset({"denied"})),
]


@pytest.mark.parametrize(
    ("statements", "user", "blind"), [case[1:] for case in BLIND], ids=[case[0] for case in BLIND]
)
def test_what_cannot_be_read_is_missing_with_a_reason(
    broker: Broker, statements: tuple[str, ...], user: str, blind: frozenset[str]
) -> None:
    """No length is made up, and the observer goes on: when the reason is gone it reads again."""
    role = f"stranger_{uuid.uuid4().hex}"
    broker.send("lab", message())
    broker.execute(*(statement.format(role=role) for statement in statements))
    observer = broker.observer(user.format(role=role))
    look = seen(observer)
    assert (look.blind, look.queues, look.rows) == (blind, (), None)
    if blind == {"denied"}:
        broker.execute(f"GRANT SELECT ON kombu_queue, kombu_message TO {role}")
        assert lengths(seen(observer)) == {"lab": 1}


def test_a_lock_on_the_table_is_waited_for_in_vain_once(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement ends with its limit, and says so; the next look sees what there is."""
    monkeypatch.setattr(sql, "STATEMENT_SECONDS", 0.2)
    broker.send("lab", message())
    observer = broker.observer()
    url = make_url(broker.url)
    holder = psycopg2.connect(host=url.query["host"], user="postgres", dbname=url.database)
    with holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE kombu_message")
        assert seen(observer).blind == {"timeout"}
    holder.close()
    assert lengths(seen(observer)) == {"lab": 1}


def test_who_cannot_connect_speaks_for_nobody(broker: Broker) -> None:
    """A wrong role, an address where nothing is: a reason, and no broker's name to say it under."""
    nowhere = "postgresql+psycopg2://postgres:@/x?host=/nowhere"
    for observer, why in (
        (broker.observer("nobody"), "denied"),
        (SqlBroker(nowhere, tables=KOMBU, connect_args={}, silence_seconds=15.0), "unreachable"),
    ):
        with pytest.raises(Unseen) as unseen:
            observer.look()
        assert (unseen.value.reason, unseen.value.name) == (why, None)


def test_a_dropped_connection_is_told_and_made_again(broker: Broker) -> None:
    """The look says that it saw nothing, the next one connects and is elected again."""
    broker.send("lab", message())
    observer = broker.observer()
    seen(observer)
    broker.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'portless observe' AND datname = current_database()"
    )
    with pytest.raises(Unseen) as unseen:
        observer.look()
    assert (unseen.value.reason, unseen.value.name) == ("unreachable", None)
    assert lengths(seen(observer)) == {"lab": 1}


def test_an_observer_that_fell_silent_loses_its_place(broker: Broker) -> None:
    """A process that is stopped, or a machine that hangs, keeps no lock: the server ends it."""
    silent, other = broker.observer(silence_seconds=0.5), broker.observer()
    name = seen(silent).name
    assert other.look() is None
    eventually(lambda: other.look() is not None)
    assert seen(other).name == name
    with pytest.raises(Unseen):
        silent.look()
    assert silent.look() is None


def test_a_session_that_is_another_s_is_not_a_place(broker: Broker) -> None:
    """Behind a pooler the lock may be gone from one statement to the next: that is no election."""
    observer = broker.observer()
    seen(observer)
    assert observer._connection is not None
    observer._connection.execute(text("SELECT pg_advisory_unlock_all()"))
    with pytest.raises(Unseen) as unseen:
        observer.look()
    assert unseen.value.reason == "unsupported"


def test_every_statement_on_messages_uses_an_index(broker: Broker) -> None:
    """Nearly all rows are dead, and no statement reads them: what waits is found by an index."""
    broker.execute(
        "INSERT INTO kombu_queue SELECT n, 'q' || n FROM generate_series(1, 4) n",
        "INSERT INTO kombu_message (visible, payload, version, queue_id)"
        " SELECT n % 1000 = 0, repeat('x', 100), 1, n % 4 + 1 FROM generate_series(1, 20000) n",
        "ANALYZE kombu_message",
        "ANALYZE kombu_queue",
    )
    observer = broker.observer()
    seen(observer)
    assert observer._connection is not None
    values = {"queues_max": 500, "ids": [1000, 2000], "payload_max": 100, "queue_id": 1}
    values |= {"first": 0, "behind_max": 10}
    for name in ("waiting", "heads", "behind"):
        statement = observer._statements[name]
        used = {key: value for key, value in values.items() if key in statement._bindparams}
        expanding = [bind for bind in statement._bindparams.values() if bind.expanding]
        explained = text(f"EXPLAIN {statement.text}").bindparams(*expanding)
        plan = "\n".join(observer._connection.execute(explained, used).scalars())
        assert "Seq Scan on kombu_message" not in plan, f"{name}:\n{plan}"
        assert "_visible" in plan or "kombu_message_pkey" in plan, f"{name}:\n{plan}"
