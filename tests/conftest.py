"""What holds for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


# Time is no reason to fail, neither a test's nor that of making its examples: on a machine that is
# busy both are a matter of luck.
settings.register_profile(
    "portless", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("portless")

LOG_CHARACTERS = 5000
"""Enough for a traceback and what came before it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that failed tell what its processes said last: a second run may not fail."""
    report = yield
    directory: Path | None = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and directory is not None:
        for log in sorted(directory.glob("*.log")):
            text = log.read_text(errors="replace")[-LOG_CHARACTERS:]
            report.sections.append((f"end of {log.name}", text))
    return report
