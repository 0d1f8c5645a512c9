"""Real workers under `portless guard run`: the closed one passes, the one that listens does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from click.testing import CliRunner

from telemetry.cli import main
from telemetry.guard.cli import LISTENED, NOT_SEEN
from tests.support.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 60.0
GUARD = (sys.executable, "-m", "telemetry", "guard", "run")
WORKER = (sys.executable, "-m", "celery", "-A", "tests.support.shop.app", "worker")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are not passed on there")


class Guarded:
    """A command under watch, and what it and the guard have printed so far."""

    def __init__(self, log: Path, *command: str, **environ: str) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*GUARD, *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """Everything, the command's and the guard's."""
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        """Until it was printed."""
        self.wait_until(lambda: text in self.output)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Until `done()`; fails with the output if the command ends before."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Signal the guard; returns its exit code."""
        self.process.send_signal(how)
        return self.process.wait(WAIT_SECONDS)

    def kill(self) -> None:
        """End it and what it runs, whatever they do."""
        if self.process.poll() is None:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.kill()
            self.process.kill()
            self.process.wait()


@contextmanager
def guarded(directory: Path, *command: str, **environ: str) -> Iterator[Guarded]:
    """A command under watch that ends with the block."""
    running = Guarded(directory / "log", *command, **environ)
    try:
        yield running
    finally:
        running.kill()


def free_port() -> int:
    """One that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_worker_that_listens_on_nothing_passes(tmp_path: Path, pool: str) -> None:
    """SIGTERM goes through to the worker, which ends warm; its exit code is the guard's."""
    with guarded(tmp_path, "--", *WORKER, "-P", pool, "-c", "2", "-l", "INFO") as worker:
        worker.wait_for(" ready.")
        assert worker.stop() == 0, worker.output
        assert "Warm shutdown" in worker.output
        assert "nothing listened in any of" in worker.output


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_worker_that_listens_is_caught(tmp_path: Path, pool: str) -> None:
    """A thread of it that serves HTTP on every address: process and address at once, then 99."""
    port = free_port()
    with guarded(
        tmp_path, "--", *WORKER, "-P", pool, "-c", "2", "-l", "INFO", SHOP_PORT=str(port)
    ) as worker:
        worker.wait_for(f"listens on TCP 0.0.0.0:{port}")
        (command,) = psutil.Process(worker.process.pid).children()
        assert f"[{command.pid}] listens on" in worker.output
        result = CliRunner().invoke(main, ["guard", "sockets", str(command.pid)])
        assert result.exit_code == 1
        assert f"TCP 0.0.0.0:{port}" in result.output
        assert worker.stop() == LISTENED
        assert worker.output.count(f"TCP 0.0.0.0:{port}") == 1


BINDS = """
import socket
from celery import Celery, signals
from telemetry import instrument
app = Celery("binds", broker="memory://")
instrument(app)
@app.task
def bind():
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
@signals.worker_ready.connect
def _publish(**_):
    bind.delay()
app.worker_main(["worker", "-c", "1", "-n", "one@lab", "-l", "INFO"])
"""


@pytest.mark.parametrize("mode", ["refuse", ""])
def test_a_task_that_binds_is_told_of_or_refused(tmp_path: Path, mode: str) -> None:
    """In a pool process, as PORTLESS_GUARD says; unasked the task goes on and a line tells."""
    sink = Sink()
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    command = (sys.executable, "-c", BINDS)
    try:
        with guarded(tmp_path, "--", *command, **environ, PORTLESS_GUARD=mode) as worker:
            worker.wait_until(lambda: sink.sum("celery.worker.binds") == 1)
            ended = "failed" if mode else "success"
            worker.wait_until(lambda: sink.sum(f"celery.task.{ended}") == 1)
            assert worker.stop() == 0, worker.output
    finally:
        sink.close()
    reason = "refused" if mode else "warned"
    assert sink.sum("celery.worker.binds", reason=reason) == 1
    if mode:
        assert sink.sum("celery.task.failed", exception="BindRefusedError") == 1
    assert f"{'refused to bind' if mode else 'bound'} a socket to ('0.0.0.0', 0)" in worker.output


@pytest.mark.parametrize("disabled", ["true", "false"])
def test_the_tripwire_keeps_a_worker_closed(tmp_path: Path, disabled: str) -> None:
    """An application that would serve stays shut and goes on, also without any telemetry."""
    code = (
        "from tests.support.shop.app import app\n"
        "from telemetry import instrument\n"
        "instrument(app)\n"
        "app.worker_main(['worker', '-P', 'solo', '-l', 'INFO'])\n"
    )
    environ = {"PORTLESS_GUARD": "refuse", "OTEL_SDK_DISABLED": disabled}
    environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    command = (sys.executable, "-c", code)
    port = str(free_port())
    with guarded(tmp_path, "--", *command, SHOP_PORT=port, **environ) as worker:
        worker.wait_for(" ready.")
        worker.wait_for("refused to bind")
        assert worker.stop() == 0
        assert "nothing listened in any of" in worker.output


def test_one_signal_arrives_once(tmp_path: Path) -> None:
    """A second SIGINT would be a cold shutdown, so the first must not arrive twice."""
    with guarded(tmp_path, "--", *WORKER, "-P", "solo", "-l", "INFO") as worker:
        worker.wait_for(" ready.")
        worker.stop(signal.SIGINT)
        assert "Warm shutdown" in worker.output
        assert "Cold shutdown" not in worker.output


def test_it_ends_by_itself_where_it_is_told_to(tmp_path: Path) -> None:
    """With --seconds a pipeline needs nobody to stop the worker."""
    with guarded(tmp_path, "--seconds", "0.5", "--", "sleep", "600") as command:
        assert command.process.wait(WAIT_SECONDS) == 128 + signal.SIGTERM
        assert "nothing listened" in command.output


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    """A pipeline does not wait for ever for a worker that ignores SIGTERM."""
    deaf = ("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    with guarded(tmp_path, "--seconds", "0.5", "--grace", "0.5", "--", *deaf) as command:
        assert command.process.wait(WAIT_SECONDS) == 128 + signal.SIGKILL
        assert "sh did not end within 0.5 s of SIGTERM and was killed" in command.output


@pytest.mark.parametrize(
    ("command", "code"),
    [(("true",), 0), (("sh", "-c", "exit 3"), 3), (("sh", "-c", "kill -9 $$"), 137)],
)
def test_the_exit_code_is_the_commands(tmp_path: Path, command: tuple[str, ...], code: int) -> None:
    """And 128 with the signal's number, as a shell has it."""
    with guarded(tmp_path, "--", *command) as running:
        assert running.process.wait(WAIT_SECONDS) == code


def test_a_command_that_is_none_is_127(tmp_path: Path) -> None:
    """As a shell has it, with one clear line."""
    with guarded(tmp_path, "--", "portless-nonesuch") as running:
        assert running.process.wait(WAIT_SECONDS) == 127
        assert "portless-nonesuch cannot be started: No such file" in running.output


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hides descriptors so")
def test_a_process_of_another_user_is_not_called_silent() -> None:
    """Where the guard may not look, success is not claimed: 98."""
    look = (
        "import os, psutil, telemetry.guard.run\n"
        "from telemetry.cli import main\n"
        "os.seteuid(65534)\n"  # the command is still root's
        "main(['guard', 'run', '--', 'sleep', '2'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == NOT_SEEN, done.stderr
    assert "belongs to somebody else" in done.stderr
