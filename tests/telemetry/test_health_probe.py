"""`portless health`: a line and an exit code, whatever lies where the file should be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.health import probe, state_file
from telemetry.health import state as states
from tests.support.health import well
from tests.support.worker import ROOT


class Host:
    """A machine with a state directory, some workers, and somebody who probes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def worker(self, node: str = "w@lab", **changes: object) -> Path:
        path = state_file.path_of(str(self.directory), node)
        state_file.write(path, well(node, **changes))
        return Path(path)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A machine whose state directory is named."""
    monkeypatch.setenv("PORTLESS_STATE_DIR", str(tmp_path))
    return Host(tmp_path)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code, and the one line."""
    code = probe.main(arguments)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, out


def test_one_worker_needs_no_name(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """As in a container, where there is one."""
    host.worker()
    assert asked(capsys, "live")[0] == 0
    code, line = asked(capsys, "ready")
    assert code == 0
    assert line.startswith("ready: w@lab: consumes from 1 queue(s)")


def test_several_workers_have_to_be_named(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """A probe that took any of them would say nothing about the others."""
    host.worker("a@lab")
    host.worker("b@lab", phase=states.CONNECTING)
    code, line = asked(capsys, "ready")
    assert code == 1
    assert "a@lab, b@lab" in line
    assert asked(capsys, "ready", "--node", "a@lab")[0] == 0
    assert asked(capsys, "ready", "--node=b@lab")[0] == 1
    assert asked(capsys, "live", "--node=b@lab")[0] == 0


def test_names_are_completed_as_celery_does(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """`-n w` is w on this machine, and %h is this machine."""
    host.worker(f"w@{socket.gethostname()}")
    assert asked(capsys, "live", "-n", "w")[0] == 0
    assert asked(capsys, "live", "-n", "w@%h")[0] == 0
    assert asked(capsys, "live", "-n", "v")[0] == 1


def test_no_two_names_share_a_file() -> None:
    """Nor does a name lead out of the directory."""
    names = ["a@b", "a/b", "a%2F%b", "../a", "ä@b", "A@b", "a b", "a@b.json", "%", "%25%"]
    files = {state_file.path_of("/d", name) for name in names}
    assert len(files) == len(names)
    assert all(Path(file).parent == Path("/d") for file in files)


def test_a_process_that_is_gone_is_dead_at_once(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed with -9 it left its file, and the file is still young."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host.worker(pid=ended.pid)
    code, line = asked(capsys, "live")
    assert (code, line) == (1, f"not live: w@lab: its process {ended.pid} is gone\n")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 60_000, b'{"node": 1}', b"\xff\xfe"])
def test_a_file_of_another_s_is_no_life(
    host: Host, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """It is named, and nothing is raised."""
    host.worker().write_bytes(content)
    code, line = asked(capsys, "live")
    assert code == 1
    assert "cannot be read" in line


def test_nobody_is_there(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says where was looked."""
    code, line = asked(capsys, "live")
    assert code == 1
    assert str(host.directory) in line


def test_telemetry_that_is_off_kills_no_worker(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without telemetry there is no file; whoever turns it off does not want restarts."""
    assert not list(host.directory.iterdir())
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    code, line = asked(capsys, "live")
    assert code == 0
    assert "OTEL_SDK_DISABLED" in line


@pytest.mark.parametrize(
    "arguments",
    [["lively"], ["live", "--node"], ["live", "--max-age", "-1"], ["--max-busy=x", "live"], []],
)
def test_wrong_arguments_are_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the way it is used, and never the code of a verdict."""
    assert probe.main(arguments) == 2
    output = capsys.readouterr()
    assert "Usage: portless health" in output.out + output.err


def test_it_imports_next_to_nothing(host: Host) -> None:
    """Neither Celery, the SDK nor click, and nothing that takes milliseconds for its own sake."""
    host.worker()
    script = (
        "import sys\n"
        "sys.argv = ['portless', 'health', 'live']\n"
        "from telemetry.__main__ import main\n"
        "assert main() == 0\n"
        "heavy = {'celery', 'kombu', 'click', 'opentelemetry', 'dataclasses', 'argparse',"
        " 'pathlib', 'socket', 'logging', 'urllib.parse', 'tempfile', 'telemetry.install'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    environ = {"PYTHONPATH": str(ROOT), "PORTLESS_STATE_DIR": str(host.directory)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_private_place_is_made_where_none_is_named(tmp_path: Path) -> None:
    """In the runtime directory, else among temporary files, for this user alone."""
    runtime, temporary = tmp_path / "run", tmp_path / "tmp"
    runtime.mkdir()
    temporary.mkdir()
    environ = {"XDG_RUNTIME_DIR": str(runtime), "TMPDIR": str(temporary)}
    assert state_file.writable(environ) == str(runtime / "portless")
    assert (runtime / "portless").stat().st_mode & 0o777 == 0o700
    del environ["XDG_RUNTIME_DIR"]
    assert state_file.writable(environ) == str(temporary / f"portless-{os.getuid()}")


def test_the_first_place_that_has_a_file_is_the_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies among the temporary files from other times does not make a choice necessary."""
    runtime, temporary = tmp_path / "run", tmp_path / "tmp"
    for variable, place in (("XDG_RUNTIME_DIR", runtime), ("TMPDIR", temporary)):
        place.mkdir()
        Host(Path(state_file.writable({variable: str(place)}))).worker(f"{place.name}@lab")
    monkeypatch.delenv("PORTLESS_STATE_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert "tmp@lab" in asked(capsys, "live")[1]
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert "run@lab" in asked(capsys, "live")[1]


def test_a_place_of_somebody_else_s_is_refused(tmp_path: Path) -> None:
    """A link, or a directory where others may write, could be read as a worker's health."""
    place = tmp_path / f"portless-{os.getuid()}"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    with pytest.raises(state_file.UnusableError, match="PORTLESS_STATE_DIR"):
        state_file.writable({"TMPDIR": str(tmp_path)})
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(state_file.UnusableError, match="somebody else"):
        state_file.writable({"TMPDIR": str(tmp_path)})


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """As on a file system that is read-only."""
    (tmp_path / "file").touch()
    with pytest.raises(state_file.UnusableError, match="emptyDir"):
        state_file.writable({"PORTLESS_STATE_DIR": str(tmp_path / "file" / "state")})
