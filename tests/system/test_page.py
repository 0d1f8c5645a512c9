"""The page in a real browser: Debian's Chromium, driven by Playwright, against a real collector."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.collector.test_page import TENANTS, shop
from tests.support.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
PATIENCE_MS = 20_000
TWO = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
exporters:
  prometheus: {endpoint: "127.0.0.1:0"}
  prometheus/second: {endpoint: "127.0.0.1:0", namespace: second}
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus, prometheus/second]}}
  telemetry: {metrics: {level: none}}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; Playwright downloads none."""
    with sync_playwright() as playwright:
        # In a container the user is root, for whom Chromium has no sandbox.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with a page, to which a shop was told."""
    one = Collector(tmp_path_factory.mktemp("collector"), "--page", "127.0.0.1:0")
    push(one)
    yield one
    one.kill()


def push(to: Collector) -> None:
    """Tell of the shop."""
    headers = {"Content-Type": "application/x-protobuf"}
    urlopen(Request(f"{to.endpoint}/v1/metrics", shop().bytes(), headers)).close()


class Watched:
    """A page, and all that it asked for and complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)

    def says(self, id_: str, text: str) -> None:
        """Wait until an element says something."""
        expect(self.page.locator(f"#{id_}")).to_contain_text(text, timeout=PATIENCE_MS)

    def numbers(self, table: str) -> dict[str, list[float | None]]:
        """The numbers of a table's rows, by their first cell."""
        found: dict[str, list[float | None]] = self.page.evaluate(
            """id => Object.fromEntries([...document.getElementById(id).rows].map(row => [
                row.cells[0].textContent,
                [...row.cells].slice(1).map(cell => cell.dataset.value ? +cell.dataset.value : null)
            ]))""",
            table,
        )
        return found


@pytest.fixture
def watched(browser: Browser, collector: Collector) -> Iterator[Watched]:
    """The page, when it is live."""
    context = browser.new_context(viewport=WIDE)
    one = Watched(context.new_page(), collector.page_url)
    one.says("state", "Live")
    yield one
    context.close()


def test_the_browser_shows_the_numbers_of_metrics(watched: Watched, collector: Collector) -> None:
    """Cell by cell, what /metrics adds up to; nothing from elsewhere, nothing in the console."""
    page = collector.page()
    (task,) = watched.numbers("tasks").values()
    counts = [
        page.sum(f"celery_task_{name}_total", task_name="shop.pay")
        for name in ("started", "success", "failed", "retried", "lost")
    ]
    assert task[1:6] == counts == [42, 30, 8, 0, 4]
    figures = json.loads(urlopen(f"{collector.page_url}figures.json").read())
    runtime = figures["metrics"]["celery.task.runtime"]["task_name"]["shop.pay"]
    assert task[7:] == [runtime["p50"], runtime["p95"], runtime["p99"]]
    assert watched.numbers("queues") == {"pay": [12, 3.5, None]}
    assert watched.numbers("failures")["failed: KeyError"][1] == 8
    for node, row in watched.numbers("workers").items():
        assert row[1] == page.sum("celery_worker_ready", hostname=node) == (node == "a@host")
        assert row[3] == page.sum("celery_worker_tasks_active", hostname=node) == 2
        assert row[7] == page.sum("celery_canary_failures_total", hostname=node) == 1
    watched.says("stages", "receive (2)")
    watched.says("api", "broker ready, database NOT READY")
    sums = watched.page.locator("#families .sums").all()
    assert sums
    assert all(one.get_attribute("data-before") == one.get_attribute("data-after") for one in sums)
    watched.page.wait_for_function("document.querySelectorAll('canvas').length == 2")
    assert not watched.complaints
    assert all(url.startswith(collector.page_url) for url in watched.asked)
    assert not [tenant for tenant in TENANTS if tenant in watched.page.content()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_is_for_everybody(
    browser: Browser, collector: Collector, scheme: str, size: dict[str, int]
) -> None:
    """axe-core finds nothing, contrast included, in both schemes; no part is wider than a phone."""
    # axe-core is put into the page for the test, which the page's own policy rightly forbids.
    context = browser.new_context(color_scheme=scheme, viewport=size, bypass_csp=True)
    try:
        one = Watched(context.new_page(), collector.page_url)
        one.says("state", "Live")
        ground = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, ground[4:-1].split(","))) > 128) == (scheme == "light")
        found = Axe().run(one.page)
        assert not found.response["violations"], found.generate_report()
        assert one.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    finally:
        context.close()


