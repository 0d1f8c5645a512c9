"""A tripwire in the process itself: whoever binds a socket to an address is refused, or told of.

Comes in: what CPython's audit hooks see of `socket.bind`. Goes out: a `BindRefusedError` to whoever
tried, a log line with the stack, a call for whoever counts. It knows no Celery and no metric.

A tripwire and no proof. There is an audit event for bind and none for listen: a socket that listens
without having been bound gets a port from the system, and passes. So does what binds in C: gRPC's
core, a database driver, ctypes. `portless guard sockets` sees all of these, from outside.

Once there, the hook stays for the life of the process and of all it forks: Python cannot remove it.
"""

from __future__ import annotations

import errno
import ipaddress
import itertools
import logging
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

Mode = Literal["refuse", "warn", "off"]
VARIABLE = "PORTLESS_GUARD"
DEFAULT: Mode = "warn"
"""What a worker does unasked: an error in somebody's task is theirs to choose, a line is not."""
STACKS_MAX = 10
"""Attempts that are logged with their stack; a loop that tries again must not fill the disk."""
_LOCAL_FAMILIES = frozenset(
    getattr(socket, name)
    for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG")
    if hasattr(socket, name)  # Windows has none of them
)
"""Families whose addresses no other machine can reach: files and the kernel."""


class BindRefusedError(PermissionError):
    """A process that must not listen tried to bind a socket."""

    def __init__(self, address: object, attempts: int) -> None:
        super().__init__(
            errno.EACCES,
            f"this process must not listen, but binds to {address} (attempt {attempts}); "
            f"{VARIABLE}=warn would only log it",
        )
        self.address = address
        self.attempts = attempts
        """How many there were in this process, with this one."""


class _Tripwire:
    """The one hook of this process."""

    def __init__(self) -> None:
        self.mode: Mode = "off"
        self.tell: Callable[[], None] = _nobody
        # Threads may count at once; a lock might be held while another thread forks.
        self._attempts = itertools.count(1)
        self._telling = threading.local()

    def binds(self, sock: socket.socket, address: object) -> None:
        """Somebody is about to bind a socket. Raises `BindRefusedError`."""
        if self.mode == "off":
            return
        try:
            if _is_harmless(sock, address):
                return
        except Exception:
            # What it cannot judge is not harmless; in mode warn it must not fail either.
            logger.debug("an address could not be judged", exc_info=True)
        attempt = next(self._attempts)
        # What logs or counts may bind a socket itself: that is refused without a word.
        if not getattr(self._telling, "now", False):
            self._telling.now = True
            try:
                self._report(address, attempt)
            finally:
                self._telling.now = False
        if self.mode == "refuse":
            raise BindRefusedError(address, attempt)

    def _report(self, address: object, attempt: int) -> None:
        try:
            if attempt <= STACKS_MAX:
                stack = "".join(traceback.format_stack()[:-3])
                refused = self.mode == "refuse"
                what = "refused to bind" if refused else "bound"
                level = logging.ERROR if refused else logging.WARNING
                logger.log(level, "%s a socket to %s, from:\n%s", what, address, stack)
            self.tell()
        except Exception:
            logger.debug("an attempt to bind could not be told", exc_info=True)


def _hook(binds: Callable[..., None]) -> Callable[[str, tuple[Any, ...]], None]:
    """What Python calls for each of its audit events, of which gevent's pool makes ten a task.

    A plain function, since an object's `__call__` takes Python half as long again.
    """

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.bind":
            binds(*args)

    return hear


def _nobody() -> None:
    """Nobody wants to be told."""


_tripwire: _Tripwire | None = None


def mode(environ: Mapping[str, str]) -> Mode:
    """What PORTLESS_GUARD asks for; `DEFAULT` where it is unset or empty. Raises `ValueError`."""
    text = environ.get(VARIABLE, "").strip().lower()
    if not text:
        return DEFAULT
    if text == "off":
        return "off"
    if text == "refuse":
        return "refuse"
    if text == "warn":
        return "warn"
    raise ValueError(f"{VARIABLE} is {text!r}; refuse, warn and off are possible")


def forbid_listening(mode: Mode = "refuse", tell: Callable[[], None] = _nobody) -> None:
    """From now on no socket of this process gets an address, except on loopback for one answer.

    Allowed are port 0 of a loopback address, as urllib3 binds once to see whether there is IPv6,
    and Unix sockets. `tell` is called at each attempt, in the thread that tried, and must neither
    block nor raise. Doing it again changes the mode and who is told; "off" lets everything pass.
    """
    global _tripwire  # noqa: PLW0603 - a process has one, and keeps it
    if _tripwire is None:
        if mode == "off":
            return
        _tripwire = _Tripwire()
        sys.addaudithook(_hook(_tripwire.binds))
    _tripwire.mode, _tripwire.tell = mode, tell


def _is_harmless(sock: socket.socket, address: object) -> bool:
    if sock.family in _LOCAL_FAMILIES:
        return True
    if not isinstance(address, tuple) or len(address) < 2:
        return False
    host, port = address[:2]
    return port == 0 and _is_loopback(host)


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes | bytearray):
        host = host.decode("latin-1")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False
