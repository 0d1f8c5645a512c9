"""What a worker says about itself to probes on its host: a state, and the same as JSON.

Comes in: a state, or a file's bytes. Goes out: the other of the two. Times are seconds on the
monotonic clock, which all processes of a machine share and nobody can set. It knows no file, no
clock and no Celery, and imports little: it is in the way of every probe.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

STARTING = "starting"
CONNECTING = "connecting"
CONSUMING = "consuming"
STOPPING = "stopping"
PHASES = (STARTING, CONNECTING, CONSUMING, STOPPING)

NO_CANARY = ""
UNDER_WAY = "under way"
RETURNED = "returned"
POOL_FULL = "pool full"
CANARIES_WELL = frozenset((NO_CANARY, UNDER_WAY, RETURNED, POOL_FULL))
"""What a canary may be without the worker being to blame; everything else names a stage."""


class Handing(NamedTuple):
    """The loop is handing a task to the pool, and does not turn until the pool has taken it."""

    task_name: str
    since: float
    runs: bool
    """Whether the pool runs it in the loop's own thread (solo); else it waits for a free slot."""
    limit_seconds: float | None
    """The task's hard time limit, where the loop runs it: nothing else ends it there."""


class State(NamedTuple):
    """A worker at the time when this was written."""

    node: str
    pid: int
    started: float
    """Seconds since the epoch, for people."""
    written: float
    phase: str
    since: float
    """When the phase began."""
    turned: float
    """When the loop last turned, or gave another sign of life."""
    handing: Handing | None
    queues: int
    """How many queues it consumes from."""
    canary: str
    """`RETURNED`, `UNDER_WAY`, `POOL_FULL`, the stage at which the last one was lost, or none."""
    canary_seconds: float | None
    """How long the last that returned took."""
    exports: bool
    """Whether the collector took the last export."""


_KINDS: dict[str, tuple[type, ...]] = {
    "node": (str,),
    "pid": (int,),
    "started": (int, float),
    "written": (int, float),
    "phase": (str,),
    "since": (int, float),
    "turned": (int, float),
    "queues": (int,),
    "canary": (str,),
    "canary_seconds": (int, float, type(None)),
    "exports": (bool,),
}


def encode(state: State) -> bytes:
    """The JSON of a state, one line."""
    handing = None if state.handing is None else state.handing._asdict()
    return json.dumps({**state._asdict(), "handing": handing}).encode() + b"\n"


def decode(data: bytes) -> State:
    """The state in a file's bytes; keys that are not known are left out. Raises ValueError."""
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - it is about what is in the file
    fields = {name: _field(found, name, kinds) for name, kinds in _KINDS.items()}
    if fields["phase"] not in PHASES:
        raise ValueError("an unknown phase")
    return State(handing=_handing(found.get("handing")), **fields)


def _handing(found: object) -> Handing | None:
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError("'handing' is not an object")  # noqa: TRY004 - as above
    return Handing(
        _field(found, "task_name", (str,)),
        _field(found, "since", (int, float)),
        _field(found, "runs", (bool,)),
        _field(found, "limit_seconds", (int, float, type(None))),
    )


def _field(found: dict[str, Any], name: str, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - one of the kinds
    value = found.get(name, ...)
    # A bool is an int, and still no number; JSON in Python may hold NaN, older than nothing.
    if type(value) not in kinds or (isinstance(value, float) and not abs(value) < float("inf")):
        raise ValueError(f"{name!r} is missing or of another kind")
    return value
