from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from telemetry import catalog
from telemetry.tally import OTHER, UNKNOWN, Tallies
from telemetry.tasks import facts
from telemetry.tasks.deliveries import EXCEPTIONS_MAX
from telemetry.tasks.lifecycle import Lifecycle

if TYPE_CHECKING:
    from telemetry.tally import Reading
    from telemetry.tasks.books import Outcome

OUTCOMES = ("success", "failed", "retried", "ignored", "rejected", "revoked", "lost", "discarded")


class Received(NamedTuple):
    """A call of `Deliveries.received`."""

    delivery: int
    task_name: str
    queue_name: str
    lifted: tuple[str, ...] = ()


class Started(NamedTuple):
    """A call of `Deliveries.started`."""

    delivery: int
    at_seconds: float
    waited_seconds: float | None


class Succeeded(NamedTuple):
    """A call of `Deliveries.succeeded`."""

    delivery: int
    runtime_seconds: float


class Ended(NamedTuple):
    """A call of `Deliveries.ended`."""

    delivery: int
    outcome: Outcome
    detail: str
    at_seconds: float


Told = Received | Started | Succeeded | Ended | facts.Fact


class Books:
    """A lifecycle and what is in its tallies."""

    def __init__(self, *told: Told) -> None:
        self.tallies = Tallies()
        self.lifecycle = Lifecycle(self.tallies)
        self.tell(*told)

    def tell(self, *told: Told) -> None:
        deliveries = self.lifecycle.deliveries
        calls = {
            Received: deliveries.received,
            Started: deliveries.started,
            Succeeded: deliveries.succeeded,
            Ended: deliveries.ended,
        }
        for each in told:
            if type(each) in calls:
                calls[type(each)](each)  # type: ignore[operator] # as its class says
            else:
                self.lifecycle.apply(each)  # type: ignore[arg-type] # a fact

    def readings(self) -> list[Reading]:
        return self.lifecycle.readings()

    def counters(self) -> dict[tuple[str, ...], float]:
        """Counters of tasks that are not 0: by name without its prefix, then by attributes."""
        return {
            (reading.metric.name.removeprefix("celery.task."), *reading.attributes): value
            for reading in self.readings()
            if (value := reading.numbers[0]) and not reading.metric.buckets
        }

    def total(self, name: str) -> float:
        return sum(
            reading.numbers[0]
            for reading in self.readings()
            if reading.metric.name == f"celery.{name}"
        )

    def histogram(self, metric: catalog.Metric) -> dict[tuple[str, ...], tuple[float, float]]:
        """Count and sum by attributes."""
        return {
            reading.attributes: (sum(reading.numbers[1:]), reading.numbers[0])
            for reading in self.readings()
            if reading.metric is metric
        }


def ended(outcome: Outcome, detail: str = "", *, delivery: int = 1) -> Ended:
    """A delivery's end, 5 s after it started."""
    return Ended(delivery, outcome, detail, 15.0)


