"""What the page tells: the numbers of /metrics, sums before and after the rules, no tenant."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.exposition.negotiate import TEXT_FORMAT
from collector.fields.component_id import parse
from collector.page.catalog import SHOWN
from collector.page.figures import GROUPS_MAX, OTHERS
from collector.page.quantile import quantile
from collector.plan import load
from collector.reading import HistogramReading
from collector.river import River
from collector.server import page_http
from collector.server.messages import Request, Response
from collector.server.page_http import FILES, PageHttp
from demo.scrape import Page
from telemetry import catalog
from tests.collector.otlp import Request as Push
from tests.collector.serving import request, serving
from tests.collector.test_grpc import run_to_its_end
from tests.collector.test_river import push, river
from tests.collector.test_server_process import running

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
TENANTS = ("tenant-4711", "tenant-4712")
BOUNDS = (0.1, 1.0, 10.0)
CONFIG = (ROOT / "otel-collector.yaml").read_text()
OPEN = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
exporters: {prometheus: {endpoint: "127.0.0.1:0"}}
extensions: {basicauth/people: {htpasswd: {inline: "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}}}
service:
  extensions: [basicauth/people]
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}
  telemetry: {metrics: {level: none}}
"""


def shop() -> Push:
    """What two tenants' tasks on two workers tell."""
    made = Push()
    for at, tenant in enumerate(TENANTS):
        for worker in ("w1", "w2"):
            own = {"service.name": "shop", "service.instance.id": worker, "host.name": tenant}
            task = {"task_name": "shop.pay", "queue_name": "pay", "tenant_id": tenant}
            made.counter("celery.task.started", task, 10 + at, resource=own)
            made.counter("celery.task.success", task, 7 + at, resource=own)
            made.counter("celery.task.failed", {**task, "exception": "KeyError"}, 2, resource=own)
            made.counter("celery.task.lost", {**task, "reason": "time_limit"}, 1, resource=own)
            made.counter("shop.paid", {"tenant_id": tenant}, 0.1 + at, resource=own)
        made.histogram(
            "celery.task.runtime",
            {"task_name": "shop.pay", "state": "success", "tenant_id": tenant},
            BOUNDS,
            (4, 5 + at, 1, 0),
            12.5,
        )
    for node in ("a@host", "b@host"):
        here = {"hostname": node}
        made.gauge("celery.worker.up", here, 1).gauge(
            "celery.worker.ready", here, int(node[0] == "a")
        )
        made.gauge("celery.worker.tasks.active", here, 2)
        made.histogram("celery.canary.round_trip", here, BOUNDS, (3, 1, 0, 0), 0.5)
        made.counter("celery.canary.failures", {**here, "stage": "receive"}, 1)
    for check, ready in (("broker", 1), ("database", 0)):
        made.gauge("celery.api.ready", {"check": check}, ready)
    made.gauge("celery.queue.length", {"queue_name": "pay"}, 12)
    made.gauge("celery.queue.oldest_age", {"queue_name": "pay"}, 3.5)
    for metric in made.message.resource_metrics:
        one = metric.scope_metrics[0].metrics[0]
        one.unit = next((m.unit for m in catalog.METRICS if m.name == one.name), "")
    return made


def default(*requests: Push) -> River:
    """The repository's configuration, to which something was pushed."""
    one = River(load("otel-collector.yaml", CONFIG, {}))
    for each in requests:
        push(one, each)
    return one


def ask(handler: PageHttp, path: str, method: str = "GET", host: str = "127.0.0.1:8") -> Response:
    """What a browser gets."""
    return handler.answer(Request(method, path, {"host": host}, b""))


def told(of: River, path: str = "/figures.json") -> dict:
    """What the page is told."""
    return json.loads(ask(PageHttp(of, lambda: 0.0, by_address=True), path).body)


def scraped(of: River, exporter: str = "prometheus") -> Page:
    """What Prometheus would read."""
    return Page(of.prometheus[parse(exporter)].scrape(TEXT_FORMAT).decode())


