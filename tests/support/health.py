"""A worker's state as it keeps it in its file, without a worker."""

from __future__ import annotations

import os
import time

from telemetry.health import state as states
from telemetry.health.state import State


def well(node: str = "w@lab", **changes: object) -> State:
    """One that is well, and runs in this process."""
    now = time.monotonic()
    state = State(
        node=node,
        pid=os.getpid(),
        started=time.time(),
        written=now,
        phase=states.CONSUMING,
        since=now,
        turned=now,
        handing=None,
        queues=1,
        canary=states.NO_CANARY,
        canary_seconds=None,
        exports=True,
    )
    return state._replace(**changes)  # type: ignore[arg-type]
