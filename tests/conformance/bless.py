"""`python -m tests.conformance.bless CASE…` writes what the engines answer where it is not golden.

The files are called `N.got.prom`, `N.got.otelcol.prom` and so on, and it fails if it wrote any:
only a person who has understood an answer renames its file to `N.expected…`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tests.conformance.cases import HERE, Case
from tests.conformance.engines import all_engines
from tests.conformance.judge import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.conformance.engines import Engine


def bless(case: Case, engines: Iterable[Engine]) -> Iterator[Path]:
    """Write the answers of engines that are not golden; the files written."""
    for engine in engines:
        if engine.cannot(case):
            continue
        for mismatch in judge(engine, case):
            path = case.directory / mismatch.golden.replace("expected", "got")
            path.write_bytes(mismatch.got.encode())
            yield path


def main(names: Sequence[str]) -> int:
    """Bless the cases of these names; 1 if anything was written, since nothing is golden yet."""
    engines = all_engines(os.environ.get("OTELCOL", ""))
    cases = [Case(HERE / "cases" / name) for name in names]
    written = [path for case in cases for path in bless(case, engines)]
    for path in written:
        print(path)  # noqa: T201 - a command prints
    return 1 if written else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
