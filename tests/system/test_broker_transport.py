"""The acknowledging transport, on a real PostgreSQL, through kombu's own interface."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from kombu import Connection, Queue
from kombu.exceptions import OperationalError

from telemetry.broker.leases import database as databases
from telemetry.broker.leases import news
from telemetry.broker.leases.holding import LeaseLost
from tests.support import broker as brokers
from tests.support.broker import QUEUE
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import Broker
    from tests.support.postgres import Postgres

# SQLAlchemy's, of the models of kombu's own transport.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

DRIVERS = ("psycopg2", "psycopg")
QUICK = {"lease_grace": 0.5, "polling_interval": 0.1}


@pytest.fixture(scope="module")
def database(server: Postgres) -> str:
    """One database for these tests; making and closing many takes longer than the tests."""
    return server.create(f"broker-{uuid.uuid4().hex}")


@pytest.fixture
def broker(database: str, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """An empty broker for one test, by psycopg2 or another driver."""
    driver = getattr(request, "param", "psycopg2")
    with brokers.made(database.replace("psycopg2", driver)) as made:
        made.empty()
        yield made


@contextmanager
def heard() -> Iterator[list[tuple[str, str, int]]]:
    """Hear the news while the block lasts."""
    told: list[tuple[str, str, int]] = []

    def listener(what: str, queue_name: str, count: int) -> None:
        told.append((what, queue_name, count))

    news.listeners.append(listener)
    try:
        yield told
    finally:
        news.listeners.remove(listener)


def test_an_acknowledged_message_is_gone(broker: Broker) -> None:
    """Its row is there and invisible while it is held, and goes with the acknowledgement."""
    queue = broker.queue()
    queue.put({"number": 1})
    message = queue.get(timeout=20)
    assert message.payload == {"number": 1}
    assert [(visible, version < 0) for _, visible, version in broker.rows()] == [(False, True)]
    message.ack()
    broker.wait_for(lambda: not broker.rows())


@pytest.mark.parametrize("broker", DRIVERS, indirect=True)
def test_a_message_given_back_is_the_same_row_and_says_so(broker: Broker) -> None:
    """Not a copy: the row waits again, and whoever gets it sees that it was delivered before."""
    queue = broker.queue()
    queue.put("again")
    ((row, _, _),) = broker.rows()
    message = queue.get(timeout=20)
    assert message.delivery_info["redelivered"] is False
    message.requeue()
    again = queue.get(timeout=20)
    assert again.delivery_info["redelivered"] is True
    assert [found for found, _, _ in broker.rows()] == [row]
    again.reject()
    broker.wait_for(lambda: not broker.rows())


def test_who_wants_no_acknowledgements_has_the_row_gone(broker: Broker) -> None:
    """With `no_ack` delivery is the end, for consumers and for single gets."""
    connection = broker.connect()
    queue = connection.SimpleQueue(QUEUE, no_ack=True)
    queue.put(1)
    queue.put(2)
    assert queue.get(timeout=20).payload == 1
    queue.close()
    message = connection.default_channel.basic_get(QUEUE, no_ack=True)
    assert message.payload == 2
    broker.wait_for(lambda: not broker.rows())


def test_nobody_waits_for_a_locked_row(broker: Broker) -> None:
    """A message that another session just takes is passed over, not waited for."""
    queue = broker.queue()
    queue.put("first")
    queue.put("second")
    broker.execute("BEGIN")
    broker.execute("SELECT 1 FROM kombu_message ORDER BY id LIMIT 1 FOR UPDATE")
    assert queue.get(timeout=20).payload == "second"
    broker.execute("ROLLBACK")


def test_a_consumer_holds_as_many_as_it_may_prefetch(broker: Broker) -> None:
    """Reserved in one go, up to the limit; what was not delivered goes back as if untouched."""
    connection = broker.connect(**QUICK)
    got = []
    consumer = connection.Consumer([Queue(QUEUE)], on_message=got.append)
    with consumer:
        consumer.qos(prefetch_count=4)
        producer = connection.Producer()
        for number in range(10):
            producer.publish(number, routing_key=QUEUE)
        connection.drain_events(timeout=20)
        assert len([row for row in broker.rows() if not row[1]]) == 4
        for _ in range(3):
            connection.drain_events(timeout=20)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.3)
        got[0].ack()
        connection.drain_events(timeout=20)
        assert [message.payload for message in got] == [0, 1, 2, 3, 4]
    connection.close()
    assert [version for _, _, version in broker.rows()] == [2] * 4 + [1] * 5


def test_queues_can_be_counted_emptied_and_deleted(broker: Broker) -> None:
    """Counting and purging are about what waits, not about what somebody holds."""
    queue = broker.queue()
    for number in range(3):
        queue.put(number)
    other = broker.connect()
    held = other.default_channel.basic_get(QUEUE)
    assert queue.qsize() == 2
    assert queue.clear() == 2
    assert len(broker.rows()) == 1
    held.ack()
    broker.wait_for(lambda: not broker.rows())
    queue.put("last")
    other.default_channel.queue_delete(QUEUE)
    assert not broker.rows()
    assert not broker.execute("SELECT * FROM kombu_queue")
    with pytest.raises(Exception, match="NOT_FOUND"):
        other.default_channel.queue_declare(QUEUE, passive=True)


def test_settling_and_publishing_need_no_thread_of_their_own(broker: Broker) -> None:
    """Four threads settle what a fifth gets, and publish meanwhile: each message comes through."""
    queue = broker.queue()
    for number in range(200):
        queue.put(number)
    got, seen, turn = [], set(), threading.Semaphore(0)

    def settle() -> None:
        producer = broker.connect().Producer()
        while turn.acquire(timeout=20):
            message = got.pop()
            if message is None:
                return
            again = message.payload < 200 and message.payload % 10 == 0
            if again and not message.delivery_info["redelivered"]:
                producer.publish(message.payload + 1000, routing_key=QUEUE)
                message.requeue()
            else:
                seen.add(message.payload)
                message.ack()

    threads = [threading.Thread(target=settle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200 + 20 + 20):  # with those given back, and those published meanwhile
        got.append(queue.get(timeout=20))
        turn.release()
    broker.wait_for(lambda: not broker.rows())
    for _ in threads:
        got.insert(0, None)
        turn.release()
    for thread in threads:
        thread.join()
    assert seen == set(range(200)) | set(range(1000, 1200, 10))


def test_a_stock_worker_and_a_stock_producer_share_the_tables(broker: Broker) -> None:
    """Either side reads what the other wrote, given back or not; nothing is delivered twice."""
    queue, stock = broker.queue(**QUICK), broker.queue("sqla+")
    for number in range(4):
        (queue if number % 2 else stock).put(number)
    ours = broker.connect(**QUICK).default_channel
    first = ours.basic_get(QUEUE)
    assert first.payload == 0
    first.requeue()
    broker.wait_for(lambda: broker.rows()[0][1])
    taken = [stock.get(timeout=20), ours.basic_get(QUEUE)]
    assert [message.payload for message in taken] == [0, 1]
    for message in taken:
        message.ack()
    broker.wait_for(lambda: len(broker.rows()) == 3)
    assert broker.rows()[0][1:] == (False, 3)  # the stock one keeps it for ever


@pytest.mark.parametrize("broker", DRIVERS, indirect=True)
def test_a_lost_connection_loses_nothing(broker: Broker) -> None:
    """What is held stays held and can be settled; getting and publishing go on."""
    queue = broker.queue(**QUICK)
    for number in range(3):
        queue.put(number)
    channel = broker.connect(**QUICK).default_channel
    held = [channel.basic_get(QUEUE) for _ in range(2)]
    broker.cut_connections()
    held[0].ack()
    third = channel.basic_get(QUEUE)
    assert third.payload == 2
    assert third.delivery_info["redelivered"] is False
    broker.wait_for(lambda: len(broker.rows()) == 2)
    held[1].requeue()
    again = queue.get(timeout=20)
    assert (again.payload, again.delivery_info["redelivered"]) == (1, True)


def test_a_reservation_whose_answer_was_lost_is_undone(broker: Broker) -> None:
    """The process never heard of it: with the next connection it waits again."""
    queue = broker.queue(**QUICK)
    queue.put("known")
    queue.put("unheard of")
    channel = broker.connect(**QUICK).default_channel
    channel.basic_get(QUEUE)
    broker.execute(
        "UPDATE kombu_message SET visible = false,"
        " version = (SELECT min(version) FROM kombu_message) WHERE visible"
    )
    broker.cut_connections()
    message = channel.basic_get(QUEUE)
    assert message.payload == "unheard of"
    assert message.delivery_info["redelivered"] is True


def test_what_a_vanished_process_held_waits_again(broker: Broker) -> None:
    """Soon, by whoever is left, and counted; the sweeper itself may be the one that vanished.

    What a living process and what a stock worker took stays as it is.
    """
    queue = broker.queue(**QUICK)
    for number in range(6):
        queue.put(number)
    sweeper = broker.holder(2, **QUICK)
    stock = broker.queue("sqla+").get(timeout=20)
    assert stock.payload == 2
    stock.ack()
    channel = broker.connect(**QUICK).default_channel
    held = channel.basic_get(QUEUE)
    assert held.payload == 3
    with heard() as told:
        sweeper.kill()
        broker.wait_for(lambda: told)
    assert told == [("recovered", QUEUE, 2)]
    states = [(visible, version > 0) for _, visible, version in broker.rows()]
    again, stocks, ours, waiting = (True, True), (False, True), (False, False), (True, True)
    assert states == [again, again, stocks, ours, waiting, waiting]
    message = channel.basic_get(QUEUE)
    assert (message.payload, message.delivery_info["redelivered"]) == (0, True)
    assert len(broker.execute("SELECT * FROM kombu_message_consumer")) == 1


def test_the_visibility_timeout_bounds_what_a_hung_process_holds(broker: Broker) -> None:
    """Its session is there and it gives no sign of life: others get what it held.

    When it comes back it learns that, and what it settles late changes nothing.
    """
    options = {**QUICK, "visibility_timeout": 2.0}
    queue = broker.queue(**options)
    queue.put("held")
    hung = broker.holder(1, **options)
    channel = broker.connect(**options).default_channel
    assert channel.basic_get(QUEUE) is None
    hung.send_signal(signal.SIGSTOP)
    broker.wait_for(lambda: broker.rows()[0][1])
    hung.send_signal(signal.SIGCONT)
    broker.wait_for(lambda: len(broker.execute("SELECT * FROM kombu_message_consumer")) == 2)
    assert channel.basic_get(QUEUE).delivery_info["redelivered"] is True


def test_a_process_taken_for_vanished_begins_anew(broker: Broker) -> None:
    """Its next look into the queue says so, and its late acknowledgement is nobody's loss."""
    queue = broker.queue(**QUICK)
    queue.put("ours")
    channel = broker.connect(**QUICK, visibility_timeout=2.0).default_channel
    message = channel.basic_get(QUEUE)
    broker.execute("DELETE FROM kombu_message_consumer")

    def lost() -> bool:
        try:
            channel.basic_get("another")
        except LeaseLost:
            return True
        return False

    broker.wait_for(lost)
    message.ack()
    broker.wait_for(lambda: broker.rows()[0][1])
    again = queue.get(timeout=20)
    again.ack()
    broker.wait_for(lambda: not broker.rows())


