"""A server of the collector in a thread of its own, and a client that sends bytes as they are."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from collector.server.http_server import HttpServer
from collector.server.limits import Limit, Limits
from collector.server.listening import listen
from collector.settings import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import TracebackType

    from collector.server.messages import Handler
    from collector.server.places import Server

PATIENCE_SECONDS = 10.0
"""How long something may take that should happen at once: a guard, not a promise."""
DATE = "Mon, 23 Nov 2026 13:12:17 GMT"


class Reply(NamedTuple):
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Client:
    """A connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Client:  # noqa: PYI034 - Self is younger than Python 3.10
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def send(self, data: bytes, seconds: float = PATIENCE_SECONDS) -> None:
        """Send bytes; raises TimeoutError where they are not taken."""
        self._socket.settimeout(seconds)
        self._socket.sendall(data)
        self._socket.settimeout(PATIENCE_SECONDS)

    def reply(self, *, bare: bool = False) -> Reply:
        """Read an answer; `bare` where it has no body, as those to HEAD."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        length = 0 if bare else int(headers.get("content-length", "0"))
        return Reply(status, headers, self._file.read(length))

    def rest(self) -> bytes:
        """Read until the server closes."""
        return self._file.read()

    def ask(self, data: bytes, *, bare: bool = False) -> Reply:
        """Send a request and read its answer."""
        self.send(data)
        return self.reply(bare=bare)


def request(method: str = "POST", target: str = "/", body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of a request; `content_type="x"` is the header Content-Type."""
    fields = {"Host": "test", **{name.replace("_", "-"): text for name, text in headers.items()}}
    if body:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body


class Served:
    """A running server whose clock the test moves."""

    def __init__(self, server: Callable[[float], Server]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._now = 1000.0
        self._server = server(self._now)
        listening = listen(Endpoint("127.0.0.1", 0), "test")
        self.port: int = listening.getsockname()[1]
        self._run(self._server.start(listening))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    def client(self) -> Client:
        """Connect."""
        return Client(self.port)

    def later(self, seconds: float) -> None:
        """Let time pass for the server."""

        async def tick() -> None:
            self._server.tick(self._now, DATE)

        self._now += seconds
        self._run(tick())

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Have the server do something else while the block lasts."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(done.wait, PATIENCE_SECONDS)
        yield
        done.set()

    def drain(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Drain the server; returns when all connections are closed."""
        self._run(self._server.drain(seconds))

    def begin_drain(self) -> threading.Thread:
        """Drain the server meanwhile."""
        draining = threading.Thread(target=self.drain)
        draining.start()
        return draining

    def counted(self, limit: Limit) -> float:
        """How often a limit was met."""
        wanted = ("limit", limit.value)
        return sum(one.value for one in self._server.samples() if wanted in one.labels)

    def told(self, name: str) -> float:
        """One of the server's own numbers."""
        return sum(one.value for one in self._server.samples() if one.name == name)

    @property
    def connections(self) -> float:
        """How many connections are open."""
        return self._server.samples()[0].value

    @property
    def buffered_bytes(self) -> int:
        """Length of the bodies that are coming in."""
        assert isinstance(self._server, HttpServer)
        return self._server._room.buffered_bytes

    def stop(self) -> None:
        """Close everything."""
        self.drain(0.0)
        self._run(_settled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()


async def _settled() -> None:
    """Let transports that were told to close do so."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@contextmanager
def serving(handler: Handler, limits: Limits | None = None) -> Iterator[Served]:
    """Run a server while the block lasts."""
    limited = limits or Limits(connections_max=100)
    with serving_by(lambda now: HttpServer("test", handler, limited, now, DATE)) as served:
        yield served


@contextmanager
def serving_by(server: Callable[[float], Server]) -> Iterator[Served]:
    """Run a server of any kind while the block lasts; it is told the time when it is made."""
    served = Served(server)
    try:
        yield served
    finally:
        served.stop()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is true that another thread or process makes true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.005)
