"""A copy of a metric says all that the metric says: of every kind, and after restarts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.cli import main
from collector.exposition.negotiate import OPEN_METRICS_FORMAT
from collector.journal.journal import Fsync, StateDir
from collector.model import Kind
from collector.plan import load
from collector.rule import COPIES_MAX
from tests.collector.otlp import Request
from tests.collector.pipeline import CONFIG, Pipeline, engine, samples
from tests.collector.test_exactness import deliveries, histories
from tests.collector.test_journal_restore import write_state

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EVERYTHING = "{include: '^(.*)$$', match_type: regexp, action: insert, new_name: 'copy.$${1}'}"


def config(*transforms: str, first: bool = True) -> str:
    """The repository's rules with transforms before all others, or behind them."""
    text = CONFIG.read_text()
    own = f"  metrics_transform/own: {{transforms: [{', '.join(transforms)}]}}\n"
    text = text.replace("processors:\n", f"processors:\n{own}", 1)
    names = r"\1metrics_transform/own, \2\3" if first else r"\1\2, metrics_transform/own\3"
    return re.sub(r"(\n +processors: \[)([^\]]*)(\])", names, text)


def halves(running: Pipeline) -> tuple[list[str], list[str]]:
    """What the page says of the metrics, and what of their copies, called as these are."""
    told: tuple[list[str], list[str]] = [], []
    for line in running.scrape_text().splitlines():
        if "target_info" not in line:
            plain = re.sub(r"^(# [A-Z]+ )?copy_", r"\1", line)
            told[plain != line].append(plain)
    return told


