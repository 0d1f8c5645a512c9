"""Queues in Redis and in AMQP are as long as they are, and asking changes nothing there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection

from telemetry.broker.arrivals import Arrivals
from telemetry.broker.blind import Unseen
from telemetry.broker.brokers import broker
from telemetry.tasks.publish import HEADER
from tests.support import brokers
from tests.support import redis as redis_server
from tests.support.looks import ages, lengths, seen
from tests.support.sink import Sink
from tests.support.waiting import eventually
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.broker.brokers import Broker

needs_redis = pytest.mark.skipif(
    not redis_server.is_installed(),
    reason="needs redis-server; on Debian: apt install redis-server",
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis; its port."""
    with brokers.redis_on_tcp(tmp_path_factory.mktemp("redis")) as port:
        yield port


@contextmanager
def observed(connection: Connection, *queues: str) -> Iterator[Broker]:
    """What looks into a broker, with its connection closed at the end."""
    seen = broker(connection, lambda: queues, 1.0)
    yield seen
    seen.close()


def send(connection: Connection, queue: str, *headers: dict[str, Any], **options: Any) -> None:
    """Put messages into a queue."""
    with connection.SimpleQueue(queue) as simple:
        for one in headers:
            simple.put({}, headers=one, **options)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://:hunter2@h:1/2", "h:1/2"),
        ("redis+socket://:hunter2@/run/shop/redis.sock?virtual_host=3", "redis.sock/3"),
        ("redis+socket:///run/shop/redis.sock", "redis.sock"),
        ("amqp://u:hunter2@h/shop", "h:5672/shop"),
        ("amqp://", "localhost:5672/"),
    ],
)
def test_a_broker_s_name_is_no_secret(url: str, name: str) -> None:
    """It becomes a label: host, port and database of the address, and nothing else of it."""
    assert broker(Connection(url), tuple, 1.0).name == name


@needs_redis
def test_every_priority_of_a_queue_in_redis_counts(redis: int) -> None:
    """One list for each priority, one length; the oldest age over all of them; no key is made."""
    connection = Connection(f"redis://127.0.0.1:{redis}/1")
    now = time.time()
    send(connection, "lab", {HEADER: now - 50}, {HEADER: now - 40})
    send(connection, "lab", {HEADER: now - 300}, {HEADER: now - 200}, priority=6)
    send(connection, "later", {HEADER: now - 90, "eta": "2999-01-01T00:00:00+00:00"})
    client: Any = connection.default_channel.client
    before = sorted(client.keys())
    with observed(connection, "lab", "later", "nobody") as observer:
        look = seen(observer)
        assert lengths(look) == {"lab": 4, "later": 1, "nobody": 0}
        age = ages(look)
        assert (age["later"], age["nobody"]) == (0, 0)
        assert 300 <= age["lab"] < 350
    assert sorted(client.keys()) == before
    connection.close()


@needs_redis
def test_a_prefix_of_keys_is_followed(redis: int) -> None:
    """`global_keyprefix` belongs to the names of lists, and not to the queue's."""
    options = {"global_keyprefix": "shop:"}
    connection = Connection(f"redis://127.0.0.1:{redis}/2", transport_options=options)
    send(connection, "lab", {HEADER: time.time() - 30})
    with observed(connection, "lab") as observer:
        look = seen(observer)
        assert lengths(look) == {"lab": 1}
        assert 30 <= ages(look)["lab"] < 60
    connection.close()


@needs_redis
def test_a_message_without_a_stamp_ages_in_redis_too(redis: int) -> None:
    """From the look that saw it first at the end of its list; the next one begins anew."""
    connection = Connection(f"redis://127.0.0.1:{redis}/3")
    send(connection, "lab", {}, {})
    arrivals = Arrivals()
    with observed(connection, "lab") as observer:
        first = seen(observer)
        assert ages(first, arrivals) == {"lab": 0}
        second = seen(observer)
        assert ages(second, arrivals)["lab"] == second.now_seconds - first.now_seconds > 0
        with connection.SimpleQueue("lab") as simple:
            simple.get(timeout=5).ack()
        assert ages(seen(observer), arrivals) == {"lab": 0}
    connection.close()


