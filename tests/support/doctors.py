"""Doctors as users run them, many of them: each in a process forked from one that has imported all.

`python -m tests.support.doctors MODULE` reads from standard input what to run, a JSON object a
line, and answers with its exit code and what it printed.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOW = {
    "telemetry.cli": (
        *(
            "celery.app.amqp",
            "celery.app.utils",
            "celery.backends.database",
            "celery.fixups.django",
        ),
        *("celery.loaders.app", "kombu.transport.sqlalchemy", "psycopg2"),
        *(
            "opentelemetry.exporter.otlp.proto.http.metric_exporter",
            "sqlalchemy.dialects.postgresql",
        ),
        *("telemetry.doctor.way", "telemetry.guard.imports", "telemetry.process"),
    ),
    "collector.cli": ("collector.plan", "collector.doctor.way"),
}
"""What a walk imports, and what takes its time."""


class Said(NamedTuple):
    """What a doctor said."""

    code: int
    out: str
    err: str

    @property
    def hops(self) -> dict[str, dict[str, Any]]:
        """By name, of one that was asked for JSON."""
        assert self.out, self.err
        hops = json.loads(self.out.splitlines()[-1])["hops"]
        return {hop["name"]: hop for hop in hops}

    @property
    def broken(self) -> str:
        """The first broken hop with all that is said of it; those behind it were not looked at."""
        found = [hop for hop in self.hops.values() if hop["ok"] is False]
        assert len(found) == 1, self.out
        assert self.code == 1
        assert json.loads(self.out.splitlines()[-1])["broken"] == found[0]["name"]
        behind = list(self.hops.values())
        behind = behind[behind.index(found[0]) + 1 :]
        assert all("is broken before it" in hop["what"] for hop in behind)
        return "{name}: {what} | {where} | {todo}".format(**found[0])


class Doctors:
    """One of the two commands."""

    def __init__(self, module: str, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.doctors", module],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, ahead_seconds: float = 0.0, **environ: str) -> Said:
        """Run it with this environment besides, its clock so far ahead of all others'."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"arguments": ["doctor", *arguments], "ahead": ahead_seconds, "environ": environ}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Said(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        with self._process:  # which closes its pipes and waits
            pass


def _run(main: Any, asked: Mapping[str, Any], files: list[IO[bytes]]) -> NoReturn:
    """In the forked process: become that which a user starts."""
    for number, file in zip((1, 2), files):
        os.dup2(file.fileno(), number)
    os.environ.update(asked["environ"])
    tell = time.time
    time.time = lambda: tell() + asked["ahead"]
    code = 0
    try:
        main(asked["arguments"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent would
        traceback.print_exc()
        code = 70
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)  # to take all modules apart takes longer than the walk


def _serve(module: str) -> None:
    for name in (module, *SLOW[module]):
        importlib.import_module(name)
    main = importlib.import_module(module).main
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                _run(main, asked, [out, err])
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = [os.pread(file.fileno(), 1 << 20, 0).decode() for file in (out, err)]
        answer = {"code": code, "out": said[0], "err": said[1]}
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
