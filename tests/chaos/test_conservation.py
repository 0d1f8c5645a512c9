"""Whatever happens in whatever order: nothing counts twice, and what is lost has a name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.chaos.run import run
from tests.support import redis

SEED = 2026
SECONDS = 20.0


@pytest.mark.timeout(400)
@pytest.mark.skipif(not redis.is_installed(), reason="redis-server is not installed")
def test_executions_are_conserved() -> None:
    """Five pools, and all the violence there is; `make chaos` does the same for longer.

    Workers, pool processes and the collector are killed, stopped, asked to end warm and cold; tasks
    run out of time and memory, and are delivered again; the way to the collector is sick in every
    way; PostgreSQL is restarted. At every scrape received is outcomes and what is in hand, and at
    the end what was counted is what the tasks wrote down.
    """
    # Directly below the system's, since the path to the database is opened to another OS user.
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        result = run(Path(directory), SEED, SECONDS)
    assert not result.mistakes, f"seed {SEED}\n" + "\n".join(result.mistakes)
    assert len(result.acts) == 13, result.acts
