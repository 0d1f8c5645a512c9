"""What listens is seen from outside, and only that; who may not look does not say all is well."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import psutil
import pytest
from click.testing import CliRunner

from telemetry.cli import main
from telemetry.guard import bindhook, procfs
from telemetry.guard.cli import LISTENED, NOT_SEEN
from telemetry.guard.sockets import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
ROOTLESS = "needs root"


def seen() -> list[str]:
    """What this process is seen to listen on."""
    mine = [each for each in Family([os.getpid()]).look().listeners if each.pid == os.getpid()]
    return sorted(str(each.socket) for each in mine)


@contextmanager
def child(code: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that says "ready" and then waits to be ended."""
    process = subprocess.Popen(
        [*command, sys.executable, "-c", f"{code}\nprint('ready', flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_tcp_that_listens_is_seen() -> None:
    """On IPv4 and IPv6, with its address, for as long as it listens."""
    before = seen()
    with socket.create_server(("127.0.0.1", 0)) as four, socket.socket(socket.AF_INET6) as six:
        six.bind(("::1", 0))
        six.listen()
        four_port, six_port = four.getsockname()[1], six.getsockname()[1]
        added = {f"TCP 127.0.0.1:{four_port}", f"TCP [::1]:{six_port}"}
        assert set(seen()) - set(before) == added
    assert seen() == before


def test_tcp_that_is_bound_or_connected_does_not_listen() -> None:
    """A client's connection, also one from a port of its choice, is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = seen()
        with socket.socket() as client, socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            client.connect(server.getsockname())
            assert seen() == before


def test_udp_listens_until_it_is_connected() -> None:
    """Who is bound takes from anybody; a connected one, as for DNS, from its peer alone."""
    before = seen()
    with socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert set(seen()) - set(before) == {f"UDP 127.0.0.1:{port}"}
        bound.connect(("127.0.0.1", 53))
        assert seen() == before


@LINUX
def test_a_unix_socket_that_listens_is_seen(tmp_path: Path) -> None:
    """By its path; one that is bound or connected is none."""
    before = seen()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "a socket"))
        assert seen() == before
        server.listen()
        client.connect(str(tmp_path / "a socket"))
        assert set(seen()) - set(before) == {f"Unix {tmp_path / 'a socket'}"}


@LINUX
def test_both_ways_of_looking_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other systems are asked through psutil is what Linux's tables say."""
    with (
        socket.create_server(("127.0.0.1", 0)),
        socket.socket(type=socket.SOCK_DGRAM) as bound,
        socket.socket(type=socket.SOCK_DGRAM) as connected,
    ):
        bound.bind(("127.0.0.1", 0))
        connected.connect(("127.0.0.1", 53))
        by_tables = [each for each in seen() if not each.startswith("Unix")]
        monkeypatch.setattr(procfs, "available", lambda: False)
        assert seen() == by_tables


def test_a_grandchild_is_in_the_family() -> None:
    """The whole tree is looked at, and the name comes without arguments."""
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); secret = 'hunter2'"
    starts = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-c', {code + chr(10) + 'input()'!r}],"
        " stdin=subprocess.PIPE)"
    )
    with child(starts) as parent:
        family = Family([parent.pid])
        while not (listeners := family.look().listeners):
            assert parent.poll() is None
        (listener,) = listeners
        assert psutil.Process(listener.pid).ppid() == parent.pid
        assert "hunter2" not in str(listener)
        assert f"[{listener.pid}] listens on TCP 127.0.0.1:" in str(listener)
        parent.kill()
        parent.wait()
        # Its parent has ended, and it belongs to somebody else now.
        psutil.wait_procs([psutil.Process(listener.pid)])
    assert family.look().listeners == ()


def test_an_orphan_stays_watched() -> None:
    """A process that was seen below another one is looked at also when that one has ended."""
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(600)"
    starts = f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {code!r}])"
    with child(starts) as parent:
        family = Family([parent.pid])
        while not (listeners := family.look().listeners):
            assert parent.poll() is None
        parent.kill()
        parent.wait()
        assert family.look().listeners == listeners
        psutil.Process(listeners[0].pid).kill()
        psutil.wait_procs([psutil.Process(listeners[0].pid)] if family.look().processes else [])


def invoke(*arguments: str) -> tuple[int, str]:
    """The command's exit code and what it prints."""
    result = CliRunner().invoke(main, ["guard", "sockets", *arguments])
    return result.exit_code, result.output


def test_the_command_has_an_exit_code_for_each_answer() -> None:
    """0: nobody listens; 1: one line per socket; 2: there is no such process."""
    with child("import socket; s = socket.create_server(('127.0.0.1', 0))") as listens:
        with child("") as silent:
            code, output = invoke(str(silent.pid))
            assert (code, output) == (0, "1 processes, and none listens\n")
            code, output = invoke(str(silent.pid), str(listens.pid))
            assert code == 1
            assert len(output.splitlines()) == 1
            assert f"[{listens.pid}] listens on TCP 127.0.0.1:" in output
        code, output = invoke(str(silent.pid))
        assert code == 2
        assert f"there is no process {silent.pid}" in output


@LINUX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason=ROOTLESS)
def test_who_may_not_look_does_not_say_that_all_is_well() -> None:
    """Another user's process: exit code 2 and its name, never 0."""
    code = (
        "import os, sys\n"
        "import psutil, telemetry.guard.sockets\n"
        "from telemetry.cli import main\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "main(['guard', 'sockets', sys.argv[1]])\n"
    )
    with child("") as process:
        done = subprocess.run(
            [sys.executable, "-c", code, str(process.pid)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert f"[{process.pid}] belongs to somebody else" in done.stderr


@LINUX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason=ROOTLESS)
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_container_is_looked_into_from_its_host() -> None:
    """A process with a network of its own: its sockets are seen, those of the host are not its."""
    if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("may not make a network namespace here")
    code = "import socket; s = socket.create_server(('0.0.0.0', 9540))"
    with child(code, "unshare", "-n") as process:
        (listener,) = Family([process.pid]).look().listeners
        assert str(listener.socket) == "TCP 0.0.0.0:9540"


def test_without_psutil_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line and exit code 2, for both commands that need it."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    for arguments in (["sockets", "1"], ["run", "--", "true"]):
        result = CliRunner().invoke(main, ["guard", *arguments])
        assert result.exit_code == 2
        assert "pip install 'portless[guard]'" in result.output


def test_every_exit_code_and_mode_is_documented() -> None:
    """docs/guard.md has what scripts rely on."""
    text = (ROOT / "docs/guard.md").read_text()
    for code in (LISTENED, NOT_SEEN, 127):
        assert f"| {code} |" in text
    for mode in get_args(bindhook.Mode):
        assert f"`{mode}`" in text or f"={mode}`" in text
    assert bindhook.VARIABLE in text
