"""The command `portless-collector`: run a configuration, check it, or try it on files.

What the commands need is imported when one of them runs, so that `--help` is quick. What was typed
is read in `command_line`; everything behind a command gets values.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.command_line import (
    allowed_by,
    config_option,
    fail,
    from_option,
    load_plan,
    one_of,
    open_option,
    page_seat,
    streams_option,
)
from collector.doctor.cli import doctor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from collector.intake import Intake

LOG_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
"""By the names that the OpenTelemetry Collector gives them."""


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 30 ms

    try:
        click.echo(f"portless-collector {version('portless')}")
    except PackageNotFoundError:
        click.echo("portless-collector, run from its source")
    context.exit()


class Program(click.Group):
    """Says what to install where a command finds less than it needs."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            fail(f"this needs {error.name}: pip install 'portless[collector]'")


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Receive OTLP metrics, keep only the labels that are allowed, expose Prometheus."""


main.add_command(doctor)


@main.command()
@config_option
@streams_option
@click.option(
    "--ports-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="When ready, write the address of every server to this file, as a JSON object.",
)
@from_option
@open_option
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what is pushed in this directory, before it is acknowledged, and go on from there "
    "at the next start. Without it counters begin anew.",
)
@click.option(
    "--fsync",
    type=click.Choice(["always", "interval", "never"]),
    default="interval",
    show_default=True,
    help="When what is kept outlives the machine, not only the process: before each answer, after "
    "a second, or when the system writes it by itself.",
)
@click.option(
    "--state-max-mib",
    type=click.IntRange(min=16),
    default=1024,
    show_default=True,
    help="How much of the disk the state of a pipeline may take; beyond, pushes are refused and "
    "may be tried again.",
)
@click.option(
    "--page",
    metavar="HOST:PORT",
    help="Serve a page for browsers here, such as 127.0.0.1:8080; port 0 takes a free one.",
)
@click.option(
    "--page-auth",
    metavar="EXTENSION",
    default="",
    help="Which of the configuration's authenticators asks who looks at the page, such as "
    "basicauth/people.",
)
def run(  # noqa: PLR0913 - what can be said on the command line
    config: Path,
    max_streams: int,
    ports_file: Path | None,
    allow_from: Sequence[str],
    allow_open: Sequence[str],
    state_dir: Path | None,
    fsync: str,
    state_max_mib: int,
    page: str | None,
    page_auth: str,
) -> None:
    """Run the collector until SIGTERM or SIGINT."""
    plan = load_plan(config)
    from collector.journal.directory import StateDirError  # noqa: PLC0415 - quick help
    from collector.journal.journal import Fsync, StateDir  # noqa: PLC0415 - quick help
    from collector.server import process  # noqa: PLC0415 - quick help
    from collector.server.listening import ListenError  # noqa: PLC0415 - quick help

    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=LOG_LEVELS[plan.self_telemetry.log_level],
        format="%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    kept = StateDir(state_dir, Fsync(fsync), state_max_mib << 20) if state_dir else None
    allowed = allowed_by(allow_from, allow_open)
    extras = process.Extras(kept, page_seat(page, page_auth))
    try:
        process.run(plan, max_streams, _ready(ports_file), allowed, extras)
    except (ListenError, StateDirError) as error:
        fail(str(error))


@main.command()
@config_option
@open_option
def validate(config: Path, allow_open: Sequence[str]) -> None:
    """Check a configuration; say every mistake, or what is worth knowing about it.

    What `run` would not start with, given the same --allow-open, is told as well: it may be meant
    for another engine or other options, so the file is valid all the same.
    """
    plan = load_plan(config)
    from collector.server.listening import ListenError  # noqa: PLC0415 - quick help
    from collector.server.seats import refusals  # noqa: PLC0415 - quick help

    try:
        open_ = [f"{config}: {refusal}" for refusal in refusals(plan, allowed_by((), allow_open))]
    except ListenError as error:
        fail(str(error))
    for line in (*plan.warnings, *open_, *plan.notes):
        click.echo(line, err=True)
    click.echo(f"{config}: valid")


@main.command()
@config_option
def leaks(config: Path) -> None:
    """Say every way by which an attribute could still leave, on this engine and the real one.

    Exit code 1 if there is any. What is good to know besides, as which labels' values leave, is
    told as a note.
    """
    plan = load_plan(config)
    from collector.leaks import find  # noqa: PLC0415 - quick help

    found = find(plan, str(config), config.read_text(), os.environ)
    for finding in found:
        click.echo(f"{config}:{finding}")
    leaking = sum(finding.is_leak for finding in found)
    notes = len(found) - leaking
    click.echo(
        f"{config}: {leaking} leak{'' if leaking == 1 else 's'},"
        f" {notes} note{'' if notes == 1 else 's'}"
    )
    if leaking:
        sys.exit(1)


@main.command()
@config_option
@click.option(
    "--kind",
    type=click.Choice(["counter", "updown", "gauge", "histogram", "exponential", "summary"]),
    default="counter",
    show_default=True,
    help="What the metric is.",
)
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="KEY=VALUE",
    help="An attribute to try besides those that the file names; may be given more than once.",
)
@click.argument("metric")
def explain(config: Path, kind: str, attributes: Sequence[str], metric: str) -> None:
    """Say which rules touch a METRIC, which of its labels live, and why."""
    plan = load_plan(config)
    from collector.explain import explain as lines  # noqa: PLC0415 - quick help
    from collector.leaks import texts_of  # noqa: PLC0415 - quick help
    from collector.model import Kind  # noqa: PLC0415 - quick help

    pairs = dict(pair.partition("=")[::2] for pair in attributes)
    for line in lines(plan, metric, Kind(kind), pairs, texts_of(config.read_text())):
        click.echo(line)


@main.command()
@config_option
@streams_option
@click.option("--open-metrics", is_flag=True, help="Print OpenMetrics 1.0, not text 0.0.4.")
@click.option("--receiver", help="Which receiver takes them, where there are several.")
@click.option("--exporter", help="Whose exposition is printed, where there are several.")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE...",
)
def replay(
    config: Path,
    max_streams: int,
    receiver: str | None,
    exporter: str | None,
    files: Sequence[Path],
    *,
    open_metrics: bool,
) -> None:
    """Show what would be exposed after these requests, taken in their order.

    A FILE holds the body of a request to /v1/metrics: OTLP/JSON, or protobuf if its name ends in
    .pb. What is refused is said on standard error; the exit code is then still 0, unless a file is
    no such request.
    """
    plan = load_plan(config)
    from collector.exposition import negotiate  # noqa: PLC0415 - quick help
    from collector.river import River  # noqa: PLC0415 - quick help

    river = River(plan, max_streams)
    intake = river.intake(one_of(plan.receivers, "receiver", receiver), "http")
    outlet = river.prometheus[one_of(river.prometheus, "exporter", exporter)]
    for file in files:
        _replay(intake, file)
    form = negotiate.OPEN_METRICS_FORMAT if open_metrics else negotiate.TEXT_FORMAT
    click.echo(outlet.scrape(form), nl=False)


def _replay(intake: Intake, file: Path) -> None:
    from collector.errors import Refused  # noqa: PLC0415 - quick help

    is_protobuf = file.suffix == ".pb"
    body = file.read_bytes()
    now = 0.0  # for all files: what is replayed does not grow old on the way
    try:
        outcome = intake.accept(body, now) if is_protobuf else intake.accept_json(body, now)
    except Refused as refusal:
        fail(f"{file}: {refusal.message}")
    for reason, points in sorted(outcome.refused.items()):
        click.echo(f"{file}: {points} points refused: {reason.value}", err=True)


def _ready(ports_file: Path | None) -> Callable[[Mapping[str, str]], None]:
    """Return what is done when all servers listen: say where, to a person and to a program."""

    def ready(addresses: Mapping[str, str]) -> None:
        if ports_file:
            # In one stroke, so that who waits for the file never reads half of it.
            unfinished = ports_file.with_name(f"{ports_file.name}.unfinished")
            try:
                unfinished.write_text(json.dumps(addresses))
                unfinished.replace(ports_file)
            except OSError as error:
                fail(f"{ports_file}: {error.strerror}")
        where = ", ".join(f"{name} {address}" for name, address in addresses.items())
        click.echo(f"ready: {where}")
        sys.stdout.flush()

    return ready
