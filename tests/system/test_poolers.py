"""Behind a real PgBouncer: what needs a session of its own refuses one that is everybody's.

The rest works, and nothing is left in a session that the application gets next.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from kombu import Connection
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from telemetry.broker.blind import Unseen
from telemetry.broker.brokers import broker as looking_into
from telemetry.health.checks import row_security
from telemetry.health.readiness import NotReady
from tests.support import broker as brokers
from tests.support.broker import QUEUE
from tests.support.pgbouncer import HAS_PGBOUNCER, pooling
from tests.system.test_readiness import ODD, ORDERS, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broker import Broker
    from tests.system.conftest import Lab

pytestmark = pytest.mark.skipif(
    not HAS_PGBOUNCER, reason="needs PgBouncer; on Debian: apt install pgbouncer"
)
SESSION = """
SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'),
       current_setting('synchronous_commit'),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), count(*)
  FROM pg_listening_channels()
"""
"""What somebody may have left in a session."""


@pytest.fixture
def broker(lab: Lab) -> Iterator[Broker]:
    """A broker with its tables, by an address that goes around the pooler."""
    with brokers.made(lab.database) as made:
        made.queue().put("first")
        yield made


def session(url: str) -> tuple[object, ...]:
    """What the next client of a pooler finds in its session."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        return tuple(connection.execute(text(SESSION)).one())


@contextmanager
def occupied(url: str) -> Iterator[None]:
    """Somebody has the session that was used last."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        yield


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_an_observer_leaves_nothing_in_a_session_of_others(broker: Broker, driver: str) -> None:
    """It says why it does not look. Were it to go on, the application's sessions were read only."""
    with pooling(broker.database, "transaction") as url:
        before = session(url)
        seen = looking_into(Connection(f"sqla+{url.replace('psycopg2', driver)}"), tuple, 1.0)
        for _ in range(2):
            with pytest.raises(Unseen) as unseen:
                seen.look()
            assert (unseen.value.reason, unseen.value.name) == ("unsupported", None)
        assert session(url) == before


def test_an_observer_in_a_pool_of_sessions_looks(broker: Broker) -> None:
    """There a client's session is its own until it leaves, and is cleaned for the next one."""
    with pooling(broker.database, "session") as url:
        before = session(url)
        seen = looking_into(Connection(f"sqla+{url}"), tuple, 1.0)
        for _ in range(2):
            look = seen.look()
            assert look is not None
            assert [queue.length for queue in look.queues] == [1]
        seen.close()
        broker.wait_for(lambda: session(url) == before)


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_pool_of_transactions_is_for_publishers(broker: Broker, driver: str) -> None:
    """They publish through it, and wake who waits beside it; a consumer is told where to go."""
    with pooling(broker.database.replace("psycopg2", driver), "transaction") as url:
        before = session(url.replace(driver, "psycopg2"))
        with Connection(f"portless+{url}") as pooled:
            producer = pooled.Producer()
            consumer = broker.queue(polling_interval=600)
            assert consumer.get(timeout=20).payload == "first"

            def publish() -> None:
                for number in range(20):
                    producer.publish(number, routing_key=QUEUE)

            timer = threading.Timer(0.5, publish)
            timer.start()
            assert [consumer.get(timeout=20).payload for _ in range(20)] == list(range(20))
            timer.join()
            with occupied(url):  # what was prepared in it would be missed
                producer.publish("in another session", routing_key=QUEUE)
            assert consumer.get(timeout=20).payload == "in another session"
            with pytest.raises(RuntimeError, match=r"pooler in transaction mode.*go[a-z]* around"):
                pooled.default_channel.basic_get(QUEUE)
        consumer.close()
        left = session(url.replace(driver, "psycopg2"))
        assert (*left[:3], left[4]) == (*before[:3], before[4])


def test_row_security_is_proven_in_a_pool_of_transactions(lab: Lab) -> None:
    """One transaction is all that the proof needs, and it takes everything back."""
    shop = Shop(lab)
    with pooling(lab.database, "transaction", role="shop_api") as url:
        host, name = make_url(url).query["host"], make_url(url).database

        def connect() -> Any:
            return psycopg2.connect(host=host, dbname=name)

        check = row_security(connect, [ORDERS, ODD], setting="app.tenant_id")
        before = session(url)
        check.run()
        assert session(url) == before
        shop.execute("ALTER POLICY tenant ON orders USING (true)")
        with pytest.raises(NotReady, match="visible to another"):
            check.run()
    assert shop.rows() == 0


def test_a_pool_of_sessions_is_for_workers(lab: Lab, broker: Broker) -> None:
    """Taken, acknowledged, gone; the seat is left at the end and its lock with it."""
    with pooling(lab.database, "session", sessions=20) as url:
        worker = lab.worker("threads", LAB_BROKER=f"portless+{url}")
        broker.execute("DELETE FROM kombu_message")
        lab.publish(["ok", 10], LAB_BROKER=f"portless+{url}")
        worker.wait_for(lambda: lab.executions()["ok", "success", ""] == 10)
        worker.wait_for(lambda: not broker.rows())
        assert worker.stop() == 0
    assert not broker.execute("SELECT * FROM kombu_message_consumer")
    assert not broker.execute("SELECT * FROM pg_locks WHERE locktype = 'advisory'")
