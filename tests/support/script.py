"""A Python script as a process of its own, run to its end."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.worker import ROOT


def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it, every warning an error; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
