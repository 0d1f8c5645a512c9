"""What was kept makes the same numbers again: by the requests, by a state, and by both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.exposition.negotiate import PROTOBUF_FORMAT
from collector.journal.journal import Fsync, StateDir
from collector.plan import load
from tests.collector.otlp import DELTA, SECOND, START, Request
from tests.collector.pipeline import CONFIG, Pipeline, samples
from tests.collector.test_exactness import deliveries, histories
from tests.collector.test_expiry import EXPIRATION, KINDS, churned, said

if TYPE_CHECKING:
    from pathlib import Path

A = {"task_name": "a"}
PLAN = load("test.yaml", CONFIG.read_text(), {})


def started(path: Path, now: float = 0.0, streams_max: int = 1000, **settings: Any) -> Pipeline:
    """A pipeline that keeps what it is told, as it is after its start."""
    state_dir = StateDir(path, settings.pop("fsync", Fsync.NEVER), **settings)
    running = Pipeline(PLAN, streams_max, state_dir)
    running.river.restore(now)
    return running


def restarted(running: Pipeline, path: Path, now: float, **settings: Any) -> Pipeline:
    """The same after an end at which nothing could be done any more."""
    running.engine.keeper.journal._directory.close()
    return started(path, now, **settings)


def write_state(running: Pipeline, now: float) -> None:
    """Let a state take the place of everything that was kept."""
    keeper = running.engine.keeper
    before = keeper.states
    keeper._write(now)
    while keeper.step(now):
        pass
    assert keeper.states == before + 1


def shown(running: Pipeline) -> tuple[str, bytes]:
    """All that can be seen, in text and with native histograms."""
    return running.scrape_text(), running.scrape(PROTOBUF_FORMAT)


@given(st.data())
@settings(max_examples=100)
def test_a_history_reads_the_same_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever was said, whenever a state was written or it ended: the scrape is the same."""
    path = tmp_path_factory.mktemp("state")
    running = started(path)
    now = 0.0
    for body in data.draw(deliveries(data.draw(histories()))):
        running.accept(body, now)
        now += data.draw(st.sampled_from([0, 1, 200, 301]))
        running.tick(now)
        if data.draw(st.integers(0, 3)) == 0:
            write_state(running, now)
        if data.draw(st.integers(0, 3)) == 0:
            before = shown(running)
            running = restarted(running, path, now)
            assert shown(running) == before
    before = shown(running)
    running = restarted(running, path, now + 10_000)
    assert shown(running) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by_state", [True, False])
def test_who_is_asleep_or_forgotten_is_so_after_a_restart(
    tmp_path: Path, kind: str, *, by_state: bool
) -> None:
    """Shares, sleepers and those who returned read the same, and go on as they would have."""
    twins = started(tmp_path / "one", streams_max=2), started(tmp_path / "two", streams_max=2)
    one, other = twins
    for at in range(12):
        now = at * 200.0
        for running in (one, other):
            running.accept(churned(kind, f"t{at * 7 % 5}", at * 7 % 5, 3 + at), now)
            running.tick(now)
        if by_state:
            write_state(one, now)
        one = restarted(one, tmp_path / "one", now, streams_max=2)
        assert shown(one) == shown(other)


turns = st.tuples(st.integers(0, 3), st.sampled_from([200, 400]), st.booleans(), st.booleans())
"""Which tenant speaks, after how many seconds, whether a state is written then, and a restart."""
WRITTEN_AND_RESTARTED = (True, True)


@given(st.sampled_from(KINDS), st.lists(turns, max_size=10))
@example(  # the last one that was forgotten comes back
    "ints",
    [(tenant, 400, False, False) for tenant in (0, 1, 2, 3)]
    + [(0, 200, *WRITTEN_AND_RESTARTED), (0, 200, False, False)],
)
@settings(max_examples=40)
def test_a_restart_changes_nothing_that_follows(
    tmp_path_factory: pytest.TempPathFactory, kind: str, turns: list[tuple[int, int, bool, bool]]
) -> None:
    """Whoever returns, remembered or forgotten: with restarts in between it reads as without."""
    path, now = tmp_path_factory.mktemp("state"), 0.0
    one, other = (started(path / name, streams_max=2) for name in ("one", "other"))
    for at, (tenant, later, is_written, is_restarted) in enumerate(turns):
        now += later
        for running in (one, other):
            running.accept(churned(kind, f"t{tenant}", tenant, 3 + at), now)
            running.tick(now)
        if is_written:
            write_state(one, now)
        if is_restarted:
            one = restarted(one, path / "one", now, streams_max=2)
        assert shown(one) == shown(other)
    for running in (one, other):
        running.river.close()


