"""A case and an engine -> where the engine's answers are not the golden ones.

It knows neither files' places nor processes: it asks the case what is expected and the engine what
is so, and compares byte for byte. Nothing is stripped, sorted or rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from tests.conformance.cases import Case, Dialect, Form, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.engines import Engine, Running


@dataclass(frozen=True)
class Mismatch:
    """An answer that is none of the golden ones."""

    golden: str
    """The name of the file that would hold the answer."""
    expected: list[str]
    got: str

    def __str__(self) -> str:
        """The difference from the first of the golden answers, line by line."""
        expected = self.expected[0] if self.expected else ""
        old, new = expected.splitlines(keepends=True), self.got.splitlines(keepends=True)
        return "".join(unified_diff(old, new, self.golden, "got"))


def judge(engine: Engine, case: Case) -> Iterator[Mismatch]:
    """Every answer of the engine that is not a golden one."""
    if case.is_refused:
        yield from _judge_refusal(engine, case)
        return
    with engine.run(case) as running:
        for stage in case.stages:
            yield from _judge_stage(running, stage, engine.dialect)


def _judge_refusal(engine: Engine, case: Case) -> Iterator[Mismatch]:
    expected = case.expected_error(engine.dialect)
    got = engine.complain(case.config)
    if engine.dialect is Dialect.OTELCOL and expected and got:
        # its texts name build versions and random orders; the golden one is a part
        matches = expected.strip() in got
    else:
        matches = expected == got
    if not matches:
        yield Mismatch(f"expected{engine.dialect.value}.error", [expected or ""], got or "")


def _judge_stage(running: Running, stage: Stage, dialect: Dialect) -> Iterator[Mismatch]:
    running.wait(stage.after_seconds)
    if stage.request is not None:
        status = running.post(stage.request)
        wanted = stage.status(dialect)
        if status != wanted:
            name = f"{stage.number}.expected{dialect.value}.status"
            yield Mismatch(name, [f"{wanted}\n"], f"{status}\n")
    for form in Form:
        expected = stage.expected(dialect, form)
        if not expected and form is not Form.TEXT:
            continue
        got = running.scrape(form)
        if form is Form.SELF:
            got = _about(_names(expected[0]), got)
        if got not in expected:
            name = f"{stage.number}.expected{dialect.value}{form.value}.prom"
            yield Mismatch(name, expected, got)


def _names(page: str) -> set[str]:
    """The names of the samples on a page in text."""
    lines = (line for line in page.splitlines() if not line.startswith("#"))
    return {line.partition("{")[0].partition(" ")[0] for line in lines}


def _about(names: set[str], page: str) -> str:
    """What a page in text says about these names."""
    kept = []
    for line in page.splitlines(keepends=True):
        words = line.removeprefix("# HELP ").removeprefix("# TYPE ")
        if words.partition("{")[0].partition(" ")[0] in names:
            kept.append(line)
    return "".join(kept)