def test_every_figure_is_that_of_metrics() -> None:
    """Metric by metric and label by label, sums over the lines of the exposition are told."""
    one = default(shop())
    page, metrics = scraped(one), told(one)["metrics"]
    compared = 0
    for shown in SHOWN:
        family = metrics[shown.name]["family"]
        for label in shown.by:
            for value, found in metrics[shown.name][label].items():
                compared += 1
                if isinstance(found, dict):
                    for part in ("count", "sum"):
                        assert found[part] == page.sum(f"{family}_{part}", **{label: value})
                    assert found["p95"] == by_hand(page, family, {label: value}, 0.95)
                else:
                    assert found == page.sum(family, **{label: value})
            there = {s.labels[label] for s in page.samples(family) if label in s.labels}
            assert there == set(metrics[shown.name][label]) or shown.kind.is_distribution
    assert compared == 22
    assert metrics["celery.task.started"]["task_name"] == {"shop.pay": 42}
    assert metrics["celery.canary.failures"]["stage"] == {"receive": 2}


def by_hand(page: Page, family: str, labels: dict[str, str], q: float) -> float:
    """A quantile out of the lines of a scrape."""
    sums: dict[float, float] = {}
    for line in page.samples(f"{family}_bucket", **labels):
        le = float(line.labels["le"])
        sums[le] = sums.get(le, 0) + line.value
    bounds = sorted(sums)
    rank = q * sums[math.inf]
    at = next(at for at, bound in enumerate(bounds) if sums[bound] >= rank)
    low, below = (bounds[at - 1], sums[bounds[at - 1]]) if at else (0.0, 0.0)
    return low + (bounds[at] - low) * (rank - below) / (sums[bounds[at]] - below)


def test_what_is_shown_is_in_the_catalogue_of_workers() -> None:
    """Names, units, kinds and labels are those that workers push, and the outcomes are all."""
    known = {metric.name: metric for metric in catalog.METRICS}
    for shown in SHOWN:
        metric = known[shown.name]
        assert (shown.unit, shown.kind.value) == (metric.unit, metric.kind.value)
        assert set(shown.by) <= set(metric.attributes)
    assert {f"celery.task.{one}" for one in catalog.OUTCOMES} <= {shown.name for shown in SHOWN}


@pytest.mark.parametrize(
    ("settings", "family"),
    [
        ("namespace: shop", "shop_celery_task_started_total"),
        ("translation_strategy: UnderscoreEscapingWithoutSuffixes", "celery_task_started"),
        ("translation_strategy: NoTranslation", "celery.task.started"),
    ],
)
def test_names_are_those_of_the_exporter(settings: str, family: str) -> None:
    """Whatever the exporter makes of names, the page finds its metrics."""
    text = CONFIG.replace(
        "enable_open_metrics: false", f"enable_open_metrics: false\n    {settings}"
    )
    one = River(load("otel-collector.yaml", text, {}))
    push(one, shop())
    started = told(one)["metrics"]["celery.task.started"]
    assert started == {"family": family, "task_name": {"shop.pay": 42}}


def test_the_sums_before_and_after_the_rules_are_told() -> None:
    """Streams in, series out, and the same sum on both sides, of fractions as well."""
    redaction = told(default(shop()))["redaction"]
    families = {one["family"]: one for one in redaction["families"]}
    paid = families["shop_paid_total"]
    assert (paid["streams"], paid["series"], paid["fan"]) == (4, 2, [2, 2])
    assert paid["before"] == paid["after"] == pytest.approx(2.4)
    runtime = families["celery_task_runtime_seconds"]
    assert (runtime["streams"], runtime["series"]) == (2, 1)
    assert runtime["before"] == runtime["after"] == 21
    assert redaction["balanced"] == redaction["checked"] == 8
    assert redaction["keys"] == {"tenant_id": 22, "host.name": 20}
    assert redaction["streams"] > redaction["series"]


