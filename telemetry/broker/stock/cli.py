"""`portless broker recover|prune`: what an operator can do about delivered rows, and prove.

Comes in: an app or an address, and what to do. Goes out: text, and rows restored or deleted. It
prints names and ids of tasks, and nothing of what is in a message or an address.
"""

from __future__ import annotations

import functools
from collections import Counter
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from telemetry.broker.cli import connection_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry.broker.stock.delivered import Delivered, Message

_WHY = (
    "kombu's own transport records no acknowledgement: a delivered row looks the same while its "
    "task runs, when it has ended and when it was lost. A sweep of old rows runs finished tasks "
    "again, so it is not done, and nothing is restored while workers run.\n"
    "Look with --dry-run first. Then stop every worker of this broker and say --workers-stopped.\n"
    "Workers on portless+postgresql+psycopg2://… need none of this."
)
_RESULTS = "celery_taskmeta"


@click.group()
def broker() -> None:
    """Look after the tables of a SQL broker."""


def _on_a_broker(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which broker, and where results are."""

    @click.option("-A", "--app", "app_name", help="The Celery app, as `celery -A` has it.")
    @click.option(
        "-b", "--broker", "broker_url", envvar="CELERY_BROKER_URL", help="The broker's address."
    )
    @click.option(
        "--results",
        "results_url",
        envvar="CELERY_RESULT_BACKEND",
        help="Where results are, db+… ; the app's, or the broker's database if not given.",
    )
    @functools.wraps(command)
    def wrapped(
        app_name: str | None,
        broker_url: str | None,
        results_url: str | None,
        **options: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        with _delivered(app_name, broker_url, results_url) as delivered:
            command(delivered, **options)

    return wrapped


@broker.command()
@_on_a_broker
@click.option("--dry-run", is_flag=True, help="List only; safe at any time.")
@click.option("--workers-stopped", is_flag=True, help="You have stopped every worker.")
@click.option("--task", "names", multiple=True, help="Only tasks of this name; can be repeated.")
def recover(
    delivered: Delivered, dry_run: bool, workers_stopped: bool, names: tuple[str, ...]
) -> None:
    """Restore delivered messages whose task began, by the result backend, and never ended.

    That is recorded with task_track_started, and by retries. A task that raises Ignore or Reject
    leaves the same record: list first, and choose with --task. What has no record is counted only.
    """
    if not dry_run and not workers_stopped:
        raise click.UsageError(_WHY)
    unfinished: dict[str, Message] = {}
    verdicts: Counter[str] = Counter()
    for page in delivered.pages():
        for message in page:
            verdicts[message.verdict.value] += 1
            if message.task is not None:
                unfinished.pop(message.task.task_id, None)  # a later one has the same task
                if message.verdict.value == "unfinished" and (
                    not names or message.task.name in names
                ):
                    unfinished[message.task.task_id] = message
    for task_id, message in unfinished.items():
        click.echo(f"{message.row} {message.task.name if message.task else ''} {task_id}")
    click.echo(
        f"{sum(verdicts.values())} delivered: {verdicts['done']} done, {len(unfinished)} to "
        f"restore, {verdicts['unknown']} of which nothing is recorded"
    )
    if not dry_run:
        restored = delivered.restore([message.row for message in unfinished.values()])
        click.echo(f"{restored} restored")


@broker.command()
@_on_a_broker
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(min=1),
    default=24.0,
    show_default=True,
    help="Hours since the delivery.",
)
def prune(delivered: Delivered, dry_run: bool, hours: float) -> None:
    """Delete delivered rows whose task has ended, by the result backend.

    In batches, while everything runs. Rows of which nothing is recorded stay: tasks that ignore
    their result, and those whose result has expired.
    """
    # as kombu writes it: the local time of the worker, without a zone
    before = datetime.now() - timedelta(hours=hours)  # noqa: DTZ005
    done = kept = 0
    with click.progressbar(length=delivered.count(), label="delivered rows") as bar:
        for page in delivered.pages(before):
            rows = [message.row for message in page if message.verdict.value == "done"]
            done += len(rows) if dry_run else delivered.delete(rows)
            kept += len(page) - len(rows)
            bar.update(len(page))
    what = "could be deleted" if dry_run else "deleted"
    click.echo(f"{done} {what}; {kept} of that age stay, since their end is not recorded")


@contextmanager
def _delivered(
    app_name: str | None, broker_url: str | None, results_url: str | None
) -> Iterator[Delivered]:
    app, connection = connection_of(app_name, broker_url)
    if connection.get_transport_cls().driver_type != "sql":
        raise click.UsageError("this is about kombu's tables; the broker is no SQL database")
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - help is quick

    from telemetry.broker.stock.delivered import Delivered  # noqa: PLC0415

    options = connection.transport_options or {}
    results = results_url or (app.conf.result_backend if app is not None else None)
    if results is not None and not results.startswith("db+"):
        raise click.UsageError("results are not in a database (db+…), so nothing can be proven")
    tables = app.conf.database_table_names or {} if app is not None else {}
    try:
        found = Delivered(
            connection.hostname,
            connection.hostname if results is None else results.removeprefix("db+"),
            {
                "messages": options.get("message_tablename", "kombu_message"),
                "results": tables.get("task", _RESULTS),
            },
        )
        with closing(found):
            yield found
    except SQLAlchemyError as error:
        # Not its text, which may quote an address or a message.
        cause = type(getattr(error, "orig", None) or error).__name__
        raise click.ClickException(
            f"the database refused ({cause}); needed are the broker's tables and, in the database "
            "of the results, Celery's table of them"
        ) from None
