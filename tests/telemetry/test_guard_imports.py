"""A package that can come to listen is told so, link by link, before it runs."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from telemetry.cli import main
from telemetry.guard import imports
from telemetry.guard.allowlist import Allowlist, AllowlistError, parse
from telemetry.guard.finder import Finder
from telemetry.guard.servers import SERVERS, Verdict
from telemetry.guard.source import Link

if TYPE_CHECKING:
    from click.testing import Result

    from telemetry.guard.imports import Report

ROOT = Path(__file__).parents[2]


def write(directory: Path, files: dict[str, str]) -> Path:
    """A tree of files."""
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return directory


def examined(directory: Path, allowed: str = "", package: str = "shop") -> Report:
    """What is found in a tree without a standard library, which makes it quick."""
    finder = Finder([str(directory)])
    return imports.examine([package], finder, Allowlist(parse(allowed)))


def runs(report: Report) -> list[str]:
    """The chains as an allowlist has them."""
    return [" -> ".join(chain.run) for chain in report.chains]


def invoke(*arguments: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, ["guard", "imports", *arguments])


def test_a_server_in_a_worker_is_found_with_its_chain() -> None:
    """An HTTP server that a function of the worker imports: each link with its file and line."""
    me = "tests.support.shop.worker_monitoring"
    result = invoke(me, "--path", str(ROOT))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    at = lines.index(f"{me} -> wsgiref.simple_server -> http.server -> socketserver")
    links = [line.split() for line in lines[at + 1 : at + 4]]
    assert links[0][0].endswith("shop/worker_monitoring.py:10")
    assert links[0][1:] == [me, "imports", "wsgiref.simple_server", "(lazily,", "in", "start)"]
    assert ".py:" in links[1][0]
    assert links[1][1:] == ["wsgiref.simple_server", "imports", "http.server"]
    assert links[2][1:] == ["http.server", "imports", "socketserver"]
    assert any(line.startswith(f"{me} -> prometheus_client") for line in lines)
    assert f"{me}: make_server" in lines
    assert f"{me}: serve_forever" in lines


def test_this_package_has_no_way_to_a_server() -> None:
    """What a worker gets from us needs no allowlist, with Celery and the SDK behind it."""
    result = invoke("telemetry", "--path", str(ROOT))
    assert result.exit_code == 0, result.output
    assert "0 chains and 0 calls" in result.output


@pytest.mark.parametrize(
    "text",
    [
        "import socketserver",
        "import socketserver as other",
        "from socketserver import TCPServer",
        "try:\n    import socketserver\nexcept ImportError:\n    pass",
        "if not TYPE_CHECKING:\n    import socketserver",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import socketserver",
        "class Here:\n    import socketserver",
        "import uvicorn.config",
        "from aiohttp import web",
    ],
)
def test_an_import_at_the_top_is_found(tmp_path: Path, text: str) -> None:
    """However it is written, and whether or not the module is installed."""
    (chain,) = examined(write(tmp_path, {"shop/__init__.py": text})).chains
    assert chain.steps[0].link.function is None


@pytest.mark.parametrize(
    "text",
    [
        "def serve():\n    import socketserver",
        "async def serve():\n    from socketserver import TCPServer",
        "def serve():\n    importlib.import_module('socketserver')",
        "def serve():\n    with some() as other:\n        return [__import__('socketserver')]",
        "class Here:\n    def serve(self):\n        import socketserver",
    ],
)
def test_an_import_in_a_function_is_found_and_called_lazy(tmp_path: Path, text: str) -> None:
    """It happens when the function runs, and the chain names the function."""
    (chain,) = examined(write(tmp_path, {"shop/__init__.py": text})).chains
    assert chain.steps[0].link.function == "serve"


@pytest.mark.parametrize(
    "text",
    [
        "if TYPE_CHECKING:\n    import socketserver",
        "if typing.TYPE_CHECKING:\n    import socketserver",
        "if __name__ == '__main__':\n    import socketserver",
        "import socket, asyncio, ssl, selectors",
        "from aiohttp import ClientSession",
        "importlib.import_module(name)",
    ],
)
def test_what_brings_no_server_is_left_out(tmp_path: Path, text: str) -> None:
    """Imports for type checkers and programs, and modules that everybody has."""
    report = examined(write(tmp_path, {"shop/__init__.py": text}))
    assert not report.chains
    assert not report.calls


def test_a_chain_goes_through_packages_as_python_does(tmp_path: Path) -> None:
    """Relative imports, submodules, packages without an `__init__`, what a package imports."""
    files = {
        "shop/__init__.py": "",
        "shop/deep/tasks.py": "from ..helpers import thing",
        "shop/helpers.py": "import library.part",
        "library/__init__.py": "from . import core",
        "library/core.py": "importlib.import_module('.inner', __package__)",
        "library/inner.py": "import socketserver",
        "library/part.py": "",
    }
    report = examined(write(tmp_path, files))
    run = "shop.helpers -> library -> library.core -> library.inner -> socketserver"
    assert runs(report) == [run]
    assert report.modules == 8


def test_a_chain_ends_where_the_server_is_its_own(tmp_path: Path) -> None:
    """It goes on to the server that another stands on, and not into the parts of one."""
    files = {
        "shop.py": "import wsgiref.simple_server\nfrom . import nothing",
        "store.py": "import uvicorn",
        "wsgiref/__init__.py": "",
        "wsgiref/simple_server.py": "import http.server",
        "http/__init__.py": "",
        "http/server.py": "import socketserver",
        "uvicorn/__init__.py": "from . import config",
        "uvicorn/config.py": "",
    }
    directory = write(tmp_path, files)
    run = "shop -> wsgiref.simple_server -> http.server -> socketserver"
    assert runs(examined(directory)) == [run]
    assert not examined(directory, run).chains
    assert runs(examined(directory, package="store")) == ["store -> uvicorn"]


def test_servers_that_stand_on_each_other_hide_nothing(tmp_path: Path) -> None:
    """A circle has no last one; the chain ends where it comes in."""
    files = {
        "shop.py": "import one",
        "one.py": "import two\ndef go(s):\n    s.create_server()",
        "two.py": "import one\ndef go(s):\n    s.create_server()",
    }
    assert runs(examined(write(tmp_path, files))) == ["shop -> one"]


def test_the_way_with_the_fewest_lazy_links_is_shown(tmp_path: Path) -> None:
    """What happens at import comes first, and then what is shorter."""
    files = {
        "shop/a.py": "def later():\n    import library",
        "shop/b.py": "import other",
        "other.py": "import library",
        "library.py": "import socketserver",
    }
    assert runs(examined(write(tmp_path, files))) == ["shop.b -> other -> library -> socketserver"]


def test_each_module_that_lets_a_server_in_has_its_chain(tmp_path: Path) -> None:
    """One that is allowed, or shorter, hides no other."""
    files = {
        "shop/a.py": "import socketserver",
        "shop/b.py": "import library",
        "library.py": "import socketserver",
    }
    directory = write(tmp_path, files)
    both = ["shop.a -> socketserver", "shop.b -> library -> socketserver"]
    assert runs(examined(directory)) == both
    assert runs(examined(directory, both[0])) == both[1:]
    assert runs(examined(directory, both[1])) == both[:1]


def test_somebody_elses_module_that_listens_needs_no_name(tmp_path: Path) -> None:
    """Calls give a server away; a subscription's `listen` alone is none."""
    files = {
        "shop/__init__.py": "import metrics_of_mine, subscriptions",
        "metrics_of_mine.py": "def go(s):\n    s.bind(('', 1))\n    s.listen()",
        "subscriptions.py": "def go(s):\n    for message in s.listen():\n        pass",
    }
    (chain,) = examined(write(tmp_path, files)).chains
    assert chain.run == ("shop", "metrics_of_mine")
    assert chain.reason == "calls bind and listen"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sock.bind(('0.0.0.0', 9540))", "bind"),
        ("sock.bind(address)", "bind"),
        ("sock.listen()", "listen"),
        ("self.sock.listen(5)", "listen"),
        ("socket.create_server(('', 1))", "create_server"),
        ("await loop.create_server(P, port=1)", "create_server"),
        ("await asyncio.start_server(cb, port=1)", "start_server"),
        ("Thread(target=server.serve_forever)", "serve_forever"),
        ("import prometheus_client as p\np.start_http_server(1)", "start_http_server"),
        ("from prometheus_client import start_http_server as s\ns(1)", "start_http_server"),
        ("import logging.config\nlogging.config.listen()", "logging.config.listen"),
        ("from logging.config import listen\nlisten()", "logging.config.listen"),
        ("import pdb\npdb.attach(1)", "pdb.attach"),
        ("import multiprocessing as m\nm.Manager()", "multiprocessing.Manager"),
        ("from multiprocessing import Manager\nManager()", "multiprocessing.Manager"),
    ],
)
def test_a_call_of_ones_own_that_listens_is_found(tmp_path: Path, text: str, name: str) -> None:
    """Under whatever name it was imported, called or handed to a thread; a line allows it."""
    source = f"async def go():\n{textwrap.indent(text, '    ')}\n"
    directory = write(tmp_path, {"shop/a.py": source})
    line = len(source.splitlines())
    assert [(call.module, call.use) for call in examined(directory).calls] == [
        ("shop.a", (name, line))
    ]
    for allowed in (f"shop.a: {name}", "shop.a"):
        assert not examined(directory, allowed).calls
    for other in (f"shop.b: {name}", "shop.a: other", f"shop: {name}"):
        assert examined(directory, other).calls


