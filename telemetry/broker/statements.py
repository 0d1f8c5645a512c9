"""Named statements: a .sql file beside this one -> texts that are ready to be run.

Comes in: the name of a file and of the broker's tables. Goes out: a statement by its name. The file
is plain SQL that can be pasted into a console:

    -- name: visible
    -- What it answers, and why it is written like this.
    SELECT count(*) FROM {messages} WHERE queue_id = :queue_id AND visible;

A line `-- name: …` begins a statement, `{…}` stands for a table's name and `:…` for a parameter,
as SQLAlchemy's `text()` has it. Comments stay in the file; the statement's name goes along as a
comment of its own, so that it is found in pg_stat_activity. It knows no database and no driver.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^--\s*name:\s*(\w+)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_TABLE = re.compile(r"\{(\w+)\}")


def load(file: str, tables: Mapping[str, str]) -> dict[str, str]:
    """The statements of `telemetry/broker/FILE` by name.

    `tables` has for each `{…}` what to write there: a name, quoted and with its schema where the
    dialect wants that (`sqlalchemy.engine.Dialect.identifier_preparer.quote`). Raises `KeyError`
    for a placeholder that is not in it and `ValueError` for a file that says a name twice or has
    SQL before the first one.
    """
    return parse(resources.files(__package__).joinpath(file).read_text("utf-8"), tables)


def parse(text: str, tables: Mapping[str, str]) -> dict[str, str]:
    """The statements of a file's text by name; see `load`."""
    before, *parts = _NAME.split(text)
    if _COMMENT.sub("", before).strip():
        raise ValueError("SQL before the first '-- name:'")
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2]):
        if name in found:
            raise ValueError(f"the statement {name} is there twice")
        statement = _COMMENT.sub("", body).strip().removesuffix(";")
        named = _TABLE.sub(lambda match: tables[match[1]], statement)
        found[name] = f"/* portless: {name} */ {named}"
    return found
