"""The command line of the worker's side: `portless catalog` prints every metric there is.

Comes in: arguments. Goes out: text. It knows the catalogue and nothing that runs; the other
commands have files of their own.
"""

from __future__ import annotations

import sys

import click

from telemetry.broker.cli import observe
from telemetry.broker.stock.cli import broker
from telemetry.catalog import METRICS, Metric
from telemetry.doctor.cli import doctor
from telemetry.flush import flush
from telemetry.guard.cli import guard
from telemetry.health import probe

EXTRAS = {"sqlalchemy": "broker"}
"""Which extra brings a module that a command imports when it needs it."""


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 30 ms

    try:
        click.echo(f"portless, version {version('portless')}")
    except PackageNotFoundError:
        click.echo("portless, not installed, run from its source")
    context.exit()


class Program(click.Group):
    """Says what to install where a command finds less than it needs."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get(str(error.name))
            if extra is None:
                raise
            raise click.ClickException(
                f"this needs {error.name}: pip install 'portless[{extra}]'"
            ) from error


@click.group(cls=Program)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Telemetry for Celery in which workers push and nothing listens."""


main.add_command(broker)
main.add_command(guard)
main.add_command(observe)
main.add_command(flush)
main.add_command(doctor)


@main.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def health(arguments: tuple[str, ...]) -> None:
    """Ask a worker on this machine whether it is live, or ready."""
    sys.exit(probe.main(arguments))


@main.command()
def catalog() -> None:
    """Print every metric as a Markdown table."""
    print("| metric | in Prometheus | kind | unit | attributes | what it tells |")
    print("| --- | --- | --- | --- | --- | --- |")
    for metric in METRICS:
        cells = (f"`{metric.name}`", f"`{metric.exposed}`", metric.kind.value, f"`{metric.unit}`")
        print(f"| {' | '.join(cells)} | {_attributes(metric)} | {metric.help} |")


def _attributes(metric: Metric) -> str:
    """The keys, the last one with its values where they are a closed set."""
    keys = [f"`{key}`" for key in metric.attributes]
    values = ", ".join(f"`{value}`" for value in metric.values if value)
    return ", ".join(keys) + (f": {values}" if values else "")
