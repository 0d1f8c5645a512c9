"""The versions that are supported, each in an environment of its own.

`nox` runs three corners of the matrix in a few minutes, `nox -s pairs` any two versions together at
least once, `nox -s matrix` all of it in hours. One alone goes by its name in `nox --list`, as in
`nox -s "pairs(python='3.12', celery='5.4', sdk='1.40')"`; `-k` would take 3.12 for a number.
Interpreters that are not there are left out, and nox says so; those of pyenv are found without
being activated. Arguments after `--` are pytest's.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
CELERIES = ("5.4", "5.5", "5.6", "5.7")
SDKS = ("1.30", "1.35", "1.40", "1.45")
PAIRS = tuple(
    (python, celery, SDKS[(row + column) % len(SDKS)])
    for row, python in enumerate(PYTHONS)
    for column, celery in enumerate(CELERIES)
)
"""A Latin square: any two versions of different things meet in it, without 3.14 too."""
CORNERS = (("3.10", "5.4", "1.30"), ("3.12", "5.5", "1.38"), ("3.13", "5.6", "1.40"))
CORE = (
    *(f"tests/telemetry/test_{name}.py" for name in ("beat", "export", "headers", "lifecycle")),
    *(f"tests/telemetry/test_{name}.py" for name in ("publish", "reporter", "slots", "tracing")),
    "tests/system/test_processes.py::test_a_provider_made_before_the_fork_counts_once",
    "tests/system/test_zero_code.py::test_one_command_is_enough",
)
"""What touches Celery's insides and the SDK's."""
ALL = ("tests/telemetry", "tests/system/test_outcomes.py", "tests/system/test_processes.py")
ALL += ("tests/system/test_beat.py", "tests/system/test_tracing.py")
ALL += ("tests/system/test_zero_code.py",)

nox.options.sessions = ["corner"]
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
_FOUND = [str(path) for path in sorted(_PYENV.glob("versions/*/bin"))]
os.environ["PATH"] = os.pathsep.join([*_FOUND, os.environ["PATH"]])


@nox.session
@nox.parametrize(("python", "celery", "sdk"), CORNERS)
def corner(session: nox.Session, celery: str, sdk: str) -> None:
    """Run what depends on versions most, with versions that `make test` has not."""
    _test(session, celery, sdk, CORE)


@nox.session
@nox.parametrize(("python", "celery", "sdk"), PAIRS)
def pairs(session: nox.Session, celery: str, sdk: str) -> None:
    """Run everything that a worker is made of, until any two of the versions have met."""
    _test(session, celery, sdk, ALL)


@nox.session(python=PYTHONS)
@nox.parametrize("sdk", SDKS)
@nox.parametrize("celery", CELERIES)
def matrix(session: nox.Session, celery: str, sdk: str) -> None:
    """Run everything that a worker is made of, with each of the versions."""
    _test(session, celery, sdk, ALL)


def _test(session: nox.Session, celery: str, sdk: str, tests: tuple[str, ...]) -> None:
    # The SDK pins the API, the exporters and contrib's packages.
    versions = [f"celery=={celery}.*", f"opentelemetry-sdk=={sdk}.*"]
    if celery == "5.4":  # its extra for Redis brings a client that kombu 5.7 refuses
        versions.append("kombu<5.7")
    # Compiled now: Python 3.14 warns of Celery 5.4 and 5.5 when it compiles them.
    session.install("--compile-bytecode", "-e", ".[test]", *versions)
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", *(session.posargs or tests))
