"""The proof that nothing listens can see what does."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from demo.sockets import family, listening

if TYPE_CHECKING:
    from pathlib import Path

LISTENER = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)):
    print("ready", flush=True)
    sys.stdin.read()
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def of_me() -> set[str]:
    """What this process listens on; the tests look at what is added."""
    return {what.partition(": ")[2] for what in listening([psutil.Process()])}


def test_a_tcp_socket_that_listens_is_seen() -> None:
    """With its address, and only while it listens."""
    before = of_me()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert of_me() - before == {f"TCP 127.0.0.1:{server.getsockname()[1]}"}
    assert of_me() == before


def test_a_udp_socket_that_takes_from_anybody_is_seen() -> None:
    """Bound it is; connected, it takes from one."""
    before = of_me()
    with socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        assert of_me() - before == {f"UDP 127.0.0.1:{bound.getsockname()[1]}"}
        bound.connect(("127.0.0.1", 9))
        assert of_me() == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of Unix sockets")
def test_a_unix_socket_that_listens_is_seen(tmp_path: Path) -> None:
    """Listening it is, not merely bound."""
    before = of_me()
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        assert of_me() == before
        unix.listen()
        assert of_me() - before == {f"Unix socket {tmp_path}/s"}


def test_children_of_children_belong_to_the_family() -> None:
    """A pool process of a worker is looked at like the worker; one that has ended is no error."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, LISTENER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        processes = family([child.pid])
        assert len(processes) == 2
        assert len(listening(processes)) == 1
        child.stdin.close()
        child.wait()
    assert family([child.pid]) == []
    assert listening(processes) == []
