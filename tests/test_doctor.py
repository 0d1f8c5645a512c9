"""What both doctors share: walks stop at what is broken, and answers are read for what they are."""

from __future__ import annotations

import ast
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doctor import mark as marks
from doctor import page, prometheus, walk
from doctor.prometheus import Target
from doctor.pushing import Receiver, push
from doctor.walk import Step, broken, fine
from telemetry import catalog
from telemetry.doctor import hops
from tests.support import promql

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SOURCES = [path for part in ("collector", "telemetry") for path in (ROOT / part).rglob("*.py")]
HOPS = re.compile(r"^\| ([a-z ,]+) \| ", re.MULTILINE)
WHO = {"service.name": "celery", "service.instance.id": "h/doctor"}


@contextmanager
def answering(status: int, kind: str = "text/html", body: bytes = b"<html>") -> Iterator[str]:
    """A web server that says the same to everything; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/metrics"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "body", "says", "fix"),
    [
        (200, "text/html", b"<html>", "this is another port", "4318"),
        (200, "application/x-protobuf", b"\xff\xff", "this is another port", "4318"),
        (302, "text/html", b"", "sends elsewhere (302)", "the collector itself"),
        (503, "text/plain", b"", "refused the push (503)", "memory_limiter"),
        (200, "application/x-protobuf", b"\x0a\x02\x08\x01", "refused 1 of", "--max-streams"),
        (400, "text/plain", b"Client sent an HTTP request to an HTTPS server.", "TLS", "https://"),
    ],
)
def test_an_answer_is_not_taken_for_a_yes(
    status: int, kind: str, body: bytes, says: str, fix: str
) -> None:
    """A login page, a web server that likes everything, a limit: none of them took the push."""
    with answering(status, kind, body) as address:
        to = Receiver(is_grpc=False, address=address, where="there")
        said = hops.receiver(push(to, marks.request(marks.mark(WHO))), to)
    assert said.ok is False
    assert says in said.what
    assert fix in said.todo


def test_the_mark_carries_what_workers_carry() -> None:
    """Every label of the catalogue, so that a rule that takes one away is seen."""
    assert tuple(sorted(marks.LABELS)) == catalog.ATTRIBUTES


def test_a_page_is_read_with_what_stands_in_quotes() -> None:
    """A brace or a quote in a value ends no label; comments and other names are none."""
    text = '# TYPE a gauge\na{x="1} 2",y="\\""} 3\nab{x="1"} 4\na{x="2"} 5 1700000000\na 6\n'
    found = page.samples(text, "a".__eq__)
    assert [one.value for one in found] == [3.0, 5.0]
    assert found[0].labels["x"] == "1} 2"


def test_the_mark_is_found_under_other_names_and_without_an_instance() -> None:
    """Behind a namespace, without a suffix; another doctor's is not taken for it."""
    own = marks.mark(WHO)
    for name in (marks.EXPOSED, f"shop_{marks.EXPOSED}", "celery_telemetry_doctor_timestamp"):
        assert own.on(f'{name}{{task_name="x"}} {own.value!r}\n') is not None
    assert own.on(f'{marks.EXPOSED}{{instance="h/doctor"}} {own.value - 1!r}\n') is None
    assert own.on(f'{marks.EXPOSED}{{instance="other"}} {own.value + 1!r}\n') is None
    later = f"{own.value + 1!r}"  # as a clock that goes wrong has left it
    assert own.on(f'{marks.EXPOSED}{{instance="h/doctor"}} {later}\n') is not None
    there = f'{marks.EXPOSED}{{exported_instance="h/doctor",instance="collector:9464"}} {later}\n'
    assert own.on(there) is not None