def test_the_keyboard_reaches_everything_that_scrolls(
    browser: Browser, collector: Collector
) -> None:
    """Tab goes from the skip link through every table, and the focus can be seen."""
    context = browser.new_context(viewport=NARROW)
    try:
        one = Watched(context.new_page(), collector.page_url)
        one.says("state", "Live")
        reached = []
        for _ in range(5):
            one.page.keyboard.press("Tab")
            focus = "document.activeElement"
            reached.append(
                one.page.evaluate(f"{focus}.getAttribute('aria-labelledby') ?? {focus}.className")
            )
            assert one.page.evaluate(f"getComputedStyle({focus}).outlineStyle") == "solid"
        assert reached == ["skip", "h-tasks", "h-queues", "h-failures", "h-workers"]
    finally:
        context.close()


RATES = """async () => {
    const { History, WINDOW } = await import("/history.js");
    const history = new History();
    const told = (time, started, n) =>
        ({ time, started, exporter: "e", metrics: { m: { l: n } } });
    const seen = [];
    const see = (...moment) => {
        const goesOn = history.add(told(...moment));
        seen.push([goesOn, history.rates("m", "l")]);
    };
    see(100, 1, { a: 1000, b: 50 });
    see(110, 1, { a: 1030, b: 20, c: 7 });
    see(100 + 2 * WINDOW, 1, { a: 1060, b: 20, c: 7 });
    see(200, 2, { a: 5 });
    return seen;
}"""


def test_rates_are_what_counters_grew_by(watched: Watched) -> None:
    """Over the window; one that fell began anew, one that is new had an unknown past."""
    first, second, third, restarted = watched.page.evaluate(RATES)
    assert first == [True, {"a": None, "b": None}]
    assert second == [True, {"a": 3, "b": 2, "c": 0}]
    assert third == [True, {"a": 1, "b": 0, "c": 0}]
    assert restarted == [False, {"a": None}], "another collector: nothing before compares"


def test_another_exporter_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    """The page says whose numbers it shows, and shows those of the one that is chosen."""
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    one = Collector(tmp_path, "--config", str(file), "--page", "127.0.0.1:0")
    context = browser.new_context(viewport=WIDE)
    try:
        push(one)
        watched = Watched(context.new_page(), one.page_url)
        watched.says("state", "Live")
        watched.says("source", "prometheus")
        watched.page.get_by_label("Exporter").select_option("prometheus/second")
        watched.says("source", "prometheus/second")
        assert watched.page.get_by_label("Exporter").input_value() == (
            "figures/prometheus/second.json"
        )
        assert not watched.complaints
    finally:
        context.close()
        one.kill()


def test_it_says_what_is_missing_and_what_is_old(browser: Browser, tmp_path: Path) -> None:
    """Before the first push it tells what to do; when the collector is gone, since when."""
    one = Collector(tmp_path, "--page", "127.0.0.1:0")
    context = browser.new_context(viewport=WIDE)
    try:
        watched = Watched(context.new_page(), one.page_url)
        watched.says("state", "Waiting for the first worker")
        watched.says("empty", f"OTEL_EXPORTER_OTLP_ENDPOINT={one.endpoint} celery -A app worker")
        watched.says("empty", "portless doctor -A app")
        assert not watched.complaints
        push(one)
        watched.says("state", "Live")
        expect(watched.page.locator("#empty")).to_be_hidden()
        one.kill()
        watched.says("stale", "Stale since ")
        watched.says("state", "Stale")
        assert watched.numbers("queues") == {"pay": [12, 3.5, None]}
    finally:
        context.close()
        one.kill()
