"""Every golden case on every engine that can run it."""

from __future__ import annotations

import os
import re

import pytest

from tests.conformance.cases import DEFAULT_CONFIG, Case, all_cases
from tests.conformance.engines import Engine, all_engines
from tests.conformance.judge import judge

CASES = all_cases()
ENGINES = all_engines(os.environ.get("OTELCOL", ""))
FILES = re.compile(
    r"why\.md|config\.yaml|max_streams|expected(\.otelcol)?\.error"
    r"|\d+\.(request\.(json|pb|protocol|padding|encoding|headers)|after_seconds)"
    r"|\d+\.expected(\.otelcol)?\.status"
    r"|\d+\.expected(\.otelcol(-\d)?)?(\.openmetrics|\.protobuf|\.utf8|\.self)?\.prom"
)

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@every_case
def test_case(case: Case, engine: Engine) -> None:
    """The engine gives the golden answers, byte for byte."""
    reason = engine.cannot(case)
    if reason:
        pytest.skip(reason)
    found = list(judge(engine, case))
    assert not found, "\n".join(str(mismatch) for mismatch in found)


@every_case
def test_a_case_says_why(case: Case) -> None:
    """A case says what it promises, and what the OpenTelemetry Collector does otherwise."""
    why = (case.directory / "why.md").read_text()
    assert why.strip()
    if list(case.directory.glob("*.expected.otelcol*")):
        assert "OpenTelemetry Collector" in why


@every_case
def test_every_file_of_a_case_is_read(case: Case) -> None:
    """A golden file with a mistyped name would never be compared."""
    names = [path.name for path in case.directory.iterdir() if ".got" not in path.name]
    assert [name for name in names if not FILES.fullmatch(name)] == []


@every_case
def test_a_difference_is_one(case: Case) -> None:
    """What the OpenTelemetry Collector answers stands in a file of its own only if it differs."""
    for path in case.directory.glob("*.expected.otelcol.*"):
        ours = path.with_name(path.name.replace(".otelcol", ""))
        assert path.read_bytes() != ours.read_bytes()


@every_case
def test_no_golden_page_of_the_default_rules_names_a_tenant(case: Case) -> None:
    """A leak cannot be blessed: with the file that we ship, no tenant is on any page."""
    if case.config == DEFAULT_CONFIG:
        for path in case.directory.glob("*.expected.*"):
            assert not re.search(r"acme|bolt|tenant", path.read_text())