RECEIVED = Received(1, "a", "q")
STARTED = Started(1, 10.0, 0.5)
ENDS: list[tuple[Outcome, str]] = [
    ("success", ""),
    ("failed", "ValueError"),
    ("retried", ""),
    ("ignored", ""),
    ("rejected", "rejected"),
    ("rejected", "requeued"),
    ("revoked", "terminated"),
    ("lost", "worker_lost"),
    ("lost", "time_limit"),
]
LIVES: dict[str, tuple[list[Told], dict[tuple[str, ...], float]]] = {
    "in hand": ([RECEIVED], {("received", "a", "q"): 1}),
    "running": ([RECEIVED, STARTED], {("received", "a", "q"): 1, ("started", "a", "q"): 1}),
    **{
        f"{outcome} {detail}": (
            [RECEIVED, STARTED, ended(outcome, detail)],
            {
                ("received", "a", "q"): 1,
                ("started", "a", "q"): 1,
                (outcome, "a", "q", *([detail] if detail else [])): 1,
            },
        )
        for outcome, detail in ENDS
    },
    "revoked before it ran": (
        [RECEIVED, ended("revoked", "expired")],
        {("received", "a", "q"): 1, ("revoked", "a", "q", "expired"): 1},
    ),
    "a hard time limit is told twice": (
        [RECEIVED, STARTED, ended("lost", "time_limit"), ended("lost", "worker_lost")],
        {
            ("received", "a", "q"): 1,
            ("started", "a", "q"): 1,
            ("lost", "a", "q", "time_limit"): 1,
        },
    ),
    "returned": (
        [RECEIVED, STARTED, Succeeded(1, 0.25)],
        {("received", "a", "q"): 1, ("started", "a", "q"): 1, ("success", "a", "q"): 1},
    ),
    "returned before it was accepted": (
        [RECEIVED, Succeeded(1, 0.25), STARTED],
        {("received", "a", "q"): 1, ("success", "a", "q"): 1},
    ),
    "returned after it was lost": (
        [RECEIVED, STARTED, ended("lost", "time_limit"), Succeeded(1, 0.25)],
        {
            ("received", "a", "q"): 1,
            ("started", "a", "q"): 1,
            ("lost", "a", "q", "time_limit"): 1,
        },
    ),
    "accepted twice": (
        [RECEIVED, STARTED, STARTED, ended("success")],
        {("received", "a", "q"): 1, ("started", "a", "q"): 1, ("success", "a", "q"): 1},
    ),
    "ended before it was accepted": (
        [RECEIVED, ended("failed", "EncodeError"), STARTED],
        {("received", "a", "q"): 1, ("failed", "a", "q", "EncodeError"): 1},
    ),
    "never received": ([STARTED, ended("success")], {}),
    "no task at all": (
        [Received(1, facts.UNREGISTERED, "q"), ended("discarded", "undecodable")],
        {
            ("received", facts.UNREGISTERED, "q"): 1,
            ("discarded", facts.UNREGISTERED, "q", "undecodable"): 1,
        },
    ),
    "a task that could not be one": (
        [RECEIVED, ended("discarded", "invalid")],
        {("received", "a", "q"): 1, ("discarded", "a", "q", "invalid"): 1},
    ),
    "the worker stops": (
        [
            RECEIVED,
            STARTED,
            Received(2, "b", "q"),
            facts.WorkerStopped(),
            ended("success"),
            ended("success", delivery=2),
        ],
        {
            ("received", "a", "q"): 1,
            ("received", "b", "q"): 1,
            ("started", "a", "q"): 1,
            ("lost", "a", "q", "shutdown"): 1,
            ("rejected", "b", "q", "returned"): 1,
        },
    ),
    "sent": ([facts.Sent("a", "q"), facts.Sent("a", "q")], {("sent", "a", "q"): 2}),
}


@pytest.mark.parametrize(("told", "counters"), LIVES.values(), ids=LIVES)
def test_a_life_is_counted_so(told: list[Told], counters: dict[tuple[str, ...], float]) -> None:
    """Each sequence of facts and the counters it leaves, everything else at 0."""
    assert Books(*told).counters() == counters


@pytest.mark.parametrize(("told", "_counters"), LIVES.values(), ids=LIVES)
def test_received_is_outcomes_and_what_is_in_hand_at_any_moment(
    told: list[Told], _counters: object
) -> None:
    """After each single fact the books balance, with the gauges of the worker."""
    books = Books(facts.WorkerStarted("n"))
    for fact in told:
        books.tell(fact)
        outcomes = sum(books.total(f"task.{outcome}") for outcome in OUTCOMES)
        in_hand = books.total("worker.tasks.active") + books.total("worker.tasks.reserved")
        assert books.total("task.received") == outcomes + in_hand


def test_siblings_exist_from_the_first_task_on() -> None:
    """Every ratio has both of its sides and every increase its 0 before the first event."""
    series = {
        (reading.metric, reading.attributes[2:])
        for reading in Books(RECEIVED).readings()
        if reading.attributes[:2] == ("a", "q")
    }
    assert series == {
        (catalog.RECEIVED, ()),
        (catalog.STARTED, ()),
        (catalog.SUCCESS, ()),
        (catalog.FAILED, ("",)),
        (catalog.RETRIED, ()),
        (catalog.IGNORED, ()),
        *((catalog.REJECTED, (reason,)) for reason in ("rejected", "requeued", "returned")),
        *((catalog.REVOKED, (reason,)) for reason in ("revoked", "expired", "terminated")),
        *((catalog.LOST, (reason,)) for reason in catalog.LOST.values),
    }


