"""`portless observe`: an observer in the foreground, for brokers that elect none among workers.

Comes in: an app or the address of a broker, and the OTEL_* environment. Goes out: exports until the
process is told to end. It prints what it does and no address, which may hold a password.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Celery's and kombu's own objects.
App: TypeAlias = Any
Connection: TypeAlias = Any


@click.command()
@click.option("-A", "--app", "app_name", help="The Celery app, as `celery -A` has it.")
@click.option(
    "-b",
    "--broker",
    "broker_url",
    envvar="CELERY_BROKER_URL",
    help="The broker's address, where there is no app or it has another.  [env: CELERY_BROKER_URL]",
)
@click.option(
    "-Q",
    "--queues",
    default="",
    help="Queues of a Redis or AMQP broker, with commas between, beside those that the app knows.",
)
def observe(app_name: str | None, broker_url: str | None, queues: str) -> None:
    """Push the lengths and ages of the broker's queues until told to end.

    Reads only, and listens on nothing. Where to push and how often say the OTEL_* variables, as for
    workers. On PostgreSQL one of all observers looks at a time, workers included.
    """
    from telemetry.settings import SettingsError, read  # noqa: PLC0415 - as below

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        wanted = read(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    if not wanted.enabled:
        raise click.ClickException("the environment says that no metrics are to be sent")
    app, connection = connection_of(app_name, broker_url)
    named = [name.strip() for name in queues.split(",") if name.strip()]

    # Imported here, so that other commands need not wait for the SDK.
    from telemetry import export, identity  # noqa: PLC0415
    from telemetry.broker.blind import Unreadable  # noqa: PLC0415
    from telemetry.broker.brokers import broker  # noqa: PLC0415
    from telemetry.broker.observer import Observer  # noqa: PLC0415

    try:
        seen = broker(connection, _queue_names(app, named), wanted.interval_seconds)
    except Unreadable as error:
        raise click.ClickException(str(error)) from error
    who = identity.observer(os.environ, socket.gethostname(), os.getpid())
    observer = Observer(seen, wanted, os.environ, export.identified(export.detect(), who))
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    seconds = f"{wanted.interval_seconds:g} s"
    click.echo(f"observing {seen.name} every {seconds}, pushing to {wanted.collector}")
    observer.start()
    ending.wait()
    observer.stop()


def connection_of(app_name: str | None, broker_url: str | None) -> tuple[App, Connection]:
    """The app, if there is one, and a connection to the broker that is not opened."""
    from celery.app.utils import find_app  # noqa: PLC0415 - other commands do without Celery
    from kombu import Connection as KombuConnection  # noqa: PLC0415

    if app_name is None and broker_url is None:
        raise click.UsageError("say which broker: -A with the app, or -b with an address")
    try:
        app = None if app_name is None else find_app(app_name)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"no app called {app_name!r}: {error}") from error
    try:
        if app is None:
            return None, KombuConnection(str(broker_url))
        return app, app.connection_for_read(url=broker_url)
    except Exception as error:  # noqa: BLE001 - kombu's modules fail in many ways without a client
        # Not its text: what cannot be parsed may be a password in the wrong place.
        raise click.ClickException(
            f"the broker's address cannot be used ({type(error).__name__}); it should be like "
            "sqla+postgresql+psycopg2://…, redis://… or amqp://…, and its client be installed"
        ) from None


def _queue_names(app: App, named: list[str]) -> Callable[[], Iterable[str]]:
    return lambda: [*named, *(app.amqp.queues if app is not None else ())]