@pytest.mark.parametrize("broker", DRIVERS, indirect=True)
def test_a_publisher_wakes_the_consumer(broker: Broker) -> None:
    """It looks by itself once in ten minutes only, and has the message nevertheless."""
    queue = broker.queue(polling_interval=600)
    timer = threading.Timer(0.5, lambda: broker.queue().put("now"))
    timer.start()
    assert queue.get(timeout=60).payload == "now"
    timer.join()


def test_a_row_that_is_no_message_is_set_aside(broker: Broker) -> None:
    """It is kept for somebody to look at, it holds up nobody, is counted, and not tried again."""
    queue = broker.queue(**QUICK)
    for payload in ("not JSON", "[]", "{}"):
        queue.put("to be spoilt")
        broker.execute(
            f"UPDATE kombu_message SET payload = '{payload}'"
            " WHERE id = (SELECT max(id) FROM kombu_message)"
        )
    queue.put("good")
    with heard() as told:
        assert queue.get(timeout=20).payload == "good"
    assert told == [("set_aside", QUEUE, 1)] * 3
    broker.wait_for(lambda: [row[2] for row in broker.rows()][:3] == [0, 0, 0])


_SCHEMA = (
    """
    SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
      FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE connamespace = CAST('public' AS regnamespace)
    """,
    "SELECT sequencename, data_type FROM pg_sequences",
)


