"""`opentelemetry-instrument celery -A app worker` for applications that know nothing of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from packaging.version import Version

from tests.support.traced import SECRET
from tests.support.worker import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sink import Sink

BIN = Path(sys.executable).parent
INSTRUMENT = str(BIN / "opentelemetry-instrument")
CELERY = (INSTRUMENT, str(BIN / "celery"))
WITHOUT_DISTRO = {"OTEL_PYTHON_DISTRO": "none", "OTEL_PYTHON_CONFIGURATOR": "none"}
"""As where opentelemetry-distro is not installed: nobody makes any provider."""
PATIENCE_SECONDS = 60.0


@pytest.fixture
def environ(sink: Sink) -> dict[str, str]:
    """The variables of a user who wants metrics, and spans where they are mentioned."""
    return {
        "TRACED_INSTRUMENT": "no",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }


@pytest.fixture
def start(tmp_path: Path, environ: dict[str, str]) -> Iterator[Callable[..., Command]]:
    """Run commands that end with the test."""
    running: list[Command] = []

    def run(*command: str, **more: str) -> Command:
        log = tmp_path / f"log-{len(running)}"
        running.append(Command(command, log, {**environ, **more}))
        return running[-1]

    yield run
    for command in running:
        command.kill()


def until(done: Callable[[], bool], log: Path) -> None:
    """Wait for it; fails with the log if it never happens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
        time.sleep(0.05)


@pytest.mark.parametrize("distro", [True, False], ids=["distro", "no distro"])
def test_one_command_is_enough(sink: Sink, start: Callable[..., Command], distro: bool) -> None:
    """Tasks of every kind, the user's metrics, spans by contrib without secrets; each once.

    With opentelemetry-distro there are providers, made before the pool is forked.
    """
    more = {} if distro else WITHOUT_DISTRO
    options = ("-A", "tests.support.traced", "worker", "-n", "one@lab", "-c", "1", "-l", "INFO")
    worker = start(*CELERY, *options, OTEL_TRACES_EXPORTER="otlp", **more)
    worker.wait_for(lambda: sink.sum("celery.task.success") >= 1)
    worker.wait_for(lambda: sink.sum("traced.orders") >= 1)
    assert worker.stop() == 0
    log = worker.log.read_text()
    assert sink.sum("celery.task.failed", exception="ValueError") == 1, log
    assert sink.sum("celery.task.retried") == 1, log
    assert sink.by_instance("traced.orders") == {"one@lab/0": 1}
    assert sink.sums("flower.task.runtime.seconds") == {}
    assert sink.sums("celery.telemetry.hook.errors") == {}
    names = [span.name for span in sink.spans]
    assert names.count("run/tests.support.traced.boom") == 1, log
    assert names.count("run/tests.support.traced.shared") == 1
    assert "inside" in names
    assert not any(SECRET.encode() in body for body in sink.trace_bodies)


def test_a_producer_that_knows_tasks_by_name_counts_from_the_first_message(
    sink: Sink, start: Callable[..., Command]
) -> None:
    """Its app need not be finalized by then; the first message is stamped as all are."""
    code = (
        "from celery import Celery, signals\n"
        "from telemetry.tasks.publish import HEADER\n"
        "app = Celery('p', broker='memory://')\n"
        "app.conf.task_default_queue = 'lab'\n"
        "stamped = []\n"
        "@signals.after_task_publish.connect\n"
        "def see(headers=None, **_):\n"
        "    stamped.append(HEADER in headers)\n"
        "app.send_task('a.task')\n"
        "app.send_task('a.task')\n"
        "assert stamped == [True, True], stamped\n"
    )
    producer = start(INSTRUMENT, sys.executable, "-c", code, **WITHOUT_DISTRO)
    assert producer.process.wait(PATIENCE_SECONDS) == 0, producer.log.read_text()
    assert sink.sum("celery.task.sent", task_name="a.task", queue_name="lab") == 2


def test_beat(sink: Sink, start: Callable[..., Command], tmp_path: Path) -> None:
    """On its own, from its first entry on."""
    options = ("-A", "tests.support.periodic", "beat", "-s", str(tmp_path / "schedule"))
    beat = start(*CELERY, *options, PERIODIC_INSTRUMENT="no", **WITHOUT_DISTRO)
    beat.wait_for(lambda: sink.sum("celery.task.sent") >= 3)
    assert beat.stop() == 0, beat.log.read_text()
    (instance,) = sink.instances("celery.beat.last_sent.timestamp")
    assert instance.endswith("/beat")
    assert sink.instances("celery.task.sent") == {instance}


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_green_pools(sink: Sink, start: Callable[..., Command], pool: str) -> None:
    """Which replace threads and locks after opentelemetry-instrument has done its part."""
    options = ("-A", "tests.support.traced", "worker", "-P", pool, "-n", "one@lab")
    worker = start(*CELERY, *options, OTEL_TRACES_EXPORTER="otlp", **WITHOUT_DISTRO)
    worker.wait_for(lambda: sink.sum("celery.task.success") >= 2)
    assert worker.stop() == 0, worker.log.read_text()
    assert sink.by_instance("traced.orders") == {"one@lab": 1}
    assert [span.name for span in sink.spans].count("run/tests.support.traced.shared") == 1


