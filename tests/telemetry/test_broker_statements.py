"""Statements have names, know the tables they are told, and leave their comments at home."""

from __future__ import annotations

import pytest

from telemetry.broker.statements import parse

TABLES = {"messages": '"Odd Name"', "queues": "kombu_queue"}
FILE = """\
-- What this file is for.

-- name: visible
-- Why it is written like this; it has a semicolon.
SELECT count(*)
  FROM {messages} -- of one queue
 WHERE queue_id = :queue_id AND payload LIKE '{"a%';

-- name: queues
SELECT name FROM {queues};
"""


def test_a_statement_is_found_by_name() -> None:
    """Tables are filled in, parameters and other braces stay, and the name goes along."""
    assert parse(FILE, TABLES) == {
        "visible": (
            "/* portless: visible */ SELECT count(*)\n"
            '  FROM "Odd Name" -- of one queue\n'
            """ WHERE queue_id = :queue_id AND payload LIKE '{"a%'"""
        ),
        "queues": "/* portless: queues */ SELECT name FROM kombu_queue",
    }


def test_a_table_nobody_named_is_refused() -> None:
    """A placeholder that stays would be a syntax error in production."""
    with pytest.raises(KeyError, match="messages"):
        parse(FILE, {"queues": "kombu_queue"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1;\n-- name: one\nSELECT 1", "before the first"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2", "one is there twice"),
    ],
)
def test_a_file_that_would_lose_a_statement_is_refused(text: str, words: str) -> None:
    """What cannot be asked for by name, or only the second time, is a mistake in the file."""
    with pytest.raises(ValueError, match=words):
        parse(text, {})