def test_a_count_that_vanishes_is_no_count() -> None:
    """A series that leaves the page, or a page that cannot be read, takes nothing away."""
    line = 'celery_task_success_total{{instance="{}",task_name="portless.doctor"}} {}\n'
    before = hops.Counts.of(line.format("old", 5))
    assert not hops.Counts.of("").since(before).has_ended
    assert not hops.Counts.of(line.format("old", 5)).since(before).has_ended
    assert hops.Counts.of(line.format("new", 1)).since(before).has_ended
    assert hops.Counts.of(line.format("old", 6)).since(before).has_ended


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('celery_task_revoked_total{task_name="portless.doctor",reason="expired"} 1', "clock"),
        ('celery_task_lost_total{task_name="portless.doctor",reason="x"} 1', "counted it as lost"),
        ('celery_task_received_total{task_name="portless.doctor"} 1', "pool is busy"),
        ('celery_task_discarded_total{task_name="(unregistered)"} 1', "did not know it"),
    ],
)
def test_what_became_of_the_task_is_told_by_what_workers_counted(line: str, says: str) -> None:
    """Thrown away as expired, lost, held, not known."""
    rose = hops.Counts.of(f"{line}\n").since(hops.Counts.of(""))
    said = hops.worker(rose, 0, "q", 3.0)
    assert said.ok is False
    assert says in said.what


def test_a_walk_stops_at_the_first_broken_hop(capsys: pytest.CaptureFixture[str]) -> None:
    """What is behind it is not looked at; the table ends with what, where and what to do."""
    steps = [
        Step("one", "here", lambda: fine("well")),
        Step("two", "in its file", lambda: broken("it is off", "turn it on")),
        Step("three", "there", lambda: pytest.fail("it was looked at")),
    ]
    assert walk.tell(steps, as_json=False) == 1
    table = capsys.readouterr().out
    assert "BROKEN  two    it is off" in table
    assert "-       three  not looked at: two is broken before it" in table
    assert "what   it is off\n  where  in its file\n  do     turn it on" in table
    assert walk.tell(steps, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["broken"] == "two"


def test_a_step_that_fails_tells_no_message() -> None:
    """It is a broken hop, named by the error's class and place: its text may hold a password."""

    def look() -> walk.Verdict:
        raise ValueError("postgresql://u:hidden@db/x")

    (hop,) = walk.walk([Step("one", "here", look)])
    assert hop.ok is False
    assert "ValueError at test_doctor.py" in hop.what
    assert "hidden" not in f"{hop}"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ('Get "http://127.0.0.1:40401/metrics": connection refused', "nothing listens"),
        ("server returned HTTP status 401 Unauthorized", "asks who is there"),
        ("server returned HTTP status 404 Not Found", "no such page"),
        ('Get "http://u:hidden@h/": context deadline exceeded', "in time"),
        ('Get "https://u:hidden@h/": x509: unknown authority', "not trusted"),
        ('Get "https://u:hidden@h/": something new', "that failed"),
    ],
)
def test_what_prometheus_says_of_a_target_is_not_repeated(error: str, says: str) -> None:
    """Its errors quote addresses; they are told by their kind."""
    target = Target("http://h:1/metrics", "celery", "down", error, 15.0, 10.0)
    said = prometheus.missing([target], [], target.url)
    assert says in said.what
    assert "hidden" not in f"{said}"


def test_targets_are_recognized_where_names_differ() -> None:
    """By address first, by port and path where this machine knows the collector otherwise."""
    one = Target("http://collector:9464/metrics", "celery", "up", "", 15.0, 10.0)
    two = one._replace(url="http://127.0.0.1:9464/metrics")
    other = one._replace(url="http://collector:8888/metrics")
    assert prometheus.reading([one, two, other], "http://localhost:9464/metrics") == [two]
    assert prometheus.reading([one, other], "http://localhost:9464/metrics") == [one]


def test_what_troubleshooting_points_to_is_there() -> None:
    """Every hop, metric and line of a log that its tables name exists under that name."""
    known = promql.known_names()
    named = HOPS.findall((ROOT / "docs" / "doctor.md").read_text())
    walked = {one for row in named for one in row.split(", ")}
    said = "\n".join(text for path in SOURCES for text in texts(path))
    rows = (ROOT / "docs" / "troubleshooting.md").read_text().splitlines()
    cells = [row.split("|")[3] for row in rows if row.startswith("| ") and row.count("|") == 5]
    assert len(cells) > 40
    for told in (part for cell in cells for part in re.split("; |, in ", cell)):
        names = re.findall("`([^`]+)`", told)
        for name in names:
            if told.strip().startswith("hop"):
                assert name in walked, name
            elif told.strip().startswith("log"):
                assert name in said, name
            elif re.fullmatch("(celery|portless|otelcol|up)[a-z_]*", name):
                assert name in known, name


def texts(path: Path) -> list[str]:
    """The texts in a module, those that stand in several pieces as one."""
    tree = ast.parse(path.read_text())
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
