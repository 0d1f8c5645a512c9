"""The Dockerfiles: what they copy is there, who runs in them is nobody, and hadolint agrees."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from tests.deploy.tools import DEPLOY, ROOT, run, tool

FILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"), key=str)
LET_THROUGH = [
    line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_copied_exists_and_is_let_through(file: object) -> None:
    """The context has what COPY names; .dockerignore holds back everything else."""
    text = file.read_text()  # type: ignore[attr-defined]
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", text, re.MULTILINE))
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    assert len(sources) > 3
    for source in sources:
        path = re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], source)
        assert (ROOT / path).exists(), path
        assert any(fnmatch(path, pattern) for pattern in LET_THROUGH), path


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_who_runs_is_nobody(file: object) -> None:
    """A number, which Kubernetes can tell from root; no port is announced."""
    text = file.read_text()  # type: ignore[attr-defined]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert text.index("USER ") < text.index("ENTRYPOINT ")
    assert not re.search(r"^EXPOSE ", text, re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_hadolint_finds_nothing(file: object) -> None:
    """With all of its rules."""
    run(tool("hadolint"), str(file))