def test_the_account_sees_what_is_missing() -> None:
    """Were a stream lost on its way into a series, both sums would be told and would differ."""
    one = default(shop())
    outlet = one.prometheus[parse("prometheus")]
    shot = outlet.shot

    def robbed() -> object:
        found = shot()
        for line, series in found.series.items():
            if series.family == "celery_task_success_total":
                found.readings.numbers[line] -= 1  # type: ignore[index]
        return found

    outlet.shot = robbed  # type: ignore[assignment,method-assign]
    redaction = told(one)["redaction"]
    assert (redaction["balanced"], redaction["checked"]) == (7, 8)
    assert redaction["families"][0]["family"] == "celery_task_success_total"
    assert not redaction["families"][0]["balances"]


def test_streams_that_are_gone_still_count() -> None:
    """A source that fell silent keeps its share on both sides of the account."""
    one = river("metrics: otlp > redaction > prometheus", streams_max=1)
    push(one, Push().counter("jobs", {"task_name": "a", "tenant_id": "t1"}, 10), now=0)
    one.tick(1000)
    push(one, Push().counter("jobs", {"task_name": "a", "tenant_id": "t2"}, 5), now=1000)
    one.tick(1001)
    redaction = told(one)["redaction"]
    assert redaction["checked"] == redaction["balanced"] == 1


def test_nothing_that_the_rules_took_away_is_told() -> None:
    """No tenant and no host is anywhere in what the page gets, though their keys are."""
    text = json.dumps(told(default(shop())))
    assert "host.name" in text
    assert not [tenant for tenant in TENANTS if tenant in text]


def test_a_label_that_the_rules_let_through_is_not_told_either() -> None:
    """The page reads the labels of its catalogue alone; without rules tenants are in /metrics."""
    one = river("metrics: otlp >  > prometheus")
    push(one, shop())
    assert TENANTS[0] in scraped(one).text
    assert TENANTS[0] not in json.dumps(told(one))


def test_values_beyond_a_limit_are_added_up() -> None:
    """A page is no place for any number of names, and nothing is left out of the sums."""
    many = Push()
    for at in range(GROUPS_MAX + 50):
        many.counter("celery.task.started", {"task_name": f"t{at}"}, 1)
    started = told(default(many))["metrics"]["celery.task.started"]["task_name"]
    assert len(started) == GROUPS_MAX + 1
    assert started[OTHERS] == 50


def test_of_several_exporters_one_is_shown_at_a_time() -> None:
    """Their numbers are never added; the document names the exporter and where the others are."""
    one = river("metrics: otlp > redaction > prometheus, prometheus/second")
    push(one, Push().counter("celery.task.started", {"task_name": "a"}, 5))
    first = told(one)
    paths = {"prometheus": "figures.json", "prometheus/second": "figures/prometheus/second.json"}
    assert (first["exporter"], first["exporters"]) == ("prometheus", paths)
    assert first["metrics"]["celery.task.started"]["task_name"] == {"a": 5}
    second = told(one, "/" + paths["prometheus/second"])
    assert second["exporter"] == "prometheus/second"
    assert second["metrics"]["celery.task.started"]["family"].startswith("second_")


def test_without_data_there_is_an_answer_too() -> None:
    """Nothing was pushed: no lines, empty figures, an account without entries."""
    found = told(default())
    assert (found["lines"], found["redaction"]["checked"]) == (0, 0)
    assert found["metrics"]["celery.task.runtime"]["task_name"] == {}


