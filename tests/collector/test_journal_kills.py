"""Killed at any moment and started again: all that was acknowledged is there, nothing fell.

`PORTLESS_KILLS` says how often it is killed; by default as often as some seconds allow.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

from tests.collector.journal_victim import serve
from tests.collector.otlp import DELTA, SECOND, START, Request
from tests.collector.pipeline import samples
from tests.collector.test_server_process import ANY_PORT, ROOT, jobs, running

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("PORTLESS_KILLS", "250"))
TENANTS = 5


class Worker:
    """What a worker counted, what was acknowledged, and its requests."""

    def __init__(self, tenant: int) -> None:
        self.keys = {"task_name": "a", "tenant_id": f"t{tenant}"}
        self.said = self.acknowledged = 0
        """Increments, so many of each kind."""

    def body(self) -> bytes:
        """The next request; the same again if the last was not acknowledged."""
        self.said = self.acknowledged + 1
        start, end = START + self.said * SECOND, START + (self.said + 1) * SECOND
        life = START + self.said // 40 * SECOND  # it restarts now and then
        own = self.said % 40 + 1
        request = Request().counter("cumulative", self.keys, own, start=life, time=end)
        request.counter("delta", self.keys, 0.1, start=start, time=end, temporality=DELTA)
        request.histogram("lies", self.keys, [1.0], [own, 0], own / 10, start=life, time=end)
        return request.bytes()

    @staticmethod
    def lives(said: int) -> int:
        """What the cumulative counter reads in truth, over all lives."""
        return sum(min(said, life * 40 + 39) % 40 + 1 for life in range(said // 40 + 1)) - (
            0 if said else 1
        )


def test_hundreds_of_kills_lose_nothing(tmp_path: Path) -> None:
    """An engine under load is killed at random; retried increments count once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.collector.journal_victim"])
    chance = random.Random(5)
    workers = [Worker(tenant) for tenant in range(TENANTS)]
    before: dict[tuple[str, str], float] = {}
    now = 0.0
    for _ in range(KILLS):
        pipe, theirs = context.Pipe()
        victim = context.Process(target=serve, args=(str(tmp_path), theirs, now))
        victim.start()
        theirs.close()
        page = pipe.recv()
        check(page, workers, before)
        killer = threading.Timer(chance.expovariate(1 / 0.02), victim.kill)
        killer.start()
        with suppress(EOFError, OSError):
            while True:
                worker = chance.choice(workers)
                now += chance.choice([0, 1, 100])
                pipe.send((worker.body(), now))
                pipe.recv()
                worker.acknowledged = worker.said
        killer.join()
        victim.join()
        pipe.close()
        assert victim.exitcode == -signal.SIGKILL
    assert sum(worker.acknowledged for worker in workers) > KILLS


def check(page: str, workers: list[Worker], before: dict[tuple[str, str], float]) -> None:
    """Each number lies between what was acknowledged and what was said, and did not fall."""
    found = samples(page)
    for key, value in before.items():
        assert found[key] >= value, key
    before.update({key: value for key, value in found.items() if "target" not in key[0]})
    if not found:
        assert not any(worker.acknowledged for worker in workers)
        return
    least = {"delta_total": 0.0, "cumulative_total": 0, "lies_count": 0}
    most = dict(least)
    for worker in workers:
        for bound, said in ((least, worker.acknowledged), (most, worker.said)):
            bound["delta_total"] += said / 10
            bound["cumulative_total"] += Worker.lives(said) if said else 0
            bound["lies_count"] += Worker.lives(said) if said else 0
    for name, value in least.items():
        shown = found.get((name, "a"), 0)
        assert value - 1e-9 * value <= shown <= most[name] + 1e-9 * most[name], name


def test_the_process_is_killed_under_load_and_goes_on(tmp_path: Path) -> None:
    """Over HTTP, with kill -9 and all ports closed: what was answered 200 is exposed."""
    acknowledged, attempted, shown = 0, 0, 0.0
    chance = random.Random(7)
    arguments = ("--state-dir", str(tmp_path / "state"), "--fsync", "always")
    for _ in range(4):
        (tmp_path / "ports.json").unlink(missing_ok=True)
        with running(tmp_path, None, *arguments) as one:
            found = one.exposed("jobs_total")
            assert max(acknowledged, shown) <= found <= attempted
            killer = threading.Timer(chance.uniform(0.05, 0.3), one.end, [signal.SIGKILL])
            killer.start()
            with suppress(OSError, HTTPException):
                while True:
                    attempted += 1
                    assert one.post(jobs(attempted)) == 200
                    acknowledged = attempted
                    shown = one.exposed("jobs_total")
            killer.join()
    assert acknowledged > 0


def test_a_second_process_is_told_whose_the_directory_is(tmp_path: Path) -> None:
    """It ends with 1 and one line, before it takes a port."""
    arguments = ("--state-dir", str(tmp_path / "state"))
    with running(tmp_path, None, *arguments):
        command = [sys.executable, "-m", "collector", "run", "--config", "otel-collector.yaml"]
        second = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, **ANY_PORT},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (second.returncode, second.stdout) == (1, "")
    (line,) = second.stderr.splitlines()
    assert "another collector uses this state directory" in line