@given(st.data())
@settings(max_examples=60)
def test_a_copy_reads_as_its_metric(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever was said in whatever order, who fell silent, and whenever it was started anew."""
    path, plan = tmp_path_factory.mktemp("state"), load("test.yaml", config(EVERYTHING), {})
    running, now = started(path, plan), 0.0
    for body in data.draw(deliveries(data.draw(histories()))):
        running.accept(body, now)
        now += data.draw(st.sampled_from([0, 1, 200, 301]))
        running.tick(now)
        if data.draw(st.integers(0, 3)) == 0:
            write_state(running, now)
        if data.draw(st.integers(0, 3)) == 0:
            running.engine.keeper.journal._directory.close()
            running = started(path, plan, now)
        metrics, copies = halves(running)
        assert metrics == copies


def started(path: Path, plan: object, now: float = 0.0) -> Pipeline:
    """What runs a plan and keeps what it is told."""
    running = Pipeline(plan, 1000, StateDir(path, Fsync.NEVER))  # type: ignore[arg-type]
    running.river.restore(now)
    return running


def test_a_rule_that_is_new_copies_what_was_kept(tmp_path: Path) -> None:
    """A state that was written before there were copies has all that they say."""
    body = Request().counter("x", {"task_name": "t"}, 5).bytes()
    old = started(tmp_path, load("test.yaml", CONFIG.read_text(), {}))
    old.accept(body, 0)
    write_state(old, 0)
    old.accept(body, 0)
    old.engine.keeper.journal._directory.close()
    running = started(tmp_path, load("test.yaml", config(EVERYTHING), {}))
    assert samples(running.scrape_text())["copy_x_total", "t"] == 5


def test_a_rule_that_is_gone_takes_its_copies(tmp_path: Path) -> None:
    """They are counted as what has no place any more; the metric goes on."""
    body = Request().counter("x", {"task_name": "t"}, 5).bytes()
    old = started(tmp_path, load("test.yaml", config(EVERYTHING), {}))
    old.accept(body, 0)
    write_state(old, 0)
    old.engine.keeper.journal._directory.close()
    running = started(tmp_path, load("test.yaml", CONFIG.read_text(), {}))
    running.tick(0)
    assert samples(running.scrape_text())["x_total", "t"] == 5
    assert "copy" not in running.scrape_text()
    assert running.engine.keeper.unplaced == 1


def test_exemplars_stand_with_copies_too() -> None:
    """What belongs to a point belongs to its copy."""
    never = "enable_open_metrics: false"
    running = engine(config(EVERYTHING).replace(never, "enable_open_metrics: true"))
    request = Request().counter("x", {"task_name": "t"}, 5)
    (point,) = request.message.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    point.exemplars.add(as_int=1, trace_id=bytes(15) + b"1", span_id=bytes(7) + b"1")
    running.accept(request.bytes(), 0)
    lines = running.scrape(OPEN_METRICS_FORMAT).decode().splitlines()
    told = [line for line in lines if " # {" in line]
    assert len(told) == 2
    assert told[0] == f"copy_{told[1]}"


def test_a_copy_that_has_no_place_is_counted_and_costs_the_point_nothing() -> None:
    """Its type is another's: the point is accepted, and the copy is refused by reason."""
    running = engine(config("{include: x, action: insert, new_name: taken}"))
    running.accept(Request().gauge("taken_total", {"task_name": "t"}, 1).bytes(), 0)
    outcome = running.accept(Request().counter("x", {"task_name": "t"}, 5).bytes(), 0)
    assert (outcome.accepted, dict(outcome.refused)) == (1, {})
    told = {
        sample.labels: sample.value
        for sample in running.engine.self_metrics()
        if sample.name == "portless_refused_copies"
    }
    assert told == {(("pipeline", "metrics"), ("reason", "type_conflict")): 1}
    assert sent(running) == 2


def sent(running: Pipeline) -> float:
    """How many points the exporter was given, as the collector says."""
    (found,) = (
        sample.value
        for sample in running.river.self_metrics()
        if sample.name == "otelcol_exporter_sent_metric_points"
    )
    return found


def test_a_copy_that_was_kept_is_a_point_more_for_the_exporter(tmp_path: Path) -> None:
    """Not where a point is refused; what is replayed was counted by the process that took it in."""
    plan = load("test.yaml", config(EVERYTHING), {})
    running = started(tmp_path, plan, 0)
    body = Request().counter("x", {"task_name": "t"}, 5).counter("y", {"task_name": "t"}, -1)
    for times in (1, 2):
        outcome = running.accept(body.bytes(), 0)
        assert outcome.accepted == 1
        assert sent(running) == 2 * times
    running.river.close()
    assert sent(started(tmp_path, plan, 0)) == 0


def test_a_copy_is_a_stream_against_the_limit() -> None:
    """The second of two is refused, whichever it is."""
    running = Pipeline(load("test.yaml", config(EVERYTHING), {}), 1)
    body = Request().counter("x", {"task_name": "t"}, 5).bytes()
    assert running.accept(body, 0).accepted == 1
    assert "copy" not in running.scrape_text()
    reasons = [s for s in running.engine.self_metrics() if s.name == "portless_refused_copies"]
    assert [dict(one.labels)["reason"] for one in reasons] == ["stream_limit"]


def test_what_makes_no_copies_is_remembered_as_a_whole() -> None:
    """Rules that copy other metrics cost a request nothing once it is known."""
    running = engine(config("{include: other, action: insert, new_name: copy}"))
    body = Request().counter("x", {"task_name": "t"}, 5).bytes()
    for _ in range(3):
        running.accept(body, 0)
    assert running.engine._reader.again(body) is not None


def test_copies_have_a_limit() -> None:
    """Each rule doubles what there is: beyond the limit the stream is refused, and it ends soon."""
    doubling = "{include: '^x', match_type: regexp, action: insert, new_name: 'x$${0}'}"
    few = engine(config(*[doubling] * 6))
    assert few.accept(Request().counter("x", {"task_name": "t"}, 5).bytes(), 0).accepted == 1
    many = engine(config(*[doubling] * 40))
    outcome = many.accept(Request().counter("x", {"task_name": "t"}, 5).bytes(), 0)
    assert {reason.value: count for reason, count in outcome.refused.items()} == {"rule_failed": 1}
    assert COPIES_MAX < 2**7


def test_no_copy_escapes_the_rules_behind_it() -> None:
    """What is copied before redaction is redacted; what is copied behind it has nothing to hide."""
    for first in (True, False):
        running = engine(config(EVERYTHING, first=first))
        running.accept(
            Request().counter("x", {"task_name": "t", "tenant_id": "acme"}, 5).bytes(), 0
        )
        running.accept(
            Request().counter("x", {"task_name": "t", "tenant_id": "bolt"}, 2).bytes(), 0
        )
        assert samples(running.scrape_text())["copy_x_total", "t"] == 7
        assert "acme" not in running.scrape_text()


OPEN = """
receivers: {otlp: {protocols: {http: {}}}}
processors:
  metrics_transform:
    transforms:
      - include: x
        action: insert
        new_name: kept.copy
        operations: [{action: add_label, new_label: copied, new_value: "1"}]
  filter: {metrics: {exclude: {match_type: strict, metric_names: [x, a.metric]}}}
  transform:
    error_mode: propagate
    metric_statements:
      - context: datapoint
        statements: ['keep_keys(attributes, ["queue"]) where attributes["copied"] == nil']
exporters: {prometheus: {endpoint: "127.0.0.1:9464", without_scope_info: true}}
service:
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [metrics_transform, filter, transform]
      exporters: [prometheus]
"""


def test_leaks_looks_at_copies(tmp_path: Path) -> None:
    """A label that only a copy keeps is a way out; without the copy there is none."""
    file = tmp_path / "open.yaml"
    for text, leaks in ((OPEN, True), (OPEN.replace("new_label: copied", "new_label: o"), False)):
        file.write_text(text)
        found = CliRunner().invoke(main, ["leaks", "--config", str(file)])
        told = [line for line in found.output.splitlines() if "LEAK" in line]
        assert any("an attribute of points" in line for line in told) == leaks, found.output


def test_explain_follows_copies(tmp_path: Path) -> None:
    """Under their names, and only through the rules behind the one that made them."""
    file = tmp_path / "open.yaml"
    file.write_text(OPEN)
    arguments = ["explain", "--config", str(file), "--kind", Kind.COUNTER.value, "x"]
    lines = CliRunner().invoke(main, arguments).output.splitlines()
    assert "  processors::filter: dropped" in lines
    at = next(at for at, line in enumerate(lines) if "makes a copy of it: kept.copy" in line)
    behind = lines[at + 1 :]
    assert behind[0] == "  processors::filter: does not touch it"
    assert any("exporters::prometheus: kept_copy_total" in line for line in behind)