def test_looking_often_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told is told again for a second, or for twenty times as long as it took."""
    now = [1000.0]
    monkeypatch.setattr(page_http, "monotonic", lambda: now[0])
    one = default(shop())
    handler = PageHttp(one, lambda: now[0], by_address=True)
    before = ask(handler, "/figures.json").body
    push(one, Push().counter("celery.task.started", {"task_name": "new"}, 1))
    now[0] += 0.9
    assert ask(handler, "/figures.json").body == before
    now[0] += 0.2
    assert b'"new"' in ask(handler, "/figures.json").body


HISTOGRAMS: list[tuple[tuple[float, ...], tuple[int, ...], int, float, float | None]] = [
    ((1.0, 2.0), (0, 10), 10, 0.5, 1.5),
    ((1.0, 2.0), (10, 10), 10, 0.5, 0.5),  # the first begins at 0
    ((1.0, 2.0), (1, 2), 10, 0.95, 2.0),  # in the infinite one: the last bound
    ((-1.0, 2.0), (10, 10), 10, 0.5, -1.0),  # the first, below 0: its bound
    ((1.0, 2.0), (5, 10), 10, 0.5, 1.0),
    ((), (), 10, 0.5, None),
    ((1.0,), (0,), 0, 0.5, None),
]


@pytest.mark.parametrize(("bounds", "cumulated", "count", "q", "expected"), HISTOGRAMS)
def test_quantiles_are_promqls(
    bounds: tuple[float, ...],
    cumulated: tuple[int, ...],
    count: int,
    q: float,
    expected: float | None,
) -> None:
    """As histogram_quantile reads them off the same buckets."""
    assert quantile(HistogramReading(bounds, cumulated, count, 0.0), q) == expected


def test_every_answer_is_guarded() -> None:
    """No foreign script, style or frame, no guessing of types, nothing kept by a browser."""
    handler = PageHttp(default(), lambda: 0.0, by_address=True)
    for path in (*FILES, "/figures.json"):
        answer = ask(handler, path)
        headers: Mapping[str, str] = dict(answer.headers)
        assert (answer.status, headers["Cache-Control"]) == (200, "no-store")
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
    assert ask(handler, "/", "POST").status == 405
    assert ask(handler, "/../figures.py").status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 200) for host in ("127.0.0.1:8080", "[::1]:8080", "localhost:8080", "")),
        *(
            (host, 421)
            for host in ("page.example:8080", "localhost.example", "[::1", "127.0.0.1.x")
        ),
    ],
)
def test_a_name_that_is_another_site_s_is_refused(host: str, status: int) -> None:
    """Where nobody is asked, a site cannot have its own name mean this machine and read along."""
    handler = PageHttp(default(), lambda: 0.0, by_address=True)
    assert ask(handler, "/figures.json", host=host).status == status
    guarded = PageHttp(default(), lambda: 0.0, by_address=False)
    assert ask(guarded, "/figures.json", host=host).status == 200


def test_it_is_served_over_http() -> None:
    """HEAD has no body; the files are those of the package."""
    with (
        serving(PageHttp(default(), lambda: 0.0, by_address=True)) as served,
        served.client() as client,
    ):
        reply = client.ask(request("HEAD", "/", Host="localhost"), bare=True)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"uPlot" in client.ask(request("GET", "/uPlot.iife.min.js", Host="[::1]")).body


def test_it_is_closed_like_every_other_door(tmp_path: Path) -> None:
    """On an address that others reach it is refused, unless it asks who is there or is allowed."""
    ended = run_to_its_end(tmp_path, OPEN, "--page=0.0.0.0:0")
    assert ended.returncode == 1
    assert ended.stderr.startswith("--page: 0.0.0.0:")
    assert "add --page-auth=EXTENSION, listen on 127.0.0.1, or start with --allow-open=page" in (
        ended.stderr
    )
    judged = CliRunner().invoke(
        main, ["validate", "--config", str(tmp_path / "config.yaml"), "--allow-open=page"]
    )
    assert judged.exit_code == 0, judged.output
    for options in (("--allow-open=page",), ("--page-auth=basicauth/people",)):
        with running(tmp_path, OPEN, "--page=0.0.0.0:0", *options) as collector:
            assert collector.addresses["page"].startswith("0.0.0.0:")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--page=8080",), "--page: 8080 is no HOST:PORT: write 127.0.0.1:8080 or [::1]:8080"),
        (("--page-auth=x",), "--page-auth: there is no page without --page"),
        (
            ("--page=127.0.0.1:0", "--page-auth=basicauth"),
            "--page-auth: there is no authenticator basicauth, there are: basicauth/people",
        ),
    ],
)
def test_mistakes_are_told(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    """What, where, and what to write."""
    ended = run_to_its_end(tmp_path, OPEN, *options)
    assert (ended.returncode, ended.stderr.strip().splitlines()[-1]) == (1, says)
