"""What judges the files of deploy/: other people's programs, where they are installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def tool(name: str) -> str:
    """Where a program is, beside this interpreter or on the path; skips where it is not."""
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed; `.ci/run` installs it")
    return found


def run(*command: str, **environ: str) -> str:
    """Run a command; what it prints. Fails with what it says where it does not succeed."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environ or None
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load(path: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text())