def test_discards_of_a_queue_exist_from_its_first_task_on() -> None:
    """A message that is no task has no task whose siblings could be there."""
    series = {
        (reading.metric, reading.attributes)
        for reading in Books(RECEIVED).readings()
        if reading.attributes[0] == facts.UNREGISTERED
    }
    assert series == {
        (catalog.RECEIVED, (facts.UNREGISTERED, "q")),
        *(
            (catalog.DISCARDED, (facts.UNREGISTERED, "q", reason))
            for reason in ("unregistered", "invalid", "undecodable")
        ),
    }


def test_the_runtime_is_the_process_s_own_or_the_time_between() -> None:
    """Success brings its runtime along; others ran from accepted to ended."""
    books = Books(RECEIVED, STARTED, Succeeded(1, 0.25))
    books.tell(Received(2, "a", "q"), Started(2, 10.0, None), ended("retried", delivery=2))
    assert books.histogram(catalog.RUNTIME) == {
        ("a", "q", "success"): (1, 0.25),
        ("a", "q", "retry"): (1, 5.0),
    }
    assert books.histogram(catalog.QUEUE_WAIT) == {("a", "q"): (1, 0.5)}


@pytest.mark.parametrize(
    "end", [ended("lost", "worker_lost"), ended("revoked", "terminated"), ended("success")]
)
def test_a_runtime_nobody_knows_is_none(end: Ended) -> None:
    """Of a task that was ended from outside, or whose process died before it could tell."""
    assert Books(RECEIVED, STARTED, end).histogram(catalog.RUNTIME) == {}


def test_exceptions_have_a_limit() -> None:
    """Classes made at run time end as "other"; nothing of the count is lost."""
    books = Books()
    for number in range(EXCEPTIONS_MAX + 20):
        books.tell(Received(number, "a", "q"))
        books.tell(ended("failed", f"Error{number}", delivery=number))
    failed = {key[-1]: value for key, value in books.counters().items() if key[0] == "failed"}
    assert failed[OTHER] == 20
    assert sum(failed.values()) == EXCEPTIONS_MAX + 20
    assert books.counters()["celery.telemetry.overflow", "exception"] == 20


def test_tasks_without_end_have_a_limit() -> None:
    """The books of a worker that meets ever new names stay bounded, and balance."""
    books = Books()
    books.lifecycle = Lifecycle(tallies := Tallies(series_max=10))
    books.tallies = tallies
    for number in range(500):
        books.tell(Received(number, f"task-{number}", f"queue-{number}"))
        books.tell(ended("success", delivery=number))
    assert books.total("task.received") == 500
    assert books.total("task.success") == 500
    assert len(tallies.readings()) < 500


def lifting(attributes_max: int) -> Books:
    """Books of a process that lifts one header."""
    books = Books()
    books.lifecycle = Lifecycle(books.tallies, ("tenant_id",), attributes_max)
    return books


def test_a_header_becomes_an_attribute_of_all_that_is_said_of_a_task() -> None:
    """Counters and histograms; without the header, and for siblings at 0, it is empty."""
    books = lifting(10)
    books.tell(Received(1, "a", "q", ("acme",)), STARTED, ended("failed", "ValueError"))
    books.tell(Received(2, "a", "q"), facts.Sent("a", "q", ("bolt",)))
    assert books.counters() == {
        ("received", "a", "q", "acme"): 1,
        ("started", "a", "q", "acme"): 1,
        ("failed", "a", "q", "acme", "ValueError"): 1,
        ("received", "a", "q", ""): 1,
        ("sent", "a", "q", "bolt"): 1,
    }
    readings = {(reading.metric.name, reading.attributes) for reading in books.readings()}
    assert ("celery.task.runtime", ("a", "q", "acme", "failure")) in readings
    assert ("celery.task.queue_wait", ("a", "q", "acme")) in readings
    assert ("celery.task.success", ("a", "q", "")) in readings
    assert ("celery.task.success", ("a", "q", "acme")) not in readings
    failed = [reading.metric for reading in books.readings() if "ValueError" in reading[1]]
    assert failed[0].attributes == ("task_name", "queue_name", "tenant_id", "exception")


