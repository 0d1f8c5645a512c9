"""What waits in the broker is told by one of many, and goes on being told when that one is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from kombu import Connection
from opentelemetry.sdk.resources import Resource
from sqlalchemy.engine import make_url

from telemetry.broker.brokers import broker
from telemetry.broker.observer import Observer
from telemetry.cli import main
from telemetry.settings import Settings
from tests.support.collector import Collector
from tests.support.looks import blind, last
from tests.support.waiting import eventually
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from tests.support.sink import Sink
    from tests.system.conftest import Lab

OBSERVERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'portless observe'"
LOCKS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
ELECTED = "this process observes the broker's queues"


def observers(sink: Sink) -> set[str]:
    """Under which names queues were reported."""
    return sink.instances("celery.queue.length")


@pytest.mark.parametrize("pool", ["prefork", "gevent", "eventlet"])
def test_a_worker_tells_what_waits(lab: Lab, pool: str) -> None:
    """Length and age of what no worker takes, under the broker's name, in every kind of pool.

    The connection is the worker's only one with that name, its processes have none, and a pool
    process that is recycled does not end it.
    """
    options = ("--max-tasks-per-child=1",) if pool == "prefork" else ()
    worker = lab.worker(pool, *options)
    lab.publish(["ok", 3, {"queue": "nobody"}], ["ok", 1, {"queue": "later", "countdown": 3600}])
    worker.wait_for(lambda: last(lab.sink, "celery.queue.length", queue_name="nobody") == 3)
    worker.wait_for(lambda: last(lab.sink, "celery.queue.oldest_age", queue_name="nobody") > 1)
    assert last(lab.sink, "celery.queue.oldest_age", queue_name="later") == 0
    before = lab.execute(OBSERVERS)
    lab.publish(["ok", 6])
    worker.wait_for(lambda: lab.finished() >= 6)
    worker.wait_for(lambda: last(lab.sink, "celery.queue.length", queue_name="lab") == 0)
    assert lab.execute(OBSERVERS) == before == lab.execute(LOCKS)
    assert len(observers(lab.sink)) == 1
    assert worker.stop() == 0
    assert lab.execute(OBSERVERS) == []
    assert "telemetry failed" not in worker.log.read_text()


def test_one_of_many_observes_and_nothing_is_doubled_when_it_is_killed(
    lab: Lab, tmp_path: Path
) -> None:
    """Two workers on two hosts, one observer, killed with -9: one series goes on, with the truth.

    Behind the collector the length is there once at every scrape, and 3 or 5 as messages were sent;
    a name that differs from host to host would show 6 or 8 for as long as the old one is kept.
    """
    collector = Collector(tmp_path)
    try:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        workers = {
            name: lab.worker(
                "threads",
                name=name,
                OTEL_RESOURCE_ATTRIBUTES=f"host.name={name},service.version={name}",
                **environ,
            )
            for name in ("one", "two")
        }
        lab.publish(["ok", 3, {"queue": "nobody"}], **environ)
        lengths = []

        def reads(value: float) -> bool:
            found = collector.page().samples("celery_queue_length", queue_name="nobody")
            lengths.append([sample.value for sample in found])
            return lengths[-1] == [value]

        eventually(lambda: reads(3))
        [elected] = [name for name, worker in workers.items() if ELECTED in worker.log.read_text()]
        [[before]] = lab.execute(OBSERVERS)
        workers.pop(elected).kill()
        lab.publish(["ok", 2, {"queue": "nobody"}], **environ)
        [left] = workers.values()
        eventually(lambda: reads(5))
        assert ELECTED in left.log.read_text()
        assert {tuple(found) for found in lengths} <= {(), (3.0,), (4.0,), (5.0,)}
        [[after]] = lab.execute(OBSERVERS)
        assert after != before
        [sample] = collector.page().samples("celery_queue_length", queue_name="nobody")
        assert sample.labels["instance"].startswith(f"broker/{lab.database.split('/')[3][:3]}")
        assert left.stop() == 0
    finally:
        collector.kill()


def test_a_worker_that_may_not_observe_does_not(lab: Lab) -> None:
    """PORTLESS_OBSERVE=false: no connection, no reading, and all else as ever."""
    worker = lab.worker("threads", PORTLESS_OBSERVE="false")
    lab.publish(["ok", 2])
    worker.wait_for(lambda: lab.finished() >= 2)
    seen = lab.sink.requests
    worker.wait_for(lambda: lab.sink.requests >= seen + 4)
    assert lab.execute(OBSERVERS) == []
    assert observers(lab.sink) == set()
    assert worker.stop() == 0


def test_messages_that_are_none_hurt_nobody(lab: Lab) -> None:
    """Not JSON, from a clock of next year, of no kombu's making: reasons, lengths, and no error."""
    worker = lab.worker("prefork")
    lab.publish(["ok", 1, {"queue": "odd"}], ["ok", 1, {"queue": "ahead"}], ["ok", 1])
    lab.execute(
        """UPDATE kombu_message SET payload = CASE name WHEN 'odd' THEN 'not JSON' ELSE
           '{"headers": {"portless_enqueued_at": 32503680000.0}}' END
           FROM kombu_queue WHERE queue_id = kombu_queue.id AND name <> 'lab'"""
    )

    worker.wait_for(lambda: blind(lab.sink) == {"undecodable", "clock_skew"})
    for queue in ("odd", "ahead"):
        assert last(lab.sink, "celery.queue.length", queue_name=queue) == 1
    lab.execute("DELETE FROM kombu_message WHERE payload NOT LIKE '%content-type%'")
    worker.wait_for(lambda: blind(lab.sink) == set())
    worker.wait_for(lambda: lab.finished() >= 1)
    assert lab.sink.sum("celery.telemetry.hook.errors") == 0
    assert worker.stop() == 0
    assert "Traceback" not in worker.log.read_text()