@pytest.mark.parametrize(
    "text",
    [
        "log = log.bind(tenant=1)",
        "signature.bind(1, 2)",
        "event.listen(engine, 'connect', callback)",
        "from django.db.models import Manager\nManager()",
        "def listen(): ...\nlisten()",
    ],
)
def test_a_namesake_is_no_call(tmp_path: Path, text: str) -> None:
    """Loggers bind, and events are listened to."""
    assert not examined(write(tmp_path, {"shop/a.py": text})).calls


def test_an_allowlist_tells_what_it_allows_no_more(tmp_path: Path) -> None:
    """A line that matched nothing is named; comments and blank lines are none."""
    directory = write(
        tmp_path,
        {
            "shop/a.py": "import socketserver",
            "allow": "# why\n\nshop.a -> socketserver # the console\nshop.gone\nshop.a: bind\n",
        },
    )
    result = invoke("shop", "--path", str(directory), "--allow", str(directory / "allow"))
    assert result.exit_code == 0
    assert f"{directory / 'allow'}:4 is not needed: shop.gone\n" in result.output
    assert f"{directory / 'allow'}:5 is not needed: shop.a: bind\n" in result.output
    assert result.output.count("is not needed") == 2


@pytest.mark.parametrize("line", ["a ->", "-> b", "a -> b: bind", "a b", "a: ", "*"])
def test_a_line_that_means_nothing_stops(line: str) -> None:
    """A typing error in an allowlist allows nothing and is named with its line."""
    with pytest.raises(AllowlistError, match="line 2"):
        parse(f"good\n{line}\n")


