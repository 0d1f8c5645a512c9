"""Whatever happens in whatever order: nothing counts twice, and what is lost has a name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.chaos.run import run
from tests.chaos.workers import Broker
from tests.support import redis
from tests.support.proxy import Mode

SEED = 2026
SECONDS = 20.0
HAPPENS = {
    *("worker killed", "worker stopped and continued", "warm stop", "cold stop"),
    *("collector killed", "PostgreSQL restarted", "pool process killed by us"),
    *(f"collector {mode.value}" for mode in Mode if mode is not Mode.PASS),
    *("soft time limit", "hard time limit", "MemoryError", "pool process recycled"),
    *(f"delivered again by {broker.value}" for broker in Broker),
}


@pytest.mark.timeout(400)
@pytest.mark.skipif(not redis.is_installed(), reason="redis-server is not installed")
def test_executions_are_conserved() -> None:
    """Five pools, two brokers, and all the violence there is; `make chaos` does so for longer.

    Workers, pool processes and the collector are killed, stopped, asked to end warm and cold; tasks
    run out of time and memory, and are delivered again; the way to the collector is sick in every
    way; PostgreSQL, which is one of the brokers, is restarted. At every scrape received is outcomes
    and what is in hand, and at the end what was counted is what the tasks wrote down.
    """
    # Directly below the system's, since the path to the database is opened to another OS user.
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        result = run(Path(directory), SEED, SECONDS)
    assert not result.mistakes, f"seed {SEED}\n" + "\n".join(result.mistakes)
    assert set(result.acts) >= HAPPENS, result.acts
    assert all(result.acts.values()), "what is listed did not happen, or happened otherwise"
