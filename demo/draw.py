"""What a picture and the account look like: numbers in, something that rich can print out.

It knows neither terminals nor time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from demo.account import OUTCOMES
from demo.shop import TENANTS
from demo.system import WORKERS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from demo.account import Account, Line
    from demo.picture import Picture, TaskRow
    from demo.scrape import Sample

POOLS = {worker.node: worker.pool for worker in WORKERS}
STYLES = {"success": "green", "failed": "red", "lost": "bold red", "retried": "yellow"}


def line(picture: Picture) -> str:
    """Draw a picture in one line."""
    counts = ", ".join(f"{name} {count}" for name, count in picture.totals.items() if count)
    in_hand = sum(worker.active + worker.reserved for worker in picture.workers)
    waiting = sum(row.waiting for row in picture.queues)
    return (
        f"{picture.per_second:.0f} tasks/s; {counts or 'nothing yet'}; "
        f"{len(picture.workers)} workers, {in_hand} in hand, "
        f"{waiting} waiting in {len(picture.queues)} queues; "
        f"{len(TENANTS)} tenants and {picture.streams} streams in, {picture.series} series out"
    )


def picture(picture: Picture) -> RenderableType:
    """Draw a picture for a screen."""
    parts = (_redaction(picture), _tasks(picture), _workers(picture), _queues(picture))
    return Group(*(line for part in parts for line in ("", part)))


def _table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    table = Table(
        box=None, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim"
    )
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    return table


def _tasks(picture: Picture) -> Table:
    table = _table(
        "task", "success", "/s", "otherwise", "runtime", numbers=("success", "/s", "runtime")
    )
    for row in picture.tasks:
        table.add_row(row.task, *_success(row), _otherwise(row), _duration(row.runtime_seconds))
    return table


def _success(row: TaskRow) -> tuple[Text, str]:
    count = row.counts.get("success", 0)
    if not count:
        return Text("–", "dim"), ""
    return Text(str(count), STYLES["success"]), f"{row.rates['success']:.1f}"


def _otherwise(row: TaskRow) -> Text:
    parts = [
        Text.assemble((f"{row.counts[name]} {name}", STYLES.get(name, "")), f" {rate:.1f}/s")
        for name, rate in row.rates.items()
        if name != "success"
    ]
    return Text(", ").join(parts)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def _workers(picture: Picture) -> Table:
    numbers = ("slots", "running", "reserved", "canary")
    table = _table("worker", "pool", *numbers, numbers=numbers)
    for worker in picture.workers:
        counts = (worker.processes, worker.active, worker.reserved)
        canary = _duration(worker.canary_seconds)
        table.add_row(worker.node, POOLS.get(worker.node, ""), *map(str, counts), canary)
    return table


def _queues(picture: Picture) -> Table:
    numbers = ("waiting", "oldest", "reserved")
    table = _table("queue", *numbers, numbers=numbers)
    for row in picture.queues:
        oldest = _duration(row.oldest_seconds)
        table.add_row(row.queue, str(row.waiting), oldest, str(row.reserved))
    return table


def _redaction(picture: Picture) -> RenderableType:
    lines = [
        Text.assemble(
            ("redaction ", "dim"),
            f"{picture.streams} streams of {len(TENANTS)} tenants pushed, "
            f"{picture.series} series without tenants exposed",
        )
    ]
    for row in picture.shop:
        given = " + ".join(f"{tenant} {amount:,}" for tenant, amount in row.given.items())
        lines.append(Text.assemble(f"  {row.metric}  ", (given, "magenta")))
        lines += map(_sample, row.exposed)
    return Group(*lines)


def _sample(sample: Sample) -> Text:
    """Draw a series with its value in front: what does not fit is cut off at the end."""
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return Text.assemble(
        f"    → {sample.value:,.0f} {sample.name}",
        (f"{{{labels}}}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def account(account: Account) -> RenderableType:
    """Draw the account."""
    verdict = (
        Text("The account balances.", "bold green")
        if account.balances
        else Text("THE ACCOUNT DOES NOT BALANCE.", "bold red")
    )
    title = Text.assemble(
        ("The account", "bold"),
        ": what tasks wrote down in PostgreSQL = what Prometheus reads",
    )
    others = [_line(line) for line in account.others]
    return Group("", title, "", _ledger(account), "", *others, "", verdict)


def _ledger(account: Account) -> Table:
    """Tasks down, outcomes across."""
    happened = [name for name in OUTCOMES if any(name == key[1] for key in account.tasks)]
    table = _table("task", *happened, numbers=tuple(happened))
    for task in sorted({task for task, _ in account.tasks}):
        lines = (account.tasks.get((task, name)) for name in happened)
        table.add_row(task, *("" if line is None else _cell(line) for line in lines))
    return table


def _cell(line: Line) -> Text:
    if line.balances:
        return Text(str(line.expected))
    return Text(f"{line.expected} ≠ {line.found}", "bold red")


def _line(line: Line) -> Text:
    mark = ("✓ ", "green") if line.balances else ("✗ ", "bold red")
    return Text.assemble(mark, f"{line.what}: ", _equation(line))


def _equation(line: Line) -> Text:
    if line.balances:
        return Text(f"{line.found:,} = {line.expected:,}" if line.expected else "none")
    return Text(f"{line.expected:,} expected, {line.found:,} found", "bold red")
