"""What `instrument` does to a process, seen from outside: each test is a process of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.script import run
from tests.support.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCER = """
import os, sys
from celery import Celery
from telemetry import instrument
app = Celery("p", broker="memory://")
instrument(app)
instrument(app)
app.conf.task_default_queue = "lab"
def publish(times):
    for _ in range(times):
        app.send_task("a.task")
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A collector."""
    made = Sink()
    yield made
    made.close()


def test_importing_it_is_light() -> None:
    """No Celery, no SDK, no server and no thread before `instrument` is called."""
    run(
        "import sys, threading, telemetry\n"
        "heavy = {'celery', 'opentelemetry', 'requests', 'http.server', 'socketserver',"
        " 'asyncio', 'wsgiref'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert threading.active_count() == 1\n"
    )


def test_nothing_of_a_server_is_imported_with_it() -> None:
    """Not even when everything is running: workers cannot listen by mistake."""
    run(
        PRODUCER + "publish(1)\n"
        "servers = {'http.server', 'socketserver', 'wsgiref', 'xmlrpc.server', 'uvicorn',"
        " 'prometheus_client', 'collector'}\n"
        "assert not servers & set(sys.modules), servers & set(sys.modules)\n",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )


def test_disabled_is_nothing_at_all(sink: Sink) -> None:
    """No SDK, no thread, no signal of Celery's, no header, no boot step, no request."""
    run(
        PRODUCER + "import threading\n"
        "from celery import signals\n"
        "publish(1)\n"
        "assert 'opentelemetry.sdk' not in sys.modules\n"
        "assert not signals.before_task_publish.receivers\n"
        "assert not app.steps['worker'] and not app.steps['consumer']\n"
        "assert threading.active_count() == 1\n"
        "with app.connection_for_read() as connection:\n"
        "    headers = connection.default_channel.basic_get('lab').headers\n"
        "assert not [key for key in headers if 'portless' in key]\n",
        OTEL_SDK_DISABLED="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert sink.requests == 0


def test_a_guard_that_was_asked_for_by_mistake_stops_the_start() -> None:
    """A typing error in PORTLESS_GUARD must not leave the door open, with telemetry or without."""
    for disabled in ("true", "false"):
        run(
            "import telemetry\n"
            "from telemetry.settings import SettingsError\n"
            "from celery import Celery\n"
            "try:\n"
            "    telemetry.instrument(Celery('p'))\n"
            "except SettingsError as error:\n"
            "    assert 'refuse, warn and off are possible' in str(error)\n"
            "else:\n"
            "    raise AssertionError\n",
            PORTLESS_GUARD="refused",
            OTEL_SDK_DISABLED=disabled,
        )


def test_the_guard_leaves_with_the_worker(sink: Sink) -> None:
    """While a worker runs in the process of a test nobody binds; afterwards the test may."""
    run(
        WORKER + "import socket\n"
        "@app.task\n"
        "def bind():\n"
        "    socket.socket().bind(('0.0.0.0', 0))\n"
        "with start_worker(app, pool='solo', perform_ping_check=False, loglevel='critical'):\n"
        "    try:\n"
        "        bind.delay().get(timeout=30)\n"
        "    except PermissionError:\n"
        "        pass\n"
        "    else:\n"
        "        raise AssertionError\n"
        "with socket.socket() as server:\n"
        "    server.bind(('0.0.0.0', 0))\n",
        PORTLESS_GUARD="refuse",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )


def test_a_producer_says_at_its_exit_what_it_sent(sink: Sink) -> None:
    """Though it lives much shorter than an interval; `instrument` twice counts once."""
    run(PRODUCER + "publish(3)", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert sink.sum("celery.task.sent", task_name="a.task", queue_name="lab") == 3
    (instance,) = sink.instances("celery.task.sent")
    assert "/producer-" in instance


def test_a_process_that_publishes_nothing_sends_nothing(sink: Sink) -> None:
    """A shell or a migration with the app imported is no producer."""
    run(PRODUCER, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert sink.requests == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_forked_producers_count_their_own(sink: Sink) -> None:
    """As a web server does it: the parent has published, children publish on, none counts twice."""
    run(
        PRODUCER + "publish(5)\n"
        "children = []\n"
        "for times in (1, 2):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        publish(times)\n"
        "        sys.exit()\n"
        "    children.append(pid)\n"
        "for pid in children:\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_METRIC_EXPORT_INTERVAL="50",
    )
    by_instance: dict[str, float] = {}
    for point in sink.points:
        if point.name == "celery.task.sent":
            by_instance[point.instance] = point.value
    assert sorted(by_instance.values()) == [1, 2, 5]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_fork_in_the_middle_of_everything_leaves_nothing_locked(sink: Sink) -> None:
    """The child of a process whose threads hold every lock of ours counts, sends and ends."""
    run(
        PRODUCER + "from telemetry import install\n"
        "publish(1)\n"
        "this = install._this\n"
        "held = [this._lock, this._reporter._turns._turn]\n"
        "for lock in held:\n"
        "    lock.acquire()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    publish(2)\n"
        "    sys.exit()\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "for lock in held:\n"
        "    lock.release()\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert sorted(point.value for point in sink.points if point.name == "celery.task.sent") == [
        1,
        2,
    ]


def test_a_producer_ends_though_nobody_answers() -> None:
    """Its exit is not held up for long, and one line says why nothing was seen."""
    done = run(PRODUCER + "publish(3)", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.stderr.count("does not take metrics") == 1
    assert "Traceback" not in done.stderr


def test_a_contradiction_stops_the_start() -> None:
    """With the variable's name, where the app is made."""
    run(
        "import telemetry\n"
        "from telemetry.settings import SettingsError\n"
        "from celery import Celery\n"
        "try:\n"
        "    telemetry.instrument(Celery('p'))\n"
        "except SettingsError as error:\n"
        "    assert 'OTEL_METRICS_EXPORTER' in str(error)\n"
        "else:\n"
        "    raise AssertionError\n",
        OTEL_METRICS_EXPORTER="prometheus",
    )


WORKER = """
import os, time
from celery import Celery
from celery.contrib.testing.worker import start_worker
from opentelemetry import metrics
from telemetry import instrument
app = Celery("w", broker="memory://", backend="cache+memory://")
instrument(app)
orders = metrics.get_meter("shop").create_counter("shop.orders")
@app.task
def buy():
    orders.add(1)
    metrics.get_meter_provider().force_flush()
def work():
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="warning"):
        for result in [buy.delay() for _ in range(4)]:
            result.get(timeout=30)
"""


def test_a_worker_inside_of_a_test_counts_too_and_again(sink: Sink) -> None:
    """Users' tests start workers in their own process, one after the other."""
    run(WORKER + "work()\nwork()\n", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
    assert sink.sum("celery.task.success") == 8
    assert sink.sum("celery.task.sent") == 8
    assert sink.sum("shop.orders") == 8
    assert set(sink.sums("celery.worker.up").values()) == {0}


def test_a_provider_of_the_application_s_is_left_alone(sink: Sink) -> None:
    """It keeps its instruments; tasks are counted all the same."""
    run(
        "from opentelemetry import metrics\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader\n"
        "reader = InMemoryMetricReader()\n"
        "metrics.set_meter_provider(MeterProvider([reader]))\n" + WORKER + "work()\n"
        "(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics\n"
        "assert scope.metrics[0].data.data_points[0].value == 4\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert sink.sum("celery.task.success") == 4
    assert sink.sums("shop.orders") == {}


@pytest.mark.parametrize(("exit_code", "stop_seconds"), [(-241, 3600), (0x9B, 0.1)])
def test_a_pool_process_s_end_is_not_held_up(exit_code: int, stop_seconds: float) -> None:
    """Its last export begins; one that is terminated waits for nobody, a recycled one a moment.

    A hard time limit kills 0.1 s after it asked; whoever is then about to write the process's end
    takes the pool's result pipe with it, and the pool never gets another result.
    """
    run(
        "import os, socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = f'http://127.0.0.1:{server.getsockname()[1]}'\n"
        "os.environ['OTEL_EXPORTER_OTLP_TIMEOUT'] = '300'\n"
        + PRODUCER
        + "from celery import signals\n"
        "from opentelemetry import metrics\n"
        "import telemetry.reporter\n"
        f"telemetry.reporter.STOP_SECONDS = {stop_seconds}\n"
        "signals.worker_process_init.send(sender='one@lab')\n"
        "metrics.get_meter('shop').create_counter('shop.orders').add(3)\n"
        f"signals.worker_process_shutdown.send(sender=None, pid=1, exitcode={exit_code})\n"
        "client, _ = server.accept()\n"
        "assert client.recv(4) == b'POST', 'nobody has answered, and yet it went on'\n"
        "os._exit(0)\n"
    )
