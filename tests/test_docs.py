"""What README.md and the pages beside it say can be done: blocks run, names and links exist.

A fence whose first line ends with `runs` (as in "python runs") is executed: the python ones of a
page together, as one module; each `$` line of a console in the root of the repository, where lines
below it have to be in what it prints, and `…` stands for anything; `otelcol-contrib` is what the
environment variable OTELCOL names, and without it such a block is skipped. Of all other blocks, and
of commands within a sentence, the names are looked up: commands, their options, targets of make.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from collector import plan
from collector.cli import main as portless_collector
from telemetry.cli import main as portless
from telemetry.health.probe import HELP
from tests.collector.real import OTELCOL
from tests.support.pages import (
    PAGES,
    ROOT,
    Block,
    blocks,
    code,
    is_printed,
    named,
    of,
    prose,
    steps,
)

COMMANDS: dict[str, click.Command] = {
    "portless": portless,
    "portless-collector": portless_collector,
}
CONFIG = (ROOT / "otel-collector.yaml").read_text()
SECTIONS = {"receivers", "processors", "exporters", "extensions", "service"}
COMMAND = re.compile(
    r"(?<![\w/.=-])(portless(?:-collector)?|make)((?: +(?:'[^']*'|[^\s|;&`#'()]+))*)"
)


@pytest.mark.parametrize("page", sorted({each.page for each in of("python", "runs")}), ids=named)
def test_python_that_is_marked_runs(page: Path, tmp_path: Path) -> None:
    """The python of a page, put together, is a module that can be imported."""
    source = "\n".join(
        each.text for each in blocks(page) if (each.language, each.what) == ("python", "runs")
    )
    (tmp_path / "shop.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import shop"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_is_python(block: Block) -> None:
    """What is not run can at least be read by Python."""
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", of("console", "runs"), ids=str)
def test_a_console_that_is_marked_runs(block: Block, tmp_path: Path) -> None:
    """Each command ends well and prints what stands below it."""
    if "otelcol-contrib" in block.text:
        if not OTELCOL:
            pytest.skip("the environment variable OTELCOL names no OpenTelemetry Collector")
        (tmp_path / "otelcol-contrib").symlink_to(Path(OTELCOL).absolute())
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{tmp_path}"
    for command, lines in steps(block):
        ended = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
        for line in lines:
            assert is_printed(line, ended.stdout), (command, ended.stdout)


def merged(base: Any, over: Any) -> Any:
    """A configuration with parts of another in their places."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_is_taken(block: Block) -> None:
    """YAML can be read; what configures a collector is taken, alone or put into ours."""
    (said,) = yaml.safe_load_all(block.text) if "\n---" not in block.text else (None,)
    if not isinstance(said, dict) or not set(said) <= SECTIONS:
        return
    whole = "pipelines" in (said.get("service") or {}) and "receivers" in said
    text = block.text if whole else yaml.safe_dump(merged(yaml.safe_load(CONFIG), said))
    plan.load(str(block), text, {})


def words(rest: str) -> list[str]:
    """What follows a command on its line, split as a shell does."""
    try:
        return shlex.split(rest)
    except ValueError:
        return rest.split()


def unknown(name: str, rest: list[str]) -> list[str]:
    """What of a command line is no command of ours, and no option that its help has."""
    command, told = COMMANDS[name], " --help -h --version "
    asked = []
    for word in rest:
        if word == "--":
            break
        if word.startswith("-"):
            asked.append(word.split("=")[0])
        elif isinstance(command, click.Group) and re.fullmatch("[a-z]+", word):
            if word not in command.commands:
                return [word]
            command = command.commands[word]
            told += HELP if word == "health" else command.get_help(click.Context(command))
    return [word for word in asked if not re.search(rf"(?<![\w-]){word}(?![\w-])", told)]


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_options_exist(page: Path) -> None:
    """Each command that a page names is one of ours with the options it names."""
    wrong = []
    for name, rest in (found.groups() for each in code(page) for found in COMMAND.finditer(each)):
        if name == "make":
            goals = [word for word in words(rest) if "=" not in word]
            wrong += [
                f"make {goal}" for goal in goals[:1] if goal.isalpha() and goal not in targets()
            ]
        else:
            wrong += [f"{name}{rest}: {each}" for each in unknown(name, words(rest))]
    assert not wrong


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings have on GitHub."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> list[str]:
    """Where a page leads to inside of the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link has a file, and its fragment a heading."""
    for link in links(page):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def test_every_page_is_found() -> None:
    """Each page is linked from README.md or docs/README.md, or lies in a directory that is."""
    known = {ROOT / "README.md"}
    for page in (ROOT / "README.md", ROOT / "docs/README.md"):
        known |= {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
    assert not [named(page) for page in PAGES if not {page, page.parent} & known]


def test_a_recipe_is_its_case() -> None:
    """The rules that docs/recipes.md shows are those that the golden cases run, and all of them."""
    text = (ROOT / "docs/recipes.md").read_text()
    shown = re.findall(r"\]\(\.\./(\S+)\)\n\n```yaml\n(.*?)```", text, re.DOTALL)
    cases = sorted((ROOT / "tests/conformance/cases").glob("4*"))
    assert [link for link, _ in shown] == [str(case.relative_to(ROOT)) for case in cases]
    for link, rules in shown:
        config = (ROOT / link / "config.yaml").read_text()
        assert config[config.index("processors:\n") : config.index("exporters:\n")] == rules
