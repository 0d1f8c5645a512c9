"""`batch` is checked, and nothing is left to do for it."""

from __future__ import annotations

import pytest

from collector.processors import batch
from tests.collector.configured import processor

ACCEPTED = [
    "",
    "timeout: 0",
    "timeout: 200ms",
    "{send_batch_size: 100, send_batch_max_size: 100}",
    "{send_batch_size: 0, send_batch_max_size: 10}",
    "metadata_keys: [ß, SS]",
    "{metadata_keys: [tenant], metadata_cardinality_limit: 5}",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_batch_leaves_a_note(text: str) -> None:
    """It has no rule: a person who validates the file is told why."""
    configured = processor(batch.read, text)
    assert configured.rewrite is None
    assert configured.note == "satisfied by construction: this engine never holds points back"
