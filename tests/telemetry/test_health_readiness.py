"""Readiness over ASGI: how often checks run, how long they may take, and what is told to whom."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.metrics import CallbackOptions

from telemetry.health import told
from telemetry.health.access import Access
from telemetry.health.asgi import Health
from telemetry.health.readiness import Check, NotReady, Readiness, described

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "0123456789abcdef0123"


class Server:
    """An API that needs one thing, called "thing"; counts how often it is looked at."""

    def __init__(self, run: Callable[[], None], *, check_seconds_max: float = 2.0) -> None:
        self.runs = 0
        self._run = run
        readiness = Readiness([Check("thing", self._look)], check_seconds_max=check_seconds_max)
        self._health = Health(readiness, Access(TOKEN))

    def _look(self) -> None:
        self.runs += 1
        self._run()

    async def ask(
        self, path: str = "/health/ready", token: str = "", method: str = "GET", root: str = ""
    ) -> tuple[int, Any, dict[bytes, bytes]]:
        """The status, the body, the headers."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request"}

        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        scope = {"type": "http", "method": method, "path": path, "root_path": root}
        await self._health({**scope, "headers": headers, "client": ("8.8.8.8", 1)}, receive, send)
        body = sent[1]["body"]
        return sent[0]["status"], json.loads(body) if body else None, dict(sent[0]["headers"])

    def get(self, *args: Any, **kwargs: Any) -> tuple[int, Any, dict[bytes, bytes]]:
        """Ask, from a loop of its own."""
        return asyncio.run(self.ask(*args, **kwargs))


def well() -> None:
    """Nothing is wrong."""


def broken() -> None:
    """It is found to be broken."""
    raise NotReady("it is broken")


def crashes() -> None:
    """Something else is wrong."""
    raise OSError("a password stands in here")


def test_ready_and_live() -> None:
    """200 for both; nobody caches an answer."""
    server = Server(well)
    status, body, headers = server.get()
    assert (status, body) == (200, {"status": "ready"})
    assert headers[b"cache-control"] == b"no-store"
    assert server.get("/health/live")[:2] == (200, {"status": "live"})
    assert server.runs == 1


def test_live_asks_nobody() -> None:
    """What is broken elsewhere is no reason to restart this process."""
    server = Server(broken)
    assert server.get("/health/live")[0] == 200
    assert server.runs == 0


def test_not_ready_names_the_check_and_the_token_buys_the_reason() -> None:
    """503 for everybody; what is wrong only for who may know."""
    server = Server(broken)
    assert server.get()[:2] == (503, {"status": "not ready", "failed": ["thing"]})
    assert server.get(token="wrong" * 5)[1] == server.get()[1]
    (check,) = server.get(token=TOKEN)[1]["checks"]
    assert (check["name"], check["ok"], check["why"]) == ("thing", False, "it is broken")


def test_an_error_is_named_and_not_quoted() -> None:
    """Not even to who may know: drivers put addresses and values into messages."""
    (check,) = Server(crashes).get(token=TOKEN)[1]["checks"]
    assert check["why"] == "OSError"
    assert described(ValueError("secret")) == "ValueError"


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/health/ready", ""),
        ("/ready", ""),
        ("/api/health/ready", "/api/health"),
        ("/api/health/ready", "/api"),
        ("/health/ready/", ""),
    ],
)
def test_wherever_it_is_mounted(path: str, root: str) -> None:
    """Frameworks cut the prefix off, or tell it as the root path."""
    assert Server(well).get(path, root=root)[0] == 200


def test_nothing_else_is_there() -> None:
    """404, and 405 for what would change something; HEAD is GET without a body."""
    server = Server(well)
    assert server.get("/health")[0] == 404
    assert server.get("/health/ready/now")[0] == 404
    status, _, headers = server.get(method="POST")
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD")
    assert server.get(method="HEAD")[:2] == (200, None)


def test_probes_do_not_hammer() -> None:
    """A hundred that ask at once, and others right after them, share one look."""

    async def hammer() -> None:
        server = Server(lambda: time.sleep(0.2))
        answers = await asyncio.gather(*(server.ask() for _ in range(100)))
        assert {answer[0] for answer in answers} == {200}
        await server.ask()
        assert server.runs == 1

    asyncio.run(hammer())


def test_one_who_goes_away_takes_no_answer_from_others() -> None:
    """A probe's timeout is shorter than a check's: the look goes on for who still waits."""

    async def leave() -> None:
        server = Server(lambda: time.sleep(0.3))
        impatient = asyncio.create_task(server.ask())
        patient = asyncio.create_task(server.ask())
        await asyncio.sleep(0.05)
        impatient.cancel()
        assert (await patient)[0] == 200
        assert server.runs == 1

    asyncio.run(leave())


def test_what_hangs_is_asked_once_and_holds_up_nobody() -> None:
    """The answer comes in time; as long as the look hangs there is no second one."""
    free = threading.Event()

    async def hang() -> None:
        server = Server(lambda: free.wait(30) and None, check_seconds_max=0.05)
        for _ in range(2):
            status, body, _ = await server.ask(token=TOKEN)
            assert status == 503
            assert "no answer within" in body["checks"][0]["why"]
            await asyncio.sleep(1.01)  # the cache is older than that
        assert server.runs == 1
        free.set()
        await asyncio.sleep(0.2)
        assert (await server.ask())[0] == 200

    asyncio.run(hang())


def test_checks_have_names_of_their_own() -> None:
    """And there is at least one: an API that checks nothing is not ready, it is unknown."""
    for checks in ([], [Check("a", well), Check("a", broken)]):
        with pytest.raises(ValueError, match="names of their own"):
            Readiness(checks)


def test_what_was_found_is_told_as_a_metric_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """By check, 1 or 0, without a reason; of two of one name the worse; nothing that is old."""
    one = Readiness([Check("told-a", well), Check("told-b", fails)])
    other = Readiness([Check("told-a", fails)])

    def now() -> dict[str, int]:
        seen = told._observe(CallbackOptions())
        found = {str(dict(each.attributes or {})["check"]): int(each.value) for each in seen}
        return {name: value for name, value in found.items() if name.startswith("told-")}

    assert now() == {}
    asyncio.run(one.report())
    assert now() == {"told-a": 1, "told-b": 0}
    asyncio.run(other.report())
    assert now() == {"told-a": 0, "told-b": 0}
    later = time.monotonic() + told.FRESH_SECONDS + 1
    monkeypatch.setattr(told, "monotonic", lambda: later)
    assert now() == {}


def fails() -> None:
    """Something is wrong."""
    raise NotReady("it is")
