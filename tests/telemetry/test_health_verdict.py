"""A verdict is a function of what a worker says: each case is a state, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.health import state as states
from telemetry.health.state import Handing, State, decode, encode
from telemetry.health.verdict import Limits, live, ready

NOW = 1000.0
WELL = State(
    node="w@lab",
    pid=1,
    started=0.0,
    written=NOW - 1,
    phase=states.CONSUMING,
    since=NOW - 100,
    turned=NOW - 2,
    handing=None,
    queues=2,
    canary=states.NO_CANARY,
    canary_seconds=None,
    exports=True,
)
RUNS = Handing("a.task", NOW - 600, runs=True, limit_seconds=None)
WAITS = Handing("a.task", NOW - 600, runs=False, limit_seconds=None)


@pytest.mark.parametrize(
    ("change", "is_live", "is_ready", "why"),
    [
        pytest.param({}, True, True, "its loop turned 2.0 s ago", id="all is well"),
        pytest.param({"turned": NOW - 31}, False, False, "wedged", id="the loop is wedged"),
        pytest.param({"written": NOW - 31}, False, False, "not written", id="all is stopped"),
        pytest.param({"written": NOW + 1}, False, False, "before this machine", id="another boot"),
        pytest.param(
            {"handing": RUNS, "turned": NOW - 600},
            True,
            True,
            "runs a.task since 600 s",
            id="a long task in the loop",
        ),
        pytest.param(
            {"handing": RUNS._replace(limit_seconds=500.0)},
            False,
            False,
            "beyond its time limit of 500 s",
            id="a task beyond a limit that the pool does not enforce",
        ),
        pytest.param(
            {"handing": WAITS, "turned": NOW - 600},
            True,
            True,
            "waits for a free slot for a.task",
            id="a pool that is full",
        ),
        pytest.param(
            {"phase": states.CONNECTING, "turned": NOW - 120},
            True,
            False,
            "connect",
            id="no broker",
        ),
        pytest.param(
            {"phase": states.CONNECTING, "turned": NOW - 301},
            False,
            False,
            "without a sign for 301 s",
            id="an attempt that never ends",
        ),
        pytest.param(
            {"phase": states.STARTING, "turned": NOW - 40},
            True,
            False,
            "has been starting",
            id="a long start",
        ),
        pytest.param(
            {"phase": states.STOPPING, "turned": NOW - 900},
            True,
            False,
            "has been stopping",
            id="a long stop",
        ),
        pytest.param({"queues": 0}, True, False, "no queue", id="no queue"),
        pytest.param({"canary": "row"}, True, False, "stage 'row'", id="a lost canary"),
        pytest.param({"canary": states.POOL_FULL}, True, True, "full", id="a canary that waits"),
        pytest.param(
            {"canary": states.RETURNED, "canary_seconds": 0.25},
            True,
            True,
            "took 0.2 s",
            id="a canary that came back",
        ),
        pytest.param({"exports": False}, True, True, "collector does not take", id="no collector"),
    ],
)
def test_verdicts(change: dict[str, Any], is_live: bool, is_ready: bool, why: str) -> None:
    """Live is what a restart would not mend; ready is what takes tasks; the line says why."""
    state = WELL._replace(**change)
    assert live(state, NOW, Limits()).ok is is_live
    verdict = ready(state, NOW, Limits())
    assert verdict.ok is is_ready
    assert why in verdict.why
    assert "\n" not in verdict.why


def test_limits_are_the_asker_s() -> None:
    """How old is too old, and how long a task may hold up the loop."""
    assert not live(WELL, NOW, Limits(age_seconds_max=1.5)).ok
    busy = WELL._replace(handing=RUNS)
    assert not live(busy, NOW, Limits(busy_seconds_max=599)).ok
    assert live(busy, NOW, Limits(busy_seconds_max=601)).ok


@pytest.mark.parametrize("handing", [None, RUNS, WAITS])
def test_a_state_survives_its_file(handing: Handing | None) -> None:
    """What is written is what is read."""
    state = WELL._replace(handing=handing, canary_seconds=1.5)
    assert decode(encode(state)) == state


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from([*State._fields, "unknown"]), JSON)
def test_a_file_of_another_s_is_refused_or_read(name: str, value: Any) -> None:
    """Whatever stands in a field: a state whose verdict can be told, or a ValueError."""
    import json  # noqa: PLC0415 - only here

    fields = {**json.loads(encode(WELL)), name: value}
    try:
        state = decode(json.dumps(fields).encode())
    except ValueError:
        return
    assert ready(state, NOW, Limits()).why


@given(st.binary())
def test_bytes_are_refused_by_one_error(data: bytes) -> None:
    """Half a file, or none of ours."""
    with pytest.raises(ValueError, match=r".*"):
        decode(data)