def test_what_cannot_be_examined_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2 and one clear line, never 0: no package, no Python, no allowlist."""
    write(tmp_path, {"broken/a.py": "def (", "fine.py": "", "allow": "a ->", "bytes.py": ""})
    (tmp_path / "bytes.py").write_bytes(b"# coding: utf-8\n\xff")
    path = ("--path", str(tmp_path))
    for arguments, message in (
        (("nonesuch", *path), "there is no module 'nonesuch'"),
        (("broken", *path), "a.py: invalid syntax"),
        (("bytes", *path), "bytes.py: its text cannot be decoded"),
        (("fine", *path, "--allow", str(tmp_path / "allow")), "line 1"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert message in result.output


def test_nothing_of_the_package_is_run(tmp_path: Path) -> None:
    """Reading is not importing, for the package and for what it imports."""
    files = {
        "shop/__init__.py": "import library.part\nraise SystemExit(7)",
        "library/__init__.py": "raise SystemExit(7)",
        "library/part.py": "import socketserver\nraise SystemExit(7)",
    }
    assert runs(examined(write(tmp_path, files))) == ["shop -> library.part -> socketserver"]


def test_what_others_wrote_for_another_python_is_named(tmp_path: Path) -> None:
    """A file of a library that cannot be read is no reason to stop, and none to be silent."""
    report = examined(write(tmp_path, {"shop.py": "import old", "old.py": "print 'hello'"}))
    assert len(report.unread) == 1
    assert "old.py" in report.unread[0]


@pytest.mark.parametrize("module", sorted(SERVERS))
def test_every_server_has_a_reason(module: str) -> None:
    """A verdict without a reason cannot be argued with."""
    assert len(SERVERS[module]) > 10


class Drawn:
    """A graph of imports without files: "o" is ours, "s" and "t" are servers."""

    def __init__(self, edges: set[tuple[str, str]]) -> None:
        self._edges = edges

    def links(self, module: str) -> dict[str, Link]:
        return {to: Link(to, 1) for at, to in sorted(self._edges) if at == module}

    def server(self, module: str) -> Verdict | None:
        return Verdict(serves=True, reason="") if module in "st" else None


NAMES = "oabcst"
EDGES = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=16)
RUNS = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(tuple), max_size=3)


@given(EDGES, RUNS)
def test_a_gate_is_shown_exactly_if_a_way_through_it_is_not_allowed(
    edges: set[tuple[str, str]], allowed: list[tuple[str, ...]]
) -> None:
    """The search agrees with trying every way, also those in circles and servers in a circle."""
    edges = {(at, to) for at, to in edges if to not in {at, "o"}}
    stands_on = edges & {("s", "t"), ("t", "s")}
    further = dict(stands_on) if len(stands_on) == 1 else {}
    expected = set()
    # Ways that agree in their last four modules go on alike: no allowed run is longer.
    ways: list[tuple[str, ...]] = [("o",)]
    seen = set()
    while ways:
        way = ways.pop(0)
        gate = way[-2:-1]
        if way[-1] in further:
            way = (*way, further[way[-1]])
        if any(way[at : at + len(run)] == run for run in allowed for at in range(len(way))):
            continue
        if way[-1] in "st":
            expected |= set(gate)
        elif way[-4:] not in seen:
            seen.add(way[-4:])
            ways += [(*way, to) for at, to in edges if at == way[-1]]
    graph: Any = Drawn(edges)
    found = imports._search(graph, frozenset("o"), frozenset(NAMES), Allowlist(standing=allowed))
    assert {next(m for m, s in zip(way, way[1:]) if s in "st") for way in found} == expected
