"""The layout is a promise: imports point up the river, and the outside world is at the rim."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

RANKS = {
    # A room imports rooms of earlier lines only; rooms of one line do not see each other.
    "collector": [
        "errors model settings push_settings reading otelcol",
        "probes",
        "fields histogram wire extent journal register",
        "ledger exposition access confighttp go_regexp rule attributes",
        "aggregation",
        "ottl",
        "receivers processors exporters extensions service self_metrics",
        "components",
        "plan redacted outlets",
        "rewriting",
        "roster",
        "route",
        "recording",
        "binding expiry leaks explain",
        "state copies",
        "keeper",
        "engine",
        "intake page",
        "river",
        "server",
        "doctor command_line",
        "cli",
        "__main__",
    ],
    "telemetry": [
        "carry catalog ticker guard instruments slots",
        "identity settings tally closed",
        "tasks",
        "state",
        "export",
        "broker tracing",
        "reporter flush health",
        "doctor",
        "process",
        "install",
        "zero",
        "__init__",
        "cli",
        "__main__",
    ],
    # What both doctors share; only they may import it, and it imports neither package.
    "doctor": [
        "__init__",
        "asking options walk",
        "page pushing",
        "mark",
        "prometheus",
    ],
}
COMMON = "doctor"
RIM = {
    "collector": {"server", "doctor", "cli"},
    "telemetry": {
        *("broker", "doctor", "export", "guard", "health", "instruments", "process", "reporter"),
        *("state", "tasks", "ticker", "tracing"),
    },
    "doctor": {"asking", "page", "pushing", "mark", "prometheus"},
}
OUTSIDE = {"asyncio", "http", "requests", "random", "signal", "socket", "ssl", "subprocess"}
OUTSIDE |= {"threading", "time"}
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    *("os.fork", "os.geteuid", "os.getuid", "os.kill", "os.killpg", "os.register_at_fork"),
    *("os.setsid", "os.waitpid", "os.wait", "os.mkfifo", "os.sched_getaffinity"),
    *("signal.SIGKILL", "signal.SIGQUIT", "signal.SIGHUP", "signal.SIGUSR1", "signal.SIGUSR2"),
    *("signal.SIGALRM", "signal.SIGCHLD", "signal.SIGSTOP", "signal.SIGCONT", "signal.setitimer"),
    *("signal.pthread_sigmask", "signal.pthread_kill", "signal.sigwait", "signal.pause"),
    *("socket.AF_UNIX", "socket.AF_NETLINK", "socket.AF_ALG"),
}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

FILES = sorted(path for package in RANKS for path in (ROOT / package).rglob("*.py"))


def module_of(path: Path) -> tuple[str, ...]:
    """The dotted name of a file, in parts."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts if parts[-1] != "__init__" or len(parts) == 2 else parts[:-1]


def room_of(module: tuple[str, ...]) -> str:
    """The file or folder directly below the package."""
    return module[1] if len(module) > 1 else "__init__"


def rank(module: tuple[str, ...]) -> int:
    """Which line of RANKS a module's room stands on."""
    lines = RANKS[module[0]]
    found = [at for at, rooms in enumerate(lines) if room_of(module) in rooms.split()]
    assert found, f"{'.'.join(module)}: give the room a place in RANKS"
    return found[0]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, those for type checking included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up_the_river(path: Path) -> None:
    """No room imports one below it, the packages never meet, effects stay at the rim."""
    me = module_of(path)
    for target in (tuple(name.split(".")) for name in imports(path)):
        if target[0] == COMMON != me[0]:
            assert room_of(me) == COMMON, "only a doctor may import what doctors share"
        elif target[0] in RANKS:
            assert target[0] == me[0], f"{'.'.join(target)}: the only bridge is OTLP"
            if len(target) == 1 or room_of(target) == room_of(me):
                continue
            assert rank(target) < rank(me), f"may not import {'.'.join(target)}"
        elif target[0] in OUTSIDE:
            assert room_of(me) in RIM[me[0]], f"may not touch {target[0]}"


def test_every_room_is_in_the_architecture() -> None:
    """docs/architecture.md tells of each file and folder right below the two packages."""
    text = (ROOT / "docs/architecture.md").read_text()
    rooms = [
        f"{path.name}/" if path.is_dir() else path.name
        for package in ("collector", "telemetry")
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" or any(path.glob("*.py"))) and not path.name.startswith("__")
    ]
    assert not [room for room in rooms if f"`{room}`" not in text and f"/{room}`" not in text]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_fit_a_screen(path: Path) -> None:
    """A file says what it is for, and stays small enough to be read."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "open the file with what comes in, what goes out"
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


def test_the_worker_side_can_be_imported_where_there_is_no_posix() -> None:
    """Whatever Windows lacks is taken away, then every module is imported anew."""
    modules = [".".join(module_of(path)) for path in FILES if module_of(path)[0] == "telemetry"]
    modules.remove("telemetry.__main__")
    code = (
        "import importlib, os, signal, socket, sys, threading\n"
        "import celery.worker, celery.beat, celery.concurrency.prefork, click, psutil\n"
        "import opentelemetry.sdk.metrics, opentelemetry.sdk.trace\n"
        "import opentelemetry.exporter.otlp.proto.http.metric_exporter\n"
        f"for name in {sorted(POSIX_MODULES)!r}:\n"
        "    sys.modules[name] = None\n"
        f"for name in {sorted(POSIX_NAMES)!r}:\n"
        "    module, _, what = name.partition('.')\n"
        "    if hasattr(sys.modules[module], what):\n"
        "        delattr(sys.modules[module], what)\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_worker_imports_no_server() -> None:
    """Whatever the worker side imports directly, nothing of it can listen."""
    for path in FILES:
        if module_of(path)[0] == "telemetry":
            servers = {"http.server", "socketserver", "wsgiref", "uvicorn", "httptools", "aiohttp"}
            assert not imports(path) & servers