def test_the_tables_are_kombus_own(broker: Broker, server: Postgres) -> None:
    """Columns, constraints and indexes are those that kombu makes; ours stand beside them."""
    broker.queue().put(1)
    broker.connect().default_channel.basic_get(QUEUE)
    with brokers.made(server.create("stock-tables")) as stock:
        stock.queue("sqla+").put(1)
        for query in _SCHEMA:
            ours, theirs = set(broker.execute(query)), set(stock.execute(query))
            assert theirs <= ours
            assert all(
                "consumer" in str(row) or "ix_kombu_message_" in str(row) for row in ours - theirs
            )


def test_a_role_that_may_not_create_is_told_what_to_do(server: Postgres) -> None:
    """Not a driver's error, but which table is missing; where all is there, it needs no more."""
    with brokers.made(server.create(f"broker-{uuid.uuid4().hex}")) as broker:
        _as_a_weak_role(broker)


def _as_a_weak_role(broker: Broker) -> None:
    broker.execute("CREATE ROLE weak LOGIN")
    try:
        weak = broker.database.replace("postgres:@", "weak:@")
        with (
            Connection(f"portless+{weak}") as connection,
            pytest.raises(RuntimeError, match=r"kombu_queue.*may not create.*docs/broker.md"),
        ):
            connection.default_channel  # noqa: B018 - connects
        queue = broker.queue()
        queue.put(1)
        broker.connect().default_channel.basic_get("another")
        for table in ("kombu_queue", "kombu_message", "kombu_message_consumer"):
            broker.execute(f"GRANT ALL ON {table} TO weak")
        broker.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weak")
        with Connection(f"portless+{weak}") as connection:
            assert connection.default_channel.basic_get(QUEUE).payload == 1
    finally:
        broker.execute("DROP OWNED BY weak")
        broker.execute("DROP ROLE weak")


