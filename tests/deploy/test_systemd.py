"""The units mean what they say to systemd, and shut what can be shut."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, run, tool

UNITS = sorted((DEPLOY / "systemd").glob("*.service"), key=str)
EXPOSURE_MAX = 15
"""Tenths of systemd's points; 100 is a service that nothing is kept from."""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    """No key, value or section that it would pass over; programs are those of this environment."""
    here = str(Path(sys.executable).parent) + "/"
    text = re.sub(r"/opt/(portless|app/\.venv)/bin/", here, unit.read_text())
    (tmp_path / unit.name).write_text(text)
    analyze = tool("systemd-analyze")
    assert run(analyze, "verify", "--man=no", str(tmp_path / unit.name)) == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_calls_it_hardened(unit: Path) -> None:
    """By its own points."""
    analyze = tool("systemd-analyze")
    run(analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(unit))


def test_a_worker_cannot_listen() -> None:
    """The kernel refuses bind() to it, whatever a library tries."""
    text = (DEPLOY / "systemd" / "portless-worker@.service").read_text()
    assert "\nSocketBindDeny=any\n" in text
    assert "SocketBindAllow" not in text
