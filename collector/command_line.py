"""What was typed becomes values, or the command ends and says what is wrong with it.

In: options as texts. Out: a plan, where to serve a page, who is let in. Options that several
commands have stand here, too. The configuration and the environment are read here; what a command
does with them is not known. What that needs is imported when it is asked for, so that `--help` is
quick.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.fields.component_id import ComponentId
    from collector.plan import Plan
    from collector.server.door import Allowed
    from collector.server.seats import Seat

STREAMS_MAX = 250_000
"""The engine's default, repeated here because importing an engine takes a moment."""

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("otel-collector.yaml"),
    show_default=True,
    help="The configuration file, in the OpenTelemetry Collector's language.",
)
streams_option = click.option(
    "--max-streams",
    type=click.IntRange(min=1),
    default=STREAMS_MAX,
    show_default=True,
    help="How many streams may speak at once; points of further ones are refused and counted. As "
    "many silent ones are remembered.",
)

from_option = click.option(
    "--allow-from",
    multiple=True,
    metavar="[SERVER=]NETWORK",
    help="Let clients in from this network only, 10.0.0.0/8 or fd00::/8; several times for several "
    "networks. With SERVER= it holds for that server alone.",
)
open_option = click.option(
    "--allow-open",
    is_flag=False,
    flag_value="",
    multiple=True,
    metavar="[=SERVER]",
    help="Let servers listen to other machines though they ask nobody who is there: all of them, "
    "or only SERVER, such as health_check.",
)


def load_plan(config: Path) -> Plan:
    """Load a configuration, or end with what is wrong with it."""
    from collector import plan  # noqa: PLC0415 - quick help
    from collector.errors import ConfigError  # noqa: PLC0415 - quick help
    from collector.server.memory import total_bytes  # noqa: PLC0415 - quick help

    try:
        return plan.load(str(config), config.read_text(), os.environ, total_bytes())
    except ConfigError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{config}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{config}: not UTF-8")


def page_seat(where: str | None, authenticator: str) -> Seat | None:
    """Read where the page is served, and who is asked there."""
    from collector.server import seats  # noqa: PLC0415 - quick help
    from collector.settings import Endpoint  # noqa: PLC0415 - quick help

    if where is None:
        if authenticator:
            fail("--page-auth: there is no page without --page")
        return None
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        fail(f"--page: {where} is no HOST:PORT: write 127.0.0.1:8080 or [::1]:8080")
    endpoint = Endpoint(host.removeprefix("[").removesuffix("]"), int(port))
    return seats.page(endpoint, authenticator)


def allowed_by(allow_from: Sequence[str], allow_open: Sequence[str]) -> Allowed:
    """Read what the options allow."""
    from collector.server.door import Allowed, network  # noqa: PLC0415 - quick help

    networks = []
    for text in allow_from:
        name, _, written = text.rpartition("=")
        try:
            networks.append((name, network(written)))
        except ValueError:
            fail(f"--allow-from: {written} is no network: write 10.0.0.0/8, fd00::/8 or 10.1.2.3")
    return Allowed(tuple(networks), tuple(allow_open))


def one_of(there: Iterable[ComponentId], what: str, wanted: str | None) -> ComponentId:
    """Find the component that an option names; without it there has to be one."""
    known = {str(id_): id_ for id_ in there}
    if wanted is None and len(known) == 1:
        return next(iter(known.values()))
    if wanted not in known:
        fail(f"--{what}: choose one of {', '.join(known)}")
    return known[wanted]


def fail(message: str) -> NoReturn:
    """Say what is wrong and how it ends: with exit code 1."""
    click.echo(message, err=True)
    sys.exit(1)