def test_a_database_that_is_away_is_a_connection_error(broker: Broker) -> None:
    """Whether to try again is a setting of Celery's or kombu's, as with every broker."""
    url = broker.url.replace("host=", "host=/nowhere")
    with Connection(url) as connection, pytest.raises(OperationalError):
        connection.ensure_connection(max_retries=1, interval_start=0)


def test_a_database_that_crashed_is_a_connection_error(
    broker: Broker, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where psycopg2 has no better word for it; and it quotes nothing of the message."""
    monkeypatch.setattr(databases, "IDLE_SECONDS", 600.0)  # nobody asks whether it lives
    connection = broker.connect(pool_size=1)  # an engine of its own
    producer = connection.Producer()
    producer.publish(1, routing_key=QUEUE)
    server.restart()
    with pytest.raises(connection.connection_errors, match="parameters hidden"):
        producer.publish(2, routing_key=QUEUE)
    producer.publish(3, routing_key=QUEUE)
    declared = connection.default_channel.queue_declare(QUEUE, passive=True)
    assert declared.message_count == 2


_PROGRAM = """
import sys
import {first}
assert "kombu.transport" not in sys.modules or {first!r} == "kombu.transport"
import telemetry
import kombu
with kombu.Connection({url!r}, transport={transport!r}) as connection:
    queue = connection.SimpleQueue("jobs")
    queue.put(1)
    print(queue.get(timeout=20).payload, type(connection.transport).__module__)
"""


@pytest.mark.parametrize("first", ["telemetry", "kombu.transport"])
def test_an_import_makes_the_address_known(broker: Broker, first: str) -> None:
    """In whatever order, and without bringing kombu along."""
    program = _PROGRAM.format(first=first, url=broker.url, transport=None)
    assert _run(program) == "1 telemetry.broker.leases.transport"


@pytest.mark.parametrize(
    ("driver", "transport", "line"),
    [
        ("postgresql+psycopg2", None, "kombu.transport.TRANSPORT_ALIASES['portless'] = {class_}"),
        ("postgresql", "telemetry.broker.leases.transport:Transport", "pass"),
    ],
)
def test_a_process_without_that_import_has_two_ways(
    broker: Broker, driver: str, transport: str | None, line: str
) -> None:
    """A line of its own, or Celery's `broker_transport` with an address without a driver."""
    url = broker.database.replace("postgresql+psycopg2", driver)
    line = line.format(class_=repr("telemetry.broker.leases.transport:Transport"))
    program = _PROGRAM.replace("import telemetry\n", f"import kombu.transport\n{line}\n").format(
        first="json", url=url if transport else f"portless+{url}", transport=transport
    )
    assert _run(program) == "1 telemetry.broker.leases.transport"


_FORKED = """
import os, sys
import telemetry, kombu
connection = kombu.Connection({url!r})
channel = connection.default_channel
queue = connection.SimpleQueue("jobs")
queue.put("parent's")
queue.put("reserved by the parent")
held = queue.get(timeout=20)
child = os.fork()
if child == 0:
    queue.put("child's")
    channel.close()
    connection.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert queue.get(timeout=20).payload == "reserved by the parent"
assert queue.get(timeout=20).payload == "child's"
held.ack()
connection.close()
print("done")
"""


def test_a_forked_process_shares_nothing_with_its_parent(broker: Broker) -> None:
    """It publishes, closes what it inherited, and ends; the parent and what it holds go on."""
    assert _run(_FORKED.format(url=broker.url)) == "done"
    assert [row[1:] for row in broker.rows()] == [(True, 2)] * 2


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