def test_who_cannot_look_says_so_under_its_own_name(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to the database is not there, is there, and is gone: a reason, none, and again one.

    The broker's own numbers are only those of who looks: nobody speaks for it meanwhile.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", lab.sink.endpoint)
    lab.publish(["ok", 1])
    way = tmp_path / "way"
    url = make_url(lab.database)
    there = Path(str(url.query["host"]))
    seen = broker(Connection(f"sqla+{url.set(query={'host': str(way)})}"), tuple, 0.1)
    own = Resource({"service.name": "celery", "service.instance.id": "me"})
    observer = Observer(seen, Settings(interval_seconds=0.1), {}, own)

    def told(instance: str) -> float | None:
        reason = frozenset({("reason", "unreachable")})
        found = [point for point in lab.sink.points if point.attributes == reason]
        values = [point.value for point in found if point.instance.startswith(instance)]
        return values[-1] if values else None

    observer.start()
    eventually(lambda: told("me") == 1)
    assert told("broker/") is None
    way.symlink_to(there)
    eventually(lambda: told("me") == 0)
    eventually(lambda: told("broker/") == 0)
    assert last(lab.sink, "celery.queue.length", queue_name="lab") == 1
    way.unlink()
    lab.execute(OBSERVERS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))
    eventually(lambda: told("me") == 1)
    assert told("broker/") == 0
    assert observer.stop()


WAITS = """
import sys
if sys.argv[1] == "gevent":
    from gevent import monkey, sleep, spawn
    monkey.patch_all()
    wait = lambda thread: thread.get()
else:
    import eventlet
    eventlet.monkey_patch()
    from eventlet import sleep, spawn
    wait = lambda thread: thread.wait()
import psycopg2
from kombu import Connection
from telemetry.broker import aside, brokers
seen = brokers.broker(Connection("sqla+" + sys.argv[2]), tuple, 1.0)
run = aside.runner(sys.argv[1])
assert run(seen.look).blind == frozenset()
holder, other = (psycopg2.connect(sys.argv[3]) for _ in range(2))
holder.cursor().execute("LOCK TABLE kombu_message")
other.autocommit = True
asking = other.cursor()
looking = spawn(run, seen.look)
for _ in range(1000):
    sleep(0.01)
    asking.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                   " AND datname = current_database()")
    if asking.fetchone():
        break
holder.rollback()
look = wait(looking)
assert look.blind == frozenset(), look
run(seen.close)
print("waited beside the tasks")
"""


@pytest.mark.parametrize("green", ["gevent", "eventlet"])
def test_a_database_that_hangs_stops_no_greenlet(lab: Lab, green: str) -> None:
    """While a look waits for a lock, the greenlet that gives the lock away has its turn.

    Were the look made in the hub's own thread, it would wait until its limit and see nothing.
    """
    lab.publish(["ok", 1])
    url = make_url(lab.database)
    libpq = f"host={url.query['host']} user=postgres dbname={url.database}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WAITS, green, lab.database, libpq],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "waited beside the tasks\n", done.stderr


def test_observing_can_be_done_by_a_process_of_its_own(lab: Lab) -> None:
    """`portless observe` pushes what workers would, says what it does, and no password."""
    lab.publish(["ok", 2])
    url = lab.database.replace("postgres:@", "postgres:hunter2@")
    process = subprocess.Popen(
        [sys.executable, "-m", "telemetry", "observe"],
        cwd=ROOT,
        env=os.environ | lab.environ | {"CELERY_BROKER_URL": f"sqla+{url}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(lambda: last(lab.sink, "celery.queue.length", queue_name="lab") == 2)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert output.startswith("observing lab-"), output
    assert "hunter2" not in output
    assert lab.execute(OBSERVERS) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say which broker: -A with the app, or -b with an address"),
        (("-b", "memory://"), "a broker of the kind 'memory' cannot be read"),
        (("-b", "sqla+postgresql://u:hunter2@h:port/d"), "the broker's address is none"),
        (("-A", "no.such.app"), "no app called 'no.such.app'"),
    ],
)
def test_what_cannot_be_observed_is_refused_at_once(arguments: tuple[str, ...], says: str) -> None:
    """With what to do, and without the address."""
    refused = CliRunner().invoke(main, ["observe", *arguments], env={"CELERY_BROKER_URL": None})
    assert refused.exit_code != 0
    assert says in refused.output
    assert "hunter2" not in refused.output
