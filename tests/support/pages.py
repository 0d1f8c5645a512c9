"""README.md and the pages beside it, taken apart: blocks, code, what links lead where.

In: the Markdown files of the repository. Out: their fenced blocks and whatever is set as code. It
runs nothing and judges nothing.

What stands behind a fence's language says what a block is: `runs`, `walks`, `is NAME`;
tests/test_docs.py and tests/test_docs_walk.py tell what becomes of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "deploy").glob("**/*.md")),
]
FENCE = re.compile(r"^( *)```(\w*)([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
INDENTED = re.compile(r"^    (\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What stands between two fences of a page."""

    page: Path
    line: int
    language: str
    what: str
    """What stands behind the language: "" where it is only shown."""
    text: str

    def __str__(self) -> str:
        return f"{named(self.page)}:{self.line}"


def named(page: Path) -> str:
    """A page's path as a test's name."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2], found[3].strip(), found[4])
        for found in FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def code(page: Path) -> list[str]:
    """Whatever a page sets as code: blocks, spans within sentences, indented lines."""
    text = prose(page)
    return [
        *(each.text for each in blocks(page)),
        *SPAN.findall(text),
        *INDENTED.findall(text),
    ]


def steps(block: Block) -> list[tuple[str, list[str]]]:
    """A console's commands, each with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line:
            assert found, f"{block}: a command begins with $ and a blank"
            found[-1][1].append(line)
    return found


def is_printed(line: str, output: str) -> bool:
    """Whether a program printed a line; in the page `…` stands for anything."""
    wanted = ".*".join(re.escape(part) for part in line.split("…"))
    return re.search(f"^{wanted}$", output, re.MULTILINE) is not None


BLOCKS = [block for page in PAGES for block in blocks(page)]


def of(language: str, what: str | None = None) -> list[Block]:
    """The blocks in a language; with `what` only those of which that is said."""
    return [each for each in BLOCKS if each.language == language and what in {None, each.what}]
