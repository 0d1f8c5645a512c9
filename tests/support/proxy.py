"""A TCP proxy in front of a collector that behaves as networks and sick servers do.

What it does is `mode`, and may change at any time; connections that are open then are cut. Its own
port stays the same, also when what is behind it comes back on another.
"""

from __future__ import annotations

import enum
import random
import selectors
import socket
import struct
import threading
import time
from contextlib import suppress


class Mode(enum.Enum):
    """How it treats a connection."""

    PASS = "hands everything on"
    REFUSE = "has no listener"
    BLACKHOLE = "accepts, and never reads nor answers"
    SLOW = "hands on a little at a time"
    GARBAGE = "answers with what is no success and mostly no HTTP"
    HALF_OPEN = "hands the request on and keeps the answer"
    RESET = "cuts off in the middle of the request"


class Proxy:
    """A running proxy on loopback."""

    def __init__(self, seed: int = 0) -> None:
        self.target = 0
        """The port behind it."""
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._mode = Mode.PASS
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = self._accept_on(self._listener)

    @property
    def mode(self) -> Mode:
        """What it does now."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode is Mode.REFUSE:
            self._stop_listening()
        elif before is Mode.REFUSE:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            self._accepting = self._accept_on(self._listener)
        self.cut()

    def cut(self) -> None:
        """End every connection that is open."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        self._closed = True
        if self._mode is not Mode.REFUSE:
            self._stop_listening()
        self.cut()

    def _stop_listening(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()
        self._accepting.join()

    def _accept_on(self, listener: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(client)
            threading.Thread(target=self._serve, args=(client, self._mode), daemon=True).start()

    def _serve(self, client: socket.socket, mode: Mode) -> None:
        with client, suppress(OSError):
            if mode is Mode.BLACKHOLE:
                self._hold(client)
            elif mode is Mode.GARBAGE:
                client.recv(1 << 16)
                client.sendall(self._garbage())
            elif mode is Mode.RESET:
                client.recv(100)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self._hand_on(client, mode)
        with self._lock:
            self._open.discard(client)

    def _hold(self, client: socket.socket) -> None:
        while client in self._open:
            time.sleep(0.05)

    def _garbage(self) -> bytes:
        return self._random.choice(
            (
                self._random.randbytes(200),
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 99999\r\n\r\nhalf",
                b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                b"HTTP/1.1 ",
                b"",
            )
        )

    def _hand_on(self, client: socket.socket, mode: Mode) -> None:
        with (
            socket.create_connection(("127.0.0.1", self.target), 5) as server,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while client in self._open:
                for key, _ in selector.select(0.1):
                    source: socket.socket = key.fileobj  # type: ignore[assignment] # registered so
                    data = source.recv(512 if mode is Mode.SLOW else 1 << 16)
                    if not data:
                        return
                    if mode is Mode.SLOW:
                        time.sleep(0.02)
                    if mode is not Mode.HALF_OPEN or source is client:
                        key.data.sendall(data)