def test_attributes_without_end_leave_the_task_its_name() -> None:
    """Beyond the limit the header's value is "other", task and queue stay, and it is counted."""
    books = lifting(3)
    for number in range(10):
        books.tell(Received(number, "a", "q", (f"tenant-{number}",)))
        books.tell(ended("success", delivery=number))
    received = {key[3]: value for key, value in books.counters().items() if key[0] == "success"}
    assert received == {"tenant-0": 1, "tenant-1": 1, "tenant-2": 1, OTHER: 7}
    assert {key[1:3] for key in books.counters() if key[0] == "success"} == {("a", "q")}
    assert books.counters()["celery.telemetry.overflow", "attribute"] == 7


def test_a_worker_has_gauges_and_its_self_losses_from_the_start() -> None:
    """Up reads 1, everything else 0; what can go wrong is there to be watched."""
    books = Books(facts.WorkerStarted("n"), facts.PoolMeasured(4))
    assert books.counters() == {
        ("celery.worker.up", "n"): 1,
        ("celery.worker.pool.processes", "n"): 4,
    }
    ready = Books(facts.WorkerStarted("n"), facts.HealthMeasured(ready=True))
    assert ready.counters()["celery.worker.ready", "n"] == 1
    names = {reading.metric for reading in books.readings()}
    assert {catalog.EXPORT_FAILURES, catalog.OVERFLOW, catalog.CHILD_EXITS} <= names


def test_what_is_reserved_is_told_by_queue() -> None:
    """Received and not begun, whichever task it is; at the end nothing is."""
    books = Books(facts.WorkerStarted("n"))
    books.tell(Received(1, "a", "q"), Received(2, "b", "q"), Received(3, "a", "p"))

    def reserved() -> dict[tuple[str, ...], float]:
        found = (r for r in books.readings() if r.metric is catalog.QUEUE_RESERVED)
        return {reading.attributes: reading.numbers[0] for reading in found}

    assert reserved() == {("q",): 2, ("p",): 1}
    books.tell(STARTED, Started(1, 10.0, 0.5))
    assert reserved() == {("q",): 1, ("p",): 1}
    books.tell(ended("success"), ended("revoked", "expired", delivery=2))
    assert reserved() == {("q",): 0, ("p",): 1}
    books.lifecycle = Lifecycle(books.tallies)  # killed, and started on the same file
    cells = [books.tallies.cell(catalog.QUEUE_RESERVED, queue) for queue in ("p", "q")]
    for cell in cells:
        books.tallies.numbers[cell] = UNKNOWN
    books.tell(facts.WorkerStarted("n"), Received(5, "b", "q"), Received(6, "a", "q"))
    assert reserved() == {("q",): 2}
    books.tell(Received(7, "a", "p"))
    assert reserved() == {("q",): 2, ("p",): 1}
    books.tell(facts.WorkerStopped(), Received(4, "a", "p"))
    assert reserved() == {("q",): 0, ("p",): 0}


def test_the_last_word_stays_the_last() -> None:
    """After the worker has stopped nothing moves its gauges any more."""
    books = Books(facts.WorkerStarted("n"), RECEIVED, STARTED, facts.WorkerStopped())
    books.tell(facts.PoolMeasured(4), ended("success"), Received(2, "a", "q"))
    for name in ("up", "tasks.active", "tasks.reserved", "pool.processes"):
        assert books.total(f"worker.{name}") == 0


def test_what_befalls_the_telemetry_is_counted_by_reason() -> None:
    """Errors in hooks, failed exports, full instruments, ended processes, odd messages."""
    books = Books(
        facts.HookFailed("on_success"),
        facts.ExportFailed(),
        facts.Overflowed(),
        facts.ChildExited("killed"),
        facts.Befell("recovered", "q", 3),
        facts.Befell("recovered", "q", 2),
        facts.Befell("set_aside", "q", 1),
    )
    assert books.counters() == {
        ("celery.telemetry.hook.errors", "on_success"): 1,
        ("celery.telemetry.export.failures",): 1,
        ("celery.telemetry.overflow", "user_series"): 1,
        ("celery.worker.child.exits", "killed"): 1,
        ("celery.broker.recovered", "q"): 5,
        ("celery.broker.set_aside", "q"): 1,
    }