def increment(at: int) -> bytes:
    """One more of a counter and of a histogram, in a second of their own."""
    start = START + at * SECOND
    counted = Request().counter("m", A, 1, start=start, time=start + SECOND, temporality=DELTA)
    return counted.histogram(
        "h", A, [1.0], [1, 0], 1.0, start=start, time=start + SECOND, temporality=DELTA
    ).bytes()


def test_a_retried_increment_is_known_after_a_restart(tmp_path: Path) -> None:
    """The intervals that were counted are remembered, also by a state."""
    running = started(tmp_path)
    for at in range(200):
        running.accept(increment(at), 0)
    write_state(running, 0)
    running.accept(increment(200), 0)
    running = restarted(running, tmp_path, 0)
    for at in (200, 199, 100):
        assert running.accept(increment(at), 0).accepted == 2
    assert running.accept(increment(3), 0).accepted == 0
    found = samples(running.scrape_text())
    assert found["m_total", "a"] == found["h_count", "a"] == 201


def test_a_closed_life_stays_closed(tmp_path: Path) -> None:
    """What a state carried over is not opened again by a late reading."""
    running = started(tmp_path)
    running.accept(said("t", 5), 0)
    running.accept(said("t", 1, start=START + SECOND), 200)
    running.accept(said("t", 2, start=START + SECOND), EXPIRATION + 1)
    running.tick(EXPIRATION + 1)
    write_state(running, EXPIRATION + 1)
    running = restarted(running, tmp_path, EXPIRATION + 1)
    assert running.accept(said("t", 5), EXPIRATION + 2).accepted == 0
    assert samples(running.scrape_text())["m_total", "a"] == 7


def test_no_time_passes_while_the_collector_is_away(tmp_path: Path) -> None:
    """After an hour of absence all is shown, and who then says nothing vanishes as ever."""
    running = started(tmp_path)
    running.accept(said("t", 5), 0)
    running = restarted(running, tmp_path, 3600)
    assert samples(running.scrape_text())["m_total", "a"] == 5
    running.tick(3600 + EXPIRATION - 1)
    assert samples(running.scrape_text())["m_total", "a"] == 5
    running.tick(3600 + EXPIRATION + 1)
    assert samples(running.scrape_text()) == {}


def test_attributes_of_every_type_are_the_same_stream_after_a_restart(tmp_path: Path) -> None:
    """A state writes values so that they are read as they were: nothing is counted twice."""
    request = Request().counter("m", A, 5)
    keys = request.message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    for key, field, value in (
        ("b", "bool_value", True),
        ("i", "int_value", -(2**63)),
        ("d", "double_value", 1e21),
        ("n", "double_value", float("nan")),
        ("x", "bytes_value", b"\xff\x00"),
    ):
        setattr(keys.attributes.add(key=key).value, field, value)
    keys.attributes.add(key="empty")
    items = keys.attributes.add(key="list").value.array_value.values
    items.add(double_value=1.0)
    items.add(string_value='é"')
    items.add().kvlist_value.values.add(key="k").value.bytes_value = b"1"
    keys.attributes.add(key="nan").value.array_value.values.add(double_value=float("nan"))
    pair = keys.attributes.add(key="map").value.kvlist_value.values.add(key="k")
    pair.value.double_value = float("inf")
    running = started(tmp_path)
    running.accept(request.bytes(), 0)
    write_state(running, 0)
    running = restarted(running, tmp_path, 0)
    running.accept(request.bytes(), 0)
    assert (samples(running.scrape_text())["m_total", "a"], running.rows) == (5, 1)


def test_a_rule_that_is_new_holds_for_what_was_kept(tmp_path: Path) -> None:
    """What is kept is what was pushed: a label that is no longer allowed does not come back."""
    running = started(tmp_path)
    queue = A | {"queue_name": "q"}
    running.accept(Request().counter("m", queue, 5).bytes(), 0)
    write_state(running, 0)
    assert "queue_name" in running.scrape_text()
    running.engine.keeper.journal._directory.close()
    text = CONFIG.read_text().replace("- queue_name\n", "- queue_nam\n")
    other = Pipeline(load("test.yaml", text, {}), 1000, StateDir(tmp_path, Fsync.NEVER))
    other.river.restore(0)
    assert "queue_name" not in other.scrape_text()
    assert samples(other.scrape_text())["m_total", "a"] == 5