def test_django(sink: Sink, start: Callable[..., Command]) -> None:
    """A project as Celery's documentation has it: autodiscovered shared tasks, its settings."""
    worker = start(*CELERY, "-A", "tests.support.website", "worker", "-n", "one@lab", "-c", "2")
    worker.wait_for(lambda: sink.sum("celery.task.success") >= 3)
    worker.wait_for(lambda: sink.sum("website.orders") >= 3)
    assert worker.stop() == 0
    task = "tests.support.website.orders.tasks.order"
    assert sink.sum("celery.task.success", task_name=task, queue_name="lab") == 3
    assert sink.sum("celery.task.sent", task_name=task, queue_name="lab") == 3
    assert sink.sum("website.orders") == 3


@pytest.mark.skipif(os.name == "nt", reason="there are no daemons there")
@pytest.mark.skipif(
    Version(version("opentelemetry-instrumentation")) < Version("0.63b0"),
    reason="before 0.63b0 opentelemetry-instrument hides from what a program starts: docs say so",
)
@pytest.mark.parametrize("how", ["multi", "detach"])
def test_daemons(sink: Sink, start: Callable[..., Command], tmp_path: Path, how: str) -> None:
    """A worker that `celery multi` or `--detach` put into the background is watched as well."""
    pidfile, logfile = tmp_path / "pid", tmp_path / "worker.log"
    files = [f"--pidfile={pidfile}", f"--logfile={logfile}", "-c", "1", "-l", "INFO"]
    app = ["-A", "tests.support.traced"]
    if how == "multi":
        command = ["multi", "start", "one@lab", *app, *files]
    else:
        command = [*app, "worker", "-n", "one@lab", "--detach", *files]
    started = start(*CELERY, *command, C_FORCE_ROOT="1")
    assert started.process.wait(PATIENCE_SECONDS) == 0, started.log.read_text()
    try:
        until(lambda: sink.sum("celery.task.success") >= 1, logfile)
        until(lambda: sink.sum("traced.orders") >= 1, logfile)
        worker = psutil.Process(int(pidfile.read_text()))
        worker.send_signal(signal.SIGTERM)
        psutil.wait_procs([worker], PATIENCE_SECONDS)
    finally:
        with suppress(FileNotFoundError, psutil.NoSuchProcess, ValueError):
            left = psutil.Process(int(pidfile.read_text()))
            for process in [*left.children(recursive=True), left]:
                process.kill()
    assert sink.sum("celery.task.failed", exception="ValueError") == 1
    assert set(sink.sums("celery.worker.up").values()) == {0}
    assert sink.instances("celery.worker.up") == {"one@lab"}
    assert sink.by_instance("traced.orders") == {"one@lab/0": 1}


def test_what_cannot_be_done_stops_no_worker(sink: Sink, start: Callable[..., Command]) -> None:
    """It was not asked for in the program: the log says why there is no telemetry, once an app."""
    options = ("-A", "tests.support.traced", "worker", "-P", "solo", "-l", "INFO")
    worker = start(*CELERY, *options, PORTLESS_GUARD="everything", **WITHOUT_DISTRO)
    worker.wait_for(lambda: "shared" in worker.log.read_text().partition(" ready.")[2])
    assert worker.stop() == 0
    assert "no telemetry of Celery: PORTLESS_GUARD is 'everything'" in worker.log.read_text()
    assert sink.sums("celery.task.received") == {}


def test_it_can_be_left_out(sink: Sink, start: Callable[..., Command]) -> None:
    """By OpenTelemetry's own variable, under its own name."""
    options = ("-A", "tests.support.traced", "worker", "-P", "solo", "-l", "INFO")
    left_out = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "portless"}
    worker = start(*CELERY, *options, **left_out, **WITHOUT_DISTRO)
    worker.wait_for(lambda: "shared" in worker.log.read_text().partition(" ready.")[2])
    assert worker.stop() == 0
    assert sink.requests == 0
