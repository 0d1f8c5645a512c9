"""Headers as attributes: from who publishes, through chains, retries and beat, to exact sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from celery.beat import Scheduler

from telemetry import carrying
from telemetry.tally import OTHER
from telemetry.tasks.facts import Fact, Sent
from telemetry.tasks.headers import VALUE_LENGTH_MAX, Lifted
from telemetry.tasks.publish import Publisher
from tests.conformance.cases import Form, Request
from tests.conformance.in_process import Pipeline
from tests.support.script import run
from tests.support.sink import Sink
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def told() -> Iterator[list[Fact]]:
    """What a publisher that lifts `tenant_id` tells."""
    facts: list[Fact] = []
    publisher = Publisher(facts.append, [], Lifted(("tenant_id",)))
    yield facts
    assert publisher


def tenants(told: list[Fact]) -> list[str]:
    """Of the tasks sent, in order."""
    return [fact.lifted[0] for fact in told if isinstance(fact, Sent)]


def test_a_block_gives_its_headers_to_what_is_published_in_it(told: list[Fact]) -> None:
    """By the task or by its name; what the message says itself stands, an inner block adds."""
    app = Celery("publish", broker="memory://")

    @app.task(name="a.task")
    def task() -> None:
        """Publish it."""

    with carrying(tenant_id="acme", other="x"):
        task.delay()
        app.send_task("a.task", headers={"tenant_id": "bolt"})
        with carrying(region="eu"):
            app.send_task("a.task")
        with carrying(tenant_id=""):
            app.send_task("a.task")
    app.send_task("a.task")
    assert tenants(told) == ["acme", "bolt", "acme", "", ""]


def test_beat_sends_the_headers_of_an_entry(told: list[Fact]) -> None:
    """As its options say."""
    app = Celery("beat", broker="memory://")
    options = {"headers": {"tenant_id": "acme"}}
    app.conf.beat_schedule = {"an entry": {"task": "a.task", "schedule": 1.0, "options": options}}
    scheduler: Any = Scheduler(app)
    scheduler.apply_async(scheduler.schedule["an entry"])
    assert tenants(told) == ["acme"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        (7, "7"),
        (None, ""),
        ("x" * VALUE_LENGTH_MAX, "x" * VALUE_LENGTH_MAX),
        ("x" * (VALUE_LENGTH_MAX + 1), OTHER),
        (["acme"], OTHER),
        ({}, OTHER),
        (1.5, OTHER),
        (1 << 20_000, OTHER),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_from_outside(value: object, text: str) -> None:
    """Only short text and whole numbers name anything."""
    assert Lifted(("tenant_id",)).values({"tenant_id": value}) == (text,)
    assert Lifted(("tenant_id", "region")).values({}) == ("", "")


SHOP = """
from celery import Celery, chain
from celery.contrib.testing.worker import start_worker
from telemetry import carrying, instrument
app = Celery("shop", broker="memory://", backend="cache+memory://")
instrument(app, attributes=["tenant_id"])
app.conf.task_default_queue = "lab"

@app.task
def one(*_):
    return 1

@app.task
def boom(*_):
    raise ValueError

@app.task(bind=True, max_retries=3)
def again(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)

with start_worker(app, pool="threads", perform_ping_check=False, loglevel="critical"):
    results = []
    for number in range(12):
        with carrying(tenant_id=f"tenant-{number % 3}"):
            results.append(one.delay())
    results += [one.apply_async(headers={"tenant_id": "explicit"}) for _ in range(2)]
    with carrying(tenant_id="chained"):
        results.append(chain(one.s(), one.s(), one.s()).delay())
    with carrying(tenant_id="retried"):
        results.append(again.delay())
    results += [one.delay(), boom.apply_async(headers={"tenant_id": "tenant-1"})]
    for result in results:
        result.get(timeout=30, propagate=False)
"""


def test_a_process_has_one_set_of_attributes() -> None:
    """A second app with others is refused: its series would have other labels than the first's."""
    run(
        "from celery import Celery\n"
        "from telemetry import instrument\n"
        "from telemetry.settings import SettingsError\n"
        "instrument(Celery('a'), attributes=['tenant_id'])\n"
        "instrument(Celery('b'))\n"
        "instrument(Celery('c'), attributes=['tenant_id'])\n"
        "try:\n"
        "    instrument(Celery('d'), attributes=['region'])\n"
        "except SettingsError as error:\n"
        "    assert 'PORTLESS_ATTRIBUTES' in str(error)\n"
        "else:\n"
        "    raise AssertionError\n",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )


def test_sums_are_exact_when_the_collector_has_taken_the_tenants_away() -> None:
    """Pushed with tenants, exposed without: of every metric as many as before, and no tenant."""
    sink = Sink()
    sink.bodies = []
    try:
        run(SHOP, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_METRIC_EXPORT_INTERVAL="50")
    finally:
        sink.close()
    assert {
        dict(key)["tenant_id"]: value
        for key, value in sink.sums("celery.task.success").items()
        if dict(key)["task_name"].endswith("one") and value
    } == {"tenant-0": 4, "tenant-1": 4, "tenant-2": 4, "explicit": 2, "chained": 3, "": 1}
    assert sink.sum("celery.task.retried", tenant_id="retried") == 2
    assert sink.sum("celery.task.sent", tenant_id="retried") == 3
    assert sink.sum("celery.task.failed", tenant_id="tenant-1", exception="ValueError") == 1
    assert sink.sums("celery.telemetry.hook.errors") == {}

    collector = Pipeline(ROOT / "otel-collector.yaml")
    for body in sink.bodies:
        assert collector.post(Request(body, "application/x-protobuf")) == "200"
    page = collector.scrape(Form.TEXT)
    assert "tenant" not in page
    assert "explicit" not in page
    for name, value in (("success", 19), ("retried", 2), ("failed", 1), ("received", 22)):
        line = f"celery_task_{name}_total"
        samples = [each for each in page.splitlines() if each.startswith(line)]
        assert sum(float(sample.rpartition(" ")[2]) for sample in samples) == value, samples
