"""`portless guard …`: the three proofs as commands, with exit codes for a pipeline.

Comes in: arguments. Goes out: text and an exit code. What is slow to import, and psutil, which not
everybody has, is imported by the command that needs it.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import ModuleType

    from telemetry.guard.allowlist import Allowlist
    from telemetry.guard.imports import Chain, Report

LISTENED = 99
"""Exit codes of `run` that stay clear of Celery's, the shell's and those of `timeout`."""
NOT_SEEN = 98


@click.group()
def guard() -> None:
    """Prove that nothing listens: from the source, or from outside."""


@guard.command()
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True)
@click.option(
    "--allow", "file", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="A file."
)
@click.option(
    "--path",
    "directories",
    multiple=True,
    type=click.Path(file_okay=False, exists=True),
    help="Where to look first; the working directory if not given.",
)
def imports(packages: tuple[str, ...], file: Path | None, directories: tuple[str, ...]) -> None:
    """Print every chain of imports from PACKAGE to a module that can serve.

    Nothing of the package is run. Also printed are its own calls that listen. The file of --allow
    has one module, chain (a -> b) or call (a: bind) a line. Exit code 1 if any chain or call is not
    allowed.
    """
    from telemetry.guard.finder import Finder  # noqa: PLC0415 - help is quick
    from telemetry.guard.imports import TargetError, examine  # noqa: PLC0415 - help is quick

    allowlist = _allowlist(file)
    finder = Finder([*(directories or ["."]), *sys.path])
    try:
        report = examine(packages, finder, allowlist)
    except TargetError as error:
        raise click.UsageError(str(error)) from error
    _print(report, packages, allowlist, file)
    sys.exit(1 if report.chains or report.calls else 0)


@guard.command()
@click.argument("pids", metavar="PID...", nargs=-1, required=True, type=int)
def sockets(pids: tuple[int, ...]) -> None:
    """Print every socket on which PID, or a process below it, listens.

    Exit code 1 if there is one; 2 if this user may not look into one of the processes, or there is
    no such process.
    """
    psutil = _psutil()
    from telemetry.guard.sockets import Family  # noqa: PLC0415 - needs psutil

    try:
        look = Family(pids).look()
    except psutil.NoSuchProcess as error:
        raise click.UsageError(f"there is no process {error.pid}") from error
    for listener in look.listeners:
        print(listener)
    _print_denied(look.denied)
    if not look.processes and not look.denied:
        raise click.UsageError("the processes have ended")
    if not look.listeners and not look.denied:
        print(f"{look.processes} processes, and none listens")
    sys.exit(2 if look.denied else 1 if look.listeners else 0)


@guard.command()
@click.option("--seconds", type=click.FloatRange(min=0), help="Ask it to end (SIGTERM) then.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=30.0,  # as Kubernetes has it
    show_default=True,
    help="Seconds that it may take to end then; after that it is killed.",
)
@click.argument("command", metavar="-- COMMAND...", nargs=-1, required=True)
def run(seconds: float | None, grace: float, command: tuple[str, ...]) -> None:
    """Run COMMAND, and fail if it or a process below it ever listens.

    Signals and output pass through. The exit code is the command's own; 99 if anything listened;
    98 if this user may not look into one of the processes; 127 if it cannot be started.
    """
    _psutil()
    from telemetry.guard.run import run as watched  # noqa: PLC0415 - needs psutil

    try:
        result = watched(command, lambda listener: _say(str(listener)), seconds, grace)
    except OSError as error:
        _say(f"{command[0]} cannot be started: {error.strerror}")
        sys.exit(127)
    if result.killed:
        _say(f"{command[0]} did not end within {grace:g} s of SIGTERM and was killed")
    _print_denied(result.denied)
    if result.listeners:
        _say(f"{len(result.listeners)} sockets listened")
        sys.exit(LISTENED)
    if result.denied:
        sys.exit(NOT_SEEN)
    _say(f"nothing listened in any of {result.looks} looks")
    sys.exit(result.exit_code)


def _psutil() -> ModuleType:
    try:
        return import_module("psutil")
    except ModuleNotFoundError as error:
        raise click.UsageError("this needs psutil: pip install 'portless[guard]'") from error


def _print_denied(names: tuple[str, ...]) -> None:
    for name in names:
        _say(f"{name} belongs to somebody else: look as its user, or as root")


def _say(text: str) -> None:
    """Apart from what a command under watch prints."""
    print(f"portless guard: {text}", file=sys.stderr, flush=True)


def _allowlist(file: Path | None) -> Allowlist:
    from telemetry.guard.allowlist import (  # noqa: PLC0415 - help is quick
        Allowlist,
        AllowlistError,
        parse,
    )
    from telemetry.guard.servers import ALLOWED  # noqa: PLC0415 - help is quick

    try:
        entries = parse(file.read_text(encoding="utf-8")) if file else []
    except (AllowlistError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from error
    return Allowlist(entries, ALLOWED)


def _print(
    report: Report, packages: tuple[str, ...], allowlist: Allowlist, file: Path | None
) -> None:
    from telemetry.guard.servers import ALLOWED, CALLS  # noqa: PLC0415 - help is quick

    for chain in report.chains:
        _print_chain(chain)
    for call in report.calls:
        print(f"{call.module}: {call.use.name}")
        print(f"    {_place(call.file, call.use.line)} {CALLS[call.use.name].reason}")
    for text in report.unread:
        print(f"not read: {text}")
    for run in sorted(allowlist.used & ALLOWED.keys()):
        print(f"allowed for everybody: {' -> '.join(run)} ({ALLOWED[run]})")
    for entry in allowlist.unused():
        what = " -> ".join(entry.run) + (f": {entry.call}" if entry.call else "")
        print(f"{file}:{entry.line} is not needed: {what}")
    print(
        f"{', '.join(packages)}: {report.modules} modules seen, "
        f"{len(report.chains)} chains and {len(report.calls)} calls that are not allowed"
    )


def _print_chain(chain: Chain) -> None:
    print(" -> ".join(chain.run))
    for importer, file, link in chain.steps:
        place = _place(file, link.line) if link.line else f"{_place(file)}, by a name in a string:"
        lazy = f" (lazily, in {link.function})" if link.function else ""
        print(f"    {place} {importer} imports {link.target}{lazy}")
    print(f"    {chain.run[-1]}: {chain.reason}")


def _place(file: str, line: int = 0) -> str:
    """`file:line`, from the working directory where the file is below it."""
    path = Path(file)
    with contextlib.suppress(ValueError):  # elsewhere
        path = path.resolve().relative_to(Path.cwd())
    return f"{path}:{line}" if line else str(path)
