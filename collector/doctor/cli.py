"""`portless-collector doctor`: walk from the file to Prometheus, name the first hop that is broken.

Comes in: a configuration, addresses, logins. Goes out: a table of hops, or JSON, and an exit code.
It knows neither what a hop is nor how it is looked at.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from doctor.options import jobs_option, json_option, prometheus_option


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("otel-collector.yaml"),
    show_default=True,
    help="The configuration file that the collector runs.",
)
@prometheus_option
@jobs_option
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="The directory that `run` was given; without it, that hop is not looked at.",
)
@click.option(
    "--client-cert",
    type=click.Path(exists=True, dir_okay=False),
    help="A client's certificate, as PEM, where the file has client_ca_file.",
)
@click.option("--client-key", type=click.Path(exists=True, dir_okay=False), help="Its key.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=1),
    help="For how many seconds to wait for the mark on the page, and for Prometheus' next scrape.  "
    "[default: 10, and as long as Prometheus scrapes]",
)
@json_option
def doctor(  # noqa: PLR0913 - what can be said on the command line
    config: Path,
    prometheus_url: str | None,
    jobs: str,
    state_dir: Path | None,
    client_cert: str | None,
    client_key: str | None,
    wait_seconds: float | None,
    *,
    as_json: bool,
) -> None:
    """Say why nothing comes out: the first broken hop from the file to Prometheus, and the fix.

    Run it on the collector's machine, with its file and its environment. Pushes one mark, a gauge,
    through every receiver. Of the logins that servers ask for, tokens are taken from the file; a
    name and its password are PORTLESS_DOCTOR_LOGIN=NAME:PASSWORD. Exit code 1 if a hop is broken.
    """
    from collector.doctor.way import Asked, Way  # noqa: PLC0415 - quick help
    from doctor.walk import tell  # noqa: PLC0415 - likewise

    client = (client_cert, client_key) if client_cert else None
    asked = Asked(config, prometheus_url, jobs, state_dir, client, wait_seconds)
    sys.exit(tell(Way(asked, os.environ).steps(), as_json=as_json))
