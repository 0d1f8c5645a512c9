"""RESULTS.md: the tables that were kept, each behind a comment that names its suite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULTS = Path(__file__).with_name("RESULTS.md")
INTRODUCTION = """# Results

Made by `make bench ARGS=--write`; each table says on what and when. Ratios are of values measured
side by side in one run, in turns; absolute values are those of one machine.
"""


def kept(text: str) -> dict[str, str]:
    """Return what stands under each suite's comment."""
    parts = re.split(r"^<!-- (\w+) -->\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def keep(suite: str, text: str, order: Iterable[str]) -> None:
    """Put a table in the place of the one that was there."""
    there = kept(RESULTS.read_text()) if RESULTS.exists() else {}
    there[suite] = text
    ordered = [f"<!-- {name} -->\n{there[name].strip()}\n" for name in order if name in there]
    RESULTS.write_text("\n".join([INTRODUCTION, *ordered]))


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table, without those of its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def circumstances(table: str) -> str:
    """Return the line that says when and on what it was measured."""
    return table.strip().splitlines()[-1]