@needs_redis
def test_a_master_is_found_by_its_sentinel(redis: int, tmp_path: Path) -> None:
    """The broker goes by the master's name, wherever that is now."""
    with brokers.sentinel(tmp_path, redis) as port:
        options = {"master_name": "shop"}
        url = f"sentinel://127.0.0.1:{port}/4"
        connection = Connection(url, transport_options=options)
        send(connection, "lab", {})
        with observed(connection, "lab") as observer:
            look = seen(observer)
            assert (look.name, lengths(look)) == ("shop/4", {"lab": 1})
        connection.close()


@needs_redis
def test_a_redis_that_is_gone_or_closed_is_a_reason(tmp_path: Path) -> None:
    """No password is denied, no server unreachable; the broker's name is known all the same."""
    with brokers.redis_on_tcp(tmp_path, "--requirepass", "hunter2") as port:
        for user, reason in (("", "denied"), (":hunter2@", None)):
            connection = Connection(f"redis://{user}127.0.0.1:{port}/0")
            with observed(connection, "lab") as observer:
                if reason is None:
                    assert lengths(seen(observer)) == {"lab": 0}
                    continue
                with pytest.raises(Unseen) as unseen:
                    observer.look()
                assert (unseen.value.reason, unseen.value.name) == (reason, f"127.0.0.1:{port}/0")
    with observed(connection, "lab") as observer, pytest.raises(Unseen) as unseen:
        observer.look()
    assert unseen.value.reason == "unreachable"


@needs_redis
def test_the_app_says_which_queues_there_are(redis: int) -> None:
    """`portless observe -A` with those of the app, and -Q with more of them."""
    connection = Connection(f"redis://127.0.0.1:{redis}/5")
    send(connection, "eu", {})
    send(connection, "more", {}, {})
    connection.close()
    sink = Sink()
    environ = {
        "LAB_DATABASE": "postgresql+psycopg2://h/nothing",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }
    command = [sys.executable, "-m", "telemetry", "observe", "-A", "tests.support.app"]
    process = subprocess.Popen(
        [*command, "-b", f"redis://127.0.0.1:{redis}/5", "-Q", "more"],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: len(sink.sums("celery.queue.length")) >= 3, seconds=60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        sink.close()
    found = {
        dict(key)["queue_name"]: value for key, value in sink.sums("celery.queue.length").items()
    }
    assert found == {"lab": 0, "eu": 1, "more": 2}
    assert sink.instances("celery.queue.length") == {f"broker/127.0.0.1:{redis}/5"}


def test_queues_of_amqp_are_asked_passively(rabbitmq: int) -> None:
    """The length, no age, and for a queue that nobody has declared a reason: it is not made."""
    connection = Connection(f"amqp://guest:guest@127.0.0.1:{rabbitmq}//")
    send(connection, "lab", {}, {})
    with observed(connection, "absent", "lab") as observer:
        for _ in range(2):  # a channel that asked for what is not there is closed by the broker
            look = seen(observer)
            assert (lengths(look), ages(look)) == ({"lab": 2}, {})
            assert look.blind == {"missing"}
    connection.close()


def test_an_amqp_broker_that_is_gone_or_closed_is_a_reason(rabbitmq: int) -> None:
    """A wrong password is denied, and where nobody listens is unreachable."""
    for url, reason in (
        (f"amqp://guest:hunter2@127.0.0.1:{rabbitmq}//", "denied"),
        ("amqp://guest:guest@127.0.0.1:1//", "unreachable"),
    ):
        with observed(Connection(url), "lab") as observer, pytest.raises(Unseen) as unseen:
            observer.look()
        assert unseen.value.reason == reason
