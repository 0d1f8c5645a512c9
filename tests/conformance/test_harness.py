"""The harness notices every lie: an engine that answers anything else than what is golden."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.conformance.bless import bless
from tests.conformance.cases import Case, Dialect, Form, Request
from tests.conformance.judge import judge
from tests.conformance.served import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conformance.engines import Running


@dataclass
class Parrot:
    """An engine that says what it was told to say, whatever it is asked."""

    answers: list[str]
    status: str = "200"
    complaint: str | None = None
    dialect: Dialect = Dialect.OURS
    name: str = "parrot"
    posted: list[bytes] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def cannot(self, case: Case) -> str | None:  # noqa: ARG002 - it can do anything
        return None

    @contextmanager
    def run(self, config: Path) -> Iterator[Running]:  # noqa: ARG002 - it follows none
        yield self

    def complain(self, config: Path) -> str | None:  # noqa: ARG002 - it says what it says
        return self.complaint

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    def post(self, request: Request) -> str:
        self.posted.append(request.body)
        return self.status

    def scrape(self, form: Form) -> str:  # noqa: ARG002 - it knows one answer
        return self.answers.pop(0)


def case_of(directory: Path, files: dict[str, str]) -> Case:
    """A case with these files."""
    for name, text in files.items():
        (directory / name).write_bytes(text.encode())
    return Case(directory)


def lies(engine: Parrot, case: Case) -> list[str]:
    """The golden files that the engine contradicts."""
    return [mismatch.golden for mismatch in judge(engine, case)]


def test_an_honest_engine_is_believed(tmp_path: Path) -> None:
    """Stages run in the order of their numbers, and golden answers pass."""
    case = case_of(
        tmp_path,
        {
            "2.request.json": "{2}",
            "10.request.json": "{10}",
            "2.expected.prom": "a 1\n",
            "10.expected.prom": "a 2\n",
        },
    )
    engine = Parrot(["a 1\n", "a 2\n"])
    assert lies(engine, case) == []
    assert engine.posted == [b"{2}", b"{10}"]


@pytest.mark.parametrize("lie", ["", "a 2\n", "a 1", "a 1\n\n", "b 1\na 1\n", "a 1\r\n"])
def test_a_lie_is_found(tmp_path: Path, lie: str) -> None:
    """Any other byte in an answer is a lie."""
    case = case_of(tmp_path, {"1.request.json": "{}", "1.expected.prom": "a 1\n"})
    assert lies(Parrot([lie]), case) == ["1.expected.prom"]


def test_an_answer_without_expectation_is_a_lie(tmp_path: Path) -> None:
    """A stage whose golden file was forgotten cannot pass."""
    case = case_of(tmp_path, {"1.request.json": "{}"})
    assert lies(Parrot([""]), case) == ["1.expected.prom"]


def test_a_wrong_status_is_found(tmp_path: Path) -> None:
    """What a client is answered is part of the promise."""
    case = case_of(
        tmp_path, {"1.request.json": "x", "1.expected.status": "400\n", "1.expected.prom": ""}
    )
    assert lies(Parrot([""], status="400"), case) == []
    assert lies(Parrot([""], status="200"), case) == ["1.expected.status"]


def test_the_other_engine_has_its_own_answers(tmp_path: Path) -> None:
    """A difference counts for the engine it is written for, and chance may have several answers."""
    case = case_of(
        tmp_path,
        {
            "1.request.json": "{}",
            "1.expected.prom": "a 3\n",
            "1.expected.otelcol-1.prom": "a 1\n",
            "1.expected.otelcol-2.prom": "a 2\n",
        },
    )
    told = {
        answer: lies(Parrot([answer], dialect=Dialect.OTELCOL), case)
        for answer in ("a 1\n", "a 2\n", "a 3\n")
    }
    assert told == {"a 1\n": [], "a 2\n": [], "a 3\n": ["1.expected.otelcol.prom"]}
    assert lies(Parrot(["a 1\n"]), case) == ["1.expected.prom"]


def test_openmetrics_is_asked_for_where_it_is_expected(tmp_path: Path) -> None:
    """The second form is judged like the first."""
    case = case_of(
        tmp_path, {"1.expected.prom": "a 1\n", "1.expected.openmetrics.prom": "a 1.0\n# EOF\n"}
    )
    assert lies(Parrot(["a 1\n", "a 1.0\n# EOF\n"]), case) == []
    assert lies(Parrot(["a 1\n", "a 1.0\n"]), case) == ["1.expected.openmetrics.prom"]


def test_time_passes_before_the_request(tmp_path: Path) -> None:
    """A stage can move the clock, and says so."""
    case = case_of(tmp_path, {"1.after_seconds": "90\n", "1.expected.prom": ""})
    engine = Parrot([""])
    assert case.moves_the_clock
    assert lies(engine, case) == []
    assert engine.waited == [90.0]


def test_a_configuration_that_must_be_refused(tmp_path: Path) -> None:
    """Taking it is a lie, and so is another complaint; the other engine's is looked for in part."""
    case = case_of(
        tmp_path, {"config.yaml": "", "expected.error": "no\n", "expected.otelcol.error": "bad\n"}
    )
    assert lies(Parrot([], complaint="no\n"), case) == []
    assert lies(Parrot([], complaint=None), case) == ["expected.error"]
    assert lies(Parrot([], complaint="no\nand no\n"), case) == ["expected.error"]
    theirs = {
        text: lies(Parrot([], complaint=text, dialect=Dialect.OTELCOL), case)
        for text in ("x: bad (1)", "x", None)
    }
    assert theirs == {
        "x: bad (1)": [],
        "x": ["expected.otelcol.error"],
        None: ["expected.otelcol.error"],
    }


def test_a_configuration_that_only_we_refuse(tmp_path: Path) -> None:
    """Without a text of its own the other engine must take it."""
    case = case_of(tmp_path, {"config.yaml": "", "expected.error": "no\n"})
    assert lies(Parrot([], dialect=Dialect.OTELCOL), case) == []
    assert lies(Parrot([], complaint="x", dialect=Dialect.OTELCOL), case) == [
        "expected.otelcol.error"
    ]


def test_bless_writes_what_a_person_must_rename(tmp_path: Path) -> None:
    """Nothing golden is touched, and what was got stands beside it."""
    case = case_of(tmp_path, {"1.request.json": "{}", "1.expected.prom": "a 1\n"})
    written = list(bless(case, [Parrot(["a 2\n"])]))
    assert [path.name for path in written] == ["1.got.prom"]
    assert (tmp_path / "1.got.prom").read_text() == "a 2\n"
    assert (tmp_path / "1.expected.prom").read_text() == "a 1\n"


def test_a_program_that_ends_at_once_is_no_engine(tmp_path: Path) -> None:
    """What it said before it ended is in the error."""
    command = [sys.executable, "-c", "raise SystemExit('no such rule')"]
    with (
        pytest.raises(RuntimeError, match="no such rule"),
        serve(command, tmp_path / "config.yaml", batches=False),
    ):
        pass
