"""Every refusal of OTTL and of `metrics_transform`, held to its whole text.

`refusals/` holds what is refused and the lines that are said: where, what, and what to do. Whole
files with such mistakes, and what the Collector says of them, are in `configs/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from collector.errors import ConfigError
from collector.ottl import group
from collector.processors import metrics_transform
from tests.collector.configured import processor

if TYPE_CHECKING:
    from collector.ottl.tree import Refused

FOLDER = Path(__file__).parent / "refusals"
OTTL = yaml.safe_load((FOLDER / "ottl.yaml").read_text())
METRICS_TRANSFORM = yaml.safe_load((FOLDER / "metrics_transform.yaml").read_text())


def in_contexts(folder: dict[str, dict[str, list[str]]]) -> list[Any]:
    """Flatten contexts, what stands in them, and what is said."""
    return [(context, *pair) for context, pairs in folder.items() for pair in pairs.items()]


def told(refusals: list[Refused]) -> str:
    """Return what was written down, with the hints below."""
    return "\n".join(filter(None, (part for each in refusals for part in (str(each), each.hint))))


def said_of_statement(context: str, statement: str) -> str:
    """Return what a group of one statement is told."""
    refusals: list[Refused] = []
    group.transform(context, [], [group.Text(statement, refusals.append)])
    return told(refusals)


def said_of_condition(context: str, condition: str) -> str:
    """Return what a condition is told that drops streams."""
    refusals: list[Refused] = []
    group.drop(context, [group.Text(condition, refusals.append)])
    return told(refusals)


def said_of_section(text: str) -> str:
    """Return what one transform of `metrics_transform` is told."""
    try:
        processor(metrics_transform.read, f"transforms: [{text}]")
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("context", "statement", "said"), in_contexts(OTTL["statements"]))
def test_a_refused_statement_is_told_why(context: str, statement: str, said: list[str]) -> None:
    """The column, what is not run there, and who could run it or what to write."""
    assert said_of_statement(context, statement).splitlines() == said


@pytest.mark.parametrize(("context", "condition", "said"), in_contexts(OTTL["conditions"]))
def test_a_refused_condition_is_told_why(context: str, condition: str, said: list[str]) -> None:
    """As for statements; a condition's context is found for each alone."""
    assert said_of_condition(context, condition).splitlines() == said


@pytest.mark.parametrize(("text", "said"), METRICS_TRANSFORM.items())
def test_a_refused_transform_is_told_why(text: str, said: list[str]) -> None:
    """Every mistake in it, with its path, what is allowed, and who could run it."""
    assert said_of_section(text).splitlines() == said
