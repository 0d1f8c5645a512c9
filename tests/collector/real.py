"""How the OpenTelemetry Collector reads a configuration, if there is one to ask.

The environment variable OTELCOL names its binary (`make conformance` builds one). Here are its
`validate` and `print-config`; nothing of it is run.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OTELCOL = os.environ.get("OTELCOL", "")
needs_otelcol = pytest.mark.skipif(
    not OTELCOL, reason="the environment variable OTELCOL names no OpenTelemetry Collector"
)


def validate(file: Path, environ: Mapping[str, str]) -> str:
    """Return what the Collector says against a file; empty if it takes it."""
    done = _run("validate", file, environ)
    return done.stderr or "refused" if done.returncode else ""


def print_config(file: Path, environ: Mapping[str, str]) -> Any:
    """Return a file as the Collector resolved it; None if it refuses the file."""
    done = _run("print-config", file, environ)
    return None if done.returncode else yaml.safe_load(done.stdout)


def _run(command: str, file: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OTELCOL, command, f"--config={file}"],
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
