"""`portless flush`: send what the workers of this host left that died and will not come back.

Comes in: the state directory and the OTEL_* variables that the workers had. Goes out: a push and a
line for each file, and an exit code. It needs neither the app nor Celery: a file explains itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from telemetry import settings

if TYPE_CHECKING:
    from telemetry.state.left import Flushed


@click.command()
@click.option(
    "--state-dir",
    envvar=settings.STATE_DIR,
    show_envvar=True,
    required=True,
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Where the workers keep their state.",
)
def flush(state_dir: Path) -> None:
    """Send what workers of this host left that died, as lost what they had in hand.

    A worker that lives is not touched. One that is started again later begins to count anew; what
    it had counted has been sent. Where to is said by OTEL_EXPORTER_OTLP_ENDPOINT and its relatives,
    as for a worker. Exit code 1 if a file had to be kept.
    """
    try:
        wanted = settings.read(os.environ)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    if not wanted.enabled:
        raise click.ClickException("the environment turns the export of metrics off")
    from telemetry import export  # noqa: PLC0415 - the SDK is slow to import
    from telemetry.state import left  # noqa: PLC0415 - likewise

    try:
        paths = left.candidates(state_dir)
    except OSError as error:
        raise click.ClickException(f"{state_dir}: {error.strerror}") from error
    kept = 0
    for path in paths:
        flushed = left.flush(path, lambda head, said: export.push(wanted, head, said))
        click.echo(_line(flushed))
        kept += flushed.fate in {left.Fate.REFUSED, left.Fate.UNREADABLE}
    if not paths:
        click.echo(f"{state_dir}: nothing was left")
    if kept:
        raise SystemExit(1)


def _line(flushed: Flushed) -> str:
    lost = f"; {flushed.lost} messages were in its hands" if flushed.lost else ""
    return f"{flushed.path.name}: {flushed.fate.value}{lost}"
