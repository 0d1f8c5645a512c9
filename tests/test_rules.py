"""The rules for Prometheus: promtool finds nothing against them, and time passes as it should."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.prometheus import RULES, needs_promtool

CASES = sorted((Path(__file__).parent / "prometheus").glob("*.yml"))
UNITS = [path for path in CASES if "\ntests:" in path.read_text()]


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    """All of ours, and those of others that the tests here need."""
    others = [str(path) for path in CASES if path not in UNITS]
    done = _promtool("check", "rules", *map(str, sorted(RULES.glob("*.yml"))), *others)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_rules_do_what_they_say(path: Path) -> None:
    """Each file tells series over time, and what fires, clears and is recorded at which moment."""
    done = _promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
