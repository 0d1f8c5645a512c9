"""Whoever binds in a process that must not listen is refused and told of, each in its own process.

The hook cannot be removed, so every test has a Python of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.guard import bindhook

ROOT = Path(__file__).parents[2]
PRELUDE = """
import socket, sys, threading
from telemetry.guard.bindhook import BindRefusedError, forbid_listening
def bind(address, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    sock = socket.socket(family, kind)
    sock.bind(address)
    return sock
told = []
def tell():
    told.append(1)
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run it in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_bind_is_refused_counted_and_shown() -> None:
    """The error names the address, the log has the stack that tried, the counter knows."""
    done = python("""
forbid_listening("refuse", tell)
def culprit():
    bind(("0.0.0.0", 9540))
for attempt in (1, 2):
    try:
        culprit()
    except PermissionError as error:
        assert isinstance(error, BindRefusedError)
        assert error.address == ("0.0.0.0", 9540)
        assert error.attempts == len(told) == attempt
        assert "9540" in str(error)
    else:
        raise SystemExit("it was bound")
""")
    assert done.returncode == 0, done.stderr
    assert "refused to bind a socket to ('0.0.0.0', 9540)" in done.stderr
    assert "in culprit" in done.stderr
    assert "bindhook.py" not in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        'socket.create_server(("127.0.0.1", 8000))',
        'socket.create_server(("", 0))',
        'bind(("::", 0), socket.AF_INET6)',
        'bind(("10.0.0.1", 0))',
        'bind(("", 9), kind=socket.SOCK_DGRAM)',
        'import http.server; http.server.HTTPServer(("", 9540), None)',
        "import asyncio; asyncio.run(asyncio.start_server(print, port=9540))",
        "import prometheus_client; prometheus_client.start_http_server(9540)",
        "import multiprocessing.managers as m; m.BaseManager(('127.0.0.1', 9540)).get_server()",
    ],
)
def test_whatever_listens_in_python_is_refused(code: str) -> None:
    """Any address that somebody else can reach, however it comes to be bound."""
    # asyncio and socket wrap the error, and keep its kind.
    done = python(f"forbid_listening()\ntry:\n    {code}\nexcept PermissionError:\n    print('no')")
    assert done.stdout == "no\n", done.stderr
    assert "refused to bind a socket" in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import urllib3",
        'bind(("::1", 0), socket.AF_INET6)',
        'bind(("127.0.0.1", 0))',
        'bind(("localhost", 0))',
        "import tempfile; bind(tempfile.mkdtemp() + '/s', socket.AF_UNIX)",
        'bind("\\0abstract", socket.AF_UNIX)',
        "bind((0, 0), socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socketpair()",
        "import multiprocessing as m; m.Manager().shutdown()",
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="has the families of Linux")
def test_what_nobody_can_reach_is_let_pass(code: str) -> None:
    """Probes of loopback, Unix sockets and talks with the kernel."""
    done = python(f"forbid_listening('refuse', tell)\n{code}\nassert not told")
    assert done.returncode == 0, done.stderr


def test_a_warning_lets_it_pass() -> None:
    """In mode warn the socket is bound, counted and logged; off, it is not even counted."""
    done = python("""
forbid_listening("warn", tell)
bind(("0.0.0.0", 0)).listen()
assert len(told) == 1
forbid_listening("off", tell)
bind(("0.0.0.0", 0)).listen()
assert len(told) == 1
""")
    assert done.returncode == 0, done.stderr
    assert "bound a socket to ('0.0.0.0', 0)" in done.stderr


def test_off_from_the_start_leaves_no_trace() -> None:
    """No hook is added that would be there for ever."""
    done = python("""
seen = []
sys.addaudithook(lambda event, args: event == "sys.addaudithook" and seen.append(event))
forbid_listening("off")
assert not seen
forbid_listening("warn")
forbid_listening("refuse")
assert len(seen) == 1
""")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_threads_and_forks_are_watched_too() -> None:
    """The hook is the interpreter's, and a forked process has a copy."""
    done = python("""
import os
forbid_listening()
def refused():
    try:
        bind(("0.0.0.0", 0))
    except BindRefusedError:
        told.append(1)
thread = threading.Thread(target=refused)
thread.start()
thread.join()
if (pid := os.fork()) == 0:
    refused()
    os._exit(len(told))
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
""")
    assert done.returncode == 0, done.stderr


def test_who_is_told_may_fail_and_may_bind() -> None:
    """A log handler that binds a socket itself gets no endless echo; an error stays inside."""
    done = python("""
import logging
class Binds(logging.Handler):
    def emit(self, record):
        try:
            bind(("0.0.0.0", 0))
        except BindRefusedError:
            told.append(1)
logging.getLogger().addHandler(Binds())
def fails():
    raise ValueError
forbid_listening("refuse", fails)
try:
    bind(("0.0.0.0", 1))
except BindRefusedError as error:
    assert error.attempts == 1
    assert told == [1]
else:
    raise SystemExit("it was bound")
""")
    assert done.returncode == 0, done.stderr


def test_many_attempts_fill_no_log() -> None:
    """All are refused and counted, the first ones are logged."""
    done = python("""
forbid_listening("refuse", tell)
for _ in range(200):
    try:
        bind(("0.0.0.0", 0))
    except BindRefusedError:
        pass
assert len(told) == 200
""")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("refused to bind") == bindhook.STACKS_MAX


def test_a_socket_that_was_never_bound_can_listen() -> None:
    """The limit that the documentation tells of: Python has no audit event for listen."""
    done = python("""
forbid_listening("refuse", tell)
socket.socket().listen()
assert not told
""")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "mode"), [("", "warn"), (" Refuse ", "refuse"), ("warn", "warn"), ("off", "off")]
)
def test_the_environment_chooses(text: str, mode: str) -> None:
    """Unset and empty mean that it is only told of."""
    assert bindhook.mode({"PORTLESS_GUARD": text}) == mode
    assert bindhook.mode({}) == "warn"


def test_a_word_that_is_no_mode_is_refused() -> None:
    """A typing error must not leave the door open."""
    with pytest.raises(ValueError, match="'refused'; refuse, warn and off are possible"):
        bindhook.mode({"PORTLESS_GUARD": "refused"})
