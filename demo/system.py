"""The whole system on one machine: PostgreSQL, the collector, four workers, a publisher.

In: a directory. Out: a `System` that runs for the length of a `with` block and is gone after it. It
starts and ends things in their order and waits for them; what they say it does not judge.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from demo.database import Database, postgres
from demo.processes import Child, Children, Ended, children
from demo.scrape import Page, fetch
from telemetry.health import probe
from telemetry.health.verdict import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "otel-collector.yaml"
MORTAL = "maintenance@demo"
"""The worker that is killed in the end, to go on with the counts that it had."""
START_SECONDS_MAX = 60.0
EXPORT_INTERVAL_SECONDS = 1.0
"""A fifth of the default: somebody is watching."""
CANARY_INTERVAL_SECONDS = 3
"""A minute would do; a demo is short."""


class Worker(NamedTuple):
    """How a worker is started."""

    node: str
    pool: str
    slots: int
    queue: str


WORKERS = (
    Worker("attribution@demo", "prefork", 2, "attribution"),
    Worker("housekeeping@demo", "solo", 1, "housekeeping"),
    Worker("llm@demo", "threads", 4, "llm"),
    # What kills processes has a worker to itself: a process that is killed takes along what the
    # shop's own counters got since its last export.
    Worker(MORTAL, "prefork", 2, "maintenance"),
)


class Interrupted(Exception):  # noqa: N818 - a wish
    """Whoever watches does not want to wait any longer."""


class System:
    """What runs, and the few things that can be done with it."""

    def __init__(
        self, database: Database, children: Children, interrupted: Callable[[], bool]
    ) -> None:
        self.database = database
        self.metrics_url = ""
        self.self_metrics_url = ""
        self.page_url = ""
        self.workers: list[Child] = []
        self._children = children
        self._interrupted = interrupted
        self._environ = _clean(os.environ) | database.environ
        self._collector: Child | None = None
        self._publisher: Child | None = None

    def start_collector(self, directory: Path) -> None:
        """Run the embedded collector with the repository's YAML on ports that are free."""
        ports = directory / "ports.json"
        command = ("collector", "run", "--config", str(CONFIG), "--ports-file", str(ports))
        command += ("--page", "127.0.0.1:0")
        names = ("OTLP_HTTP", "OTLP_GRPC", "PROMETHEUS", "HEALTH")
        free = {f"{name}_ENDPOINT": "127.0.0.1:0" for name in names} | {"SELF_METRICS_PORT": "0"}
        self._collector = self._start("collector", command, free)
        self.wait("it listens", ports.exists, self._collector)
        told = json.loads(ports.read_text())
        self.metrics_url = f"http://{told['prometheus']}/metrics"
        self.page_url = f"http://{told['page']}/"
        self.self_metrics_url = f"http://{told['self_metrics']}/metrics"
        self._environ |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{told['otlp_http']}",
            "OTEL_METRIC_EXPORT_INTERVAL": str(int(EXPORT_INTERVAL_SECONDS * 1000)),
            "PORTLESS_CANARY_INTERVAL": str(CANARY_INTERVAL_SECONDS),
            "PORTLESS_STATE_DIR": str(directory / "state"),
        }

    def start_workers(self, say: Callable[[str], None]) -> None:
        """Start all of them at once, and wait until the collector has heard from each."""
        self.workers += [self._start_worker(worker) for worker in WORKERS]
        for number, (worker, child) in enumerate(zip(WORKERS, self.workers), start=1):
            say(f"worker {number} of {len(WORKERS)}: {worker.node}, pool {worker.pool}")
            self.wait("it reports to the collector", partial(self._is_up, worker.node), child)

    def kill_worker(self, node: str) -> None:
        """SIGKILL a worker with its pool, and start it again; returns when it consumes."""
        (place,) = (at for at, worker in enumerate(WORKERS) if worker.node == node)
        self._children.kill(self.workers[place])
        child = self.workers[place] = self._start_worker(WORKERS[place])
        self.wait("it consumes again", lambda: " ready." in child.log.read_text(), child)

    def start_publishing(self) -> None:
        """Begin the traffic."""
        self._publisher = self._start("publisher", ("demo.traffic",))

    def stop_publishing(self) -> None:
        """End the traffic; what was sent is still under way."""
        if self._publisher is not None:
            self._children.stop([self._publisher])
            self._publisher = None

    def stop_workers(self) -> list[str]:
        """End them the warm way: each tells the collector its last numbers.

        Returns the names of those that would not end and were killed: a pool may wait for ever for
        a lock that one of its processes held when it was killed. What they left is sent in their
        name. Raises Ended if that fails.
        """
        late = [child.name for child in self._children.stop(self.workers)]
        if late:
            flush = self._start("flush", ("telemetry", "flush"))
            if not flush.ends_by(time.monotonic() + START_SECONDS_MAX):
                raise Ended("portless flush does not end", flush.log)
            self._children.kill(flush)
        return late

    def ready(self) -> int:
        """Count the workers that are ready, as `portless health ready` tells of each."""
        asked = (probe.ask(self._environ, "ready", worker.node, Limits()) for worker in WORKERS)
        return sum(verdict.ok for verdict in asked)

    def check(self) -> None:
        """Raise Ended if a part of the system is gone, Interrupted if nobody wants it."""
        if self._interrupted():
            raise Interrupted
        self._children.check()
        if not self.database.runs():
            raise Ended("PostgreSQL has ended", self.database.log)

    def wait(self, what: str, condition: Callable[[], bool], child: Child) -> None:
        """Wait until a condition about a child is true.

        Raises Ended if that takes too long, and what `check` raises.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                late = f"{child.name}: after {START_SECONDS_MAX:.0f} s it is not true that {what}"
                raise Ended(late, child.log)
            time.sleep(0.1)

    def scrape(self) -> Page:
        """Read /metrics."""
        return self._fetch(self.metrics_url)

    def scrape_self(self) -> Page:
        """Read what the collector says about itself."""
        return self._fetch(self.self_metrics_url)

    def _fetch(self, url: str) -> Page:
        """Scrape. Raises Ended if the collector has, or does not answer."""
        assert self._collector is not None  # it is started first, and told the URL
        try:
            return fetch(url)
        except OSError as error:
            time.sleep(0.5)  # whose end that was shows now
            self.check()
            raise Ended(f"the collector does not answer: {error}", self._collector.log) from error

    def _is_up(self, node: str) -> bool:
        return self.scrape().sum("celery_worker_up", hostname=node) == 1

    def _start_worker(self, worker: Worker) -> Child:
        pool = ("-P", worker.pool, "-c", str(worker.slots), "-Q", worker.queue)
        command = ("celery", "-A", "demo.app", "worker", "-n", worker.node, "-l", "INFO", *pool)
        return self._start(worker.node.replace("@", "-"), command)

    def _start(
        self, name: str, module: tuple[str, ...], environ: dict[str, str] | None = None
    ) -> Child:
        command = (sys.executable, "-m", *module)
        return self._children.start(name, command, self._environ | (environ or {}))


@contextmanager
def running(
    directory: Path, say: Callable[[str], None], interrupted: Callable[[], bool] = lambda: False
) -> Iterator[System]:
    """Run everything but the publisher; logs stay in `directory`, and nothing else.

    `say` hears what is being started. Raises Ended if a part does not come up or goes away.
    """
    say("PostgreSQL: broker, results and the tasks' own books")
    queues = [worker.queue for worker in WORKERS]
    with (
        postgres(directory / "postgres", directory / "postgres.log", queues) as database,
        children(directory) as started,
    ):
        system = System(database, started, interrupted)
        say(f"collector with {CONFIG.name}")
        system.start_collector(directory)
        system.start_workers(say)
        yield system


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would make this another system: other collectors, brokers and proxies."""
    kept = {
        key: value
        for key, value in environ.items()
        if not key.startswith(("OTEL_", "CELERY_", "PORTLESS_"))
    }
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
