"""The rows that kombu's own transport leaves behind, each with a verdict; some deleted or restored.

Comes in: the databases of the broker and of the results, and the names of their tables. Goes out:
delivered messages in the order in which they were sent. It deletes and restores what it is told, a
batch in one statement, and nothing that changed meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, create_engine, text

from telemetry.broker import statements
from telemetry.broker.stock.verdict import Task, Verdict, judge, task_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Engine

BATCH_ROWS = 500
"""Rows in one statement: locks are short, and other sessions get their turn."""


class Message(NamedTuple):
    """One delivered message."""

    row: int
    task: Task | None
    verdict: Verdict


class Delivered:
    """Everything that was delivered in one broker."""

    def __init__(self, broker: str, results: str, tables: Mapping[str, str]) -> None:
        """Look at `broker` and `results`, addresses of SQLAlchemy's.

        `tables` names `messages` and `results`. Opens nothing yet.
        """
        self._broker = create_engine(broker, isolation_level="AUTOCOMMIT")
        self._results = (
            self._broker
            if results == broker
            else create_engine(results, isolation_level="AUTOCOMMIT")
        )
        quote = self._broker.dialect.identifier_preparer.quote
        quoted = {key: quote(name) for key, name in tables.items()}
        loaded = statements.load("stock/delivered.sql", quoted)
        self._statements = {name: text(statement) for name, statement in loaded.items()}
        for name, parameter in (("states", "task_ids"), ("delete", "ids"), ("restore", "ids")):
            many = self._statements[name].bindparams(bindparam(parameter, expanding=True))
            self._statements[name] = many

    def close(self) -> None:
        """End the connections."""
        self._broker.dispose()
        self._results.dispose()

    def count(self) -> int:
        """How many there are; it reads the whole table."""
        return int(self._run(self._broker, "count")[0][0])

    def pages(self, before: datetime | None = None) -> Iterator[list[Message]]:
        """All of them in pages, or those delivered `before`, on the clock of their worker."""
        living = {task_of(payload) for (payload,) in self._run(self._broker, "living")}
        ids = {task.task_id for task in living if task is not None}
        after = -1
        page, when = ("page", {}) if before is None else ("old_page", {"before": before})
        while rows := self._run(self._broker, page, after=after, rows=BATCH_ROWS, **when):
            yield self._judged(rows, ids)
            after = rows[-1][0]

    def delete(self, rows: Sequence[int]) -> int:
        """Delete these rows; how many still were what they had been."""
        return self._change("delete", rows)

    def restore(self, rows: Sequence[int]) -> int:
        """Let these messages wait again; how many still were what they had been."""
        return self._change("restore", rows)

    def _judged(self, rows: list[Any], living: set[str]) -> list[Message]:
        tasks = [(row, task_of(payload)) for row, payload in rows]
        task_ids = sorted({task.task_id for _, task in tasks if task is not None})
        states = dict(
            map(tuple, self._run(self._results, "states", task_ids=task_ids)) if task_ids else ()
        )
        return [
            Message(
                row,
                task,
                Verdict.UNKNOWN
                if task is None
                else judge(states.get(task.task_id), waits=task.task_id in living),
            )
            for row, task in tasks
        ]

    def _change(self, statement: str, rows: Sequence[int]) -> int:
        if not rows:
            return 0
        with self._broker.connect() as connection:
            return connection.execute(self._statements[statement], {"ids": list(rows)}).rowcount

    def _run(self, engine: Engine, statement: str, **parameters: Any) -> list[Any]:  # noqa: ANN401 - SQL's
        with engine.connect() as connection:
            return list(connection.execute(self._statements[statement], parameters))
