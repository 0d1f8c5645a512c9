"""In every pool, what was counted is what happened: each message has one outcome, the right one.

A worker of each pool gets the same mixed load, with tasks that end in every way there is; then
every test looks at the books of that one run.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest

from tests.system.conftest import APP, OUTCOMES, POOLS, Lab, laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres
    from tests.support.worker import Worker

LOAD = (
    ["ok", 9],
    ["ok", 2, {"args": ["eu"], "queue": "eu", "exchange": "shop", "routing_key": "orders.eu"}],
    ["ok", 2, {"countdown": 1}],
    ["ok", 2, {"headers": {"eta": "not a date"}}],
    ["boom", 3],
    ["boom", 2, {"expires": -60}],
    ["boom", 1, {"countdown": 4, "expires": 3}],
    ["boom", 1, {"task_id": "revoked-1"}],
    ["boom", 1, {"task_id": "revoked-2"}],
    ["again", 2],
    ["chain", 1, {"args": [2]}],
    ["ignore", 2],
    ["reject", 2],
    ["from-outside", 2],
    ["(undecodable)", 2],
    ["(foreign)", 2],
)
NOT_SENT_BY_THE_PRODUCER = 4 + 2 * 2 + 2
"""Messages that are no tasks, two retries of each that retries, two more of the chain."""
NEVER_RUN = Counter(
    {
        ("boom", "revoked", "expired"): 3,
        ("boom", "revoked", "revoked"): 2,
        ("(unregistered)", "discarded", "unregistered"): 2,
        ("(unregistered)", "discarded", "invalid"): 2,
        ("ok", "discarded", "invalid"): 2,
        ("ok", "discarded", "undecodable"): 2,
    }
)
"""What no task can write down, because none ran."""
HARD = {
    "prefork": ("killed", "quits", "too_long", "softly"),
    "solo": ("requeue_once",),  # elsewhere it breaks the stock SQL transport
    "threads": ("quits",),
    "gevent": ("quits", "too_long"),
    "eventlet": ("quits",),
}
"""Tasks that end their process, or are ended, where the pool has a way to do that."""


class Run(NamedTuple):
    """What is left of a worker's life."""

    lab: Lab
    pool: str
    sent: Counter[tuple[str, str]]
    executions: Counter[tuple[str, str, str]]
    listening: list[Any]
    exit_code: int
    log: str


@pytest.fixture(scope="module", params=POOLS)
def run(
    server: Postgres, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Run]:
    """A worker's whole life in one pool, from its start to a warm stop."""
    pool = request.param
    with laboratory(server, tmp_path_factory.mktemp(pool)) as lab:
        worker = lab.worker(pool, LAB_REVOKED="revoked-1 revoked-2")
        sent = lab.publish(*LOAD)
        messages = sent.total() + NOT_SENT_BY_THE_PRODUCER
        worker.wait_for(lambda: lab.finished() >= messages)
        # A process that is killed takes with it what it has not exported yet.
        orders = sum(lab.by_tenant("count(*)").values())
        worker.wait_for(lambda: lab.sink.sum("lab.orders") >= orders)
        listening = _listening(worker)
        sent += lab.publish(*([name, 1] for name in HARD[pool]))
        messages += len(HARD[pool]) + (pool == "solo")
        worker.wait_for(lambda: lab.finished() >= messages)
        exit_code = worker.stop()
        yield Run(lab, pool, sent, lab.executions(), listening, exit_code, worker.log.read_text())


def _listening(worker: Worker) -> list[Any]:
    """Sockets of the worker's processes that others could send to: TCP, UDP and unix."""
    return [
        socket
        for process in worker.tree()
        for socket in process.net_connections(kind="all")
        if socket.status == psutil.CONN_LISTEN or (socket.family.name == "AF_UNIX" and socket.laddr)
    ]


def test_every_message_is_counted_as_what_became_of_it(run: Run) -> None:
    """Per task, outcome and reason, the counters equal the tasks' own account."""
    assert run.exit_code == 0, run.log
    assert run.lab.counted() == run.executions + NEVER_RUN


def test_received_is_the_sum_of_the_outcomes(run: Run) -> None:
    """Each message has exactly one outcome, and what ran was counted as started."""
    sink = run.lab.sink
    received = sink.sum("celery.task.received")
    assert received == sum(sink.sum(f"celery.task.{outcome}") for outcome in OUTCOMES)
    assert sink.sum("celery.task.started") == run.executions.total()


def test_times_are_measured_for_every_task_that_ran(run: Run) -> None:
    """The wait of each that started, the runtime of each that ended by itself."""
    sink = run.lab.sink
    assert sink.sum("celery.task.queue_wait") == run.executions.total()
    for outcome, state in (("success", "success"), ("failed", "failure"), ("retried", "retry")):
        ran = sum(count for (_, how, _), count in run.executions.items() if how == outcome)
        assert sink.sum("celery.task.runtime", state=state) == ran


def test_sent_counts_producers_and_tasks_alike(run: Run) -> None:
    """What a producer published, and what tasks published from inside of the pool."""
    expected = run.sent.copy()
    expected["again", "lab"] += run.executions["again", "retried", ""]
    chains = run.executions["chain", "success", ""]
    expected["chain", "lab"] += chains - run.sent["chain", "lab"]
    counted: Counter[tuple[str, str]] = Counter()
    for attributes, value in run.lab.sink.sums("celery.task.sent").items():
        labels = dict(attributes)
        task = labels["task_name"].removeprefix(APP).partition("-outside")
        counted["".join(task[:2]), labels["queue_name"]] += int(value)
    assert +counted == expected


def test_the_last_word_is_that_nothing_is_left(run: Run) -> None:
    """After a clean stop every gauge of the worker reads 0, and none of its own code failed."""
    for name in ("up", "tasks.active", "tasks.reserved", "pool.processes"):
        gauge = run.lab.sink.sums(f"celery.worker.{name}")
        assert gauge == {frozenset({("hostname", "one@lab")}): 0}, name
    assert run.lab.sink.sums("celery.telemetry.hook.errors") == {}


def test_own_metrics_add_up(run: Run) -> None:
    """Instruments made at import count every task once, under names that stay the same."""
    sink = run.lab.sink
    counts = {dict(key)["tenant_id"]: value for key, value in sink.sums("lab.orders").items()}
    assert counts == run.lab.by_tenant("count(*)")
    amounts = {
        dict(key)["tenant_id"]: value for key, value in sink.sums("lab.amount", of="sum").items()
    }
    assert amounts == run.lab.by_tenant("sum(amount)")
    names = {"one@lab/0", "one@lab/1"} if run.pool == "prefork" else {"one@lab"}
    assert sink.instances("lab.orders") <= names


def test_nothing_listens(run: Run) -> None:
    """No process of the worker has a socket that listens."""
    assert run.listening == []


def test_no_value_of_a_task_gets_out(run: Run) -> None:
    """Exceptions are told by their class; what they say stays where it is."""
    values = {value for point in run.lab.sink.points for _, value in point.attributes}
    assert not any("what a task was given" in value for value in values)
