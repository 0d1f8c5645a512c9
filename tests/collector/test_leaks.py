"""What `leaks` and `explain` say is what the rules do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.leaks import BOTH, REAL, find
from collector.plan import load

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "otel-collector.yaml"

FILE = """
receivers: {otlp: {protocols: {http: {}}}}
processors:
  redaction: {allowed_keys: [task_name, service.name, service.instance.id]}
  aggregate:
  metrics_transform:
    transforms:
      - include: .*
        match_type: regexp
        action: update
        operations: [{action: aggregate_labels, label_set: [task_name], aggregation_type: sum}]
  attributes: {actions: [{key: tenant_id, action: delete}]}
  transform/some:
    error_mode: propagate
    metric_statements:
      - context: datapoint
        statements:
          - keep_keys(datapoint.attributes, ["task_name"]) where metric.name != "special"
  transform/exemplars:
    error_mode: propagate
    metric_statements:
      - {context: exemplar, statements: ['keep_keys(exemplar.filtered_attributes, ["task_name"])']}
      - {context: metric, statements: ['keep_keys(metric.metadata, ["task_name"])']}
exporters:
  prometheus: {endpoint: "127.0.0.1:9464", without_scope_info: true}
  prometheus/all:
    endpoint: "127.0.0.1:9465"
    resource_constant_labels: {included: ["*"]}
    enable_open_metrics: true
  file: {path: /tmp/metrics.json}
service:
  pipelines:
    metrics: {receivers: [otlp], processors: [RULES], exporters: [EXPORTERS]}
""".replace("  aggregate:\n", "")
POINTS, RESOURCE, SCOPE = (
    f"an attribute of {where}" for where in ("points", "the resource", "the scope")
)


def leaks(rules: str, exporters: str) -> set[tuple[str, str]]:
    """Which leaks there are: the engine, and how what leaves begins."""
    text = FILE.replace("RULES", rules).replace("EXPORTERS", exporters)
    plan = load("config.yaml", text, {})
    places = (POINTS, RESOURCE, SCOPE, "exemplar", "metric.metadata")
    return {
        (one.engine, next(place for place in places if one.what.startswith(place)))
        for one in find(plan, "config.yaml", text, {})
        if one.is_leak
    }


@pytest.mark.parametrize(
    ("rules", "exporters", "found"),
    [
        ("redaction", "prometheus", set()),
        ("redaction", "prometheus/all", set()),
        ("metrics_transform, redaction", "prometheus", set()),
        # Deny lists delete only what they know.
        ("attributes", "prometheus", {(BOTH, POINTS), (BOTH, RESOURCE)}),
        ("", "prometheus/all", {(BOTH, POINTS), (BOTH, RESOURCE), (BOTH, SCOPE)}),
        # Aggregation keeps labels of points, and the real one passes summaries over.
        ("metrics_transform", "prometheus", {(REAL, POINTS), (BOTH, RESOURCE)}),
        # A rule for some metrics leaves the others alone.
        ("transform/some", "prometheus", {(BOTH, POINTS), (BOTH, RESOURCE)}),
        # What pushes tells more than a page shows.
        ("redaction", "file", {(REAL, "exemplar"), (REAL, "metric.metadata")}),
        ("redaction, transform/exemplars", "file", set()),
    ],
)
def test_every_way_out_is_found(rules: str, exporters: str, found: set[tuple[str, str]]) -> None:
    """By running the rules on marked streams, for each exporter as it shows them."""
    assert leaks(rules, exporters) == found


def test_a_second_pipeline_is_looked_at_too() -> None:
    """One without rules beside one that redacts."""
    text = FILE.replace("RULES", "redaction").replace("EXPORTERS", "prometheus")
    text += "    metrics/raw: {receivers: [otlp], exporters: [file]}\n"
    found = find(load("config.yaml", text, {}), "config.yaml", text, {})
    assert {one.path for one in found if one.is_leak} == {
        "service::pipelines::metrics/raw::processors"
    }
    assert {one.line for one in found if one.is_leak} == {len(text.splitlines())}


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [*arguments, "--config", str(CONFIG)])


def test_the_configuration_that_we_ship_has_no_leak() -> None:
    """Exit code 0; whose values leave all the same is said."""
    found = run("leaks")
    assert found.exit_code == 0, found.output
    assert "0 leaks" in found.output
    assert (
        "values of these labels leave through prometheus: check, exception, hostname"
        in found.output
    )
    assert "a program's own text leaves" in found.output


def test_a_leak_is_an_exit_code(tmp_path: Path) -> None:
    """With the line to change and what to do."""
    file = tmp_path / "config.yaml"
    file.write_text(FILE.replace("RULES", "attributes").replace("EXPORTERS", "prometheus"))
    found = CliRunner().invoke(main, ["leaks", "--config", str(file)])
    line = 1 + next(n for n, text in enumerate(FILE.splitlines()) if "processors: [RULES]" in text)
    assert found.exit_code == 1
    where = f"{file}:{line}: service::pipelines::metrics::processors: LEAK, both engines: "
    assert found.output.startswith(f"{where}{POINTS} that no rule names leaves through prometheus")
    assert "put a redaction processor with allowed_keys last" in found.output


KEPT = ("queue_name", "exception", "reason", "state", "hostname", "stage", "check", "schedule")
"""Labels that the repository's file lets live, in its order."""


def test_a_metric_is_explained() -> None:
    """Which rule takes which label, how streams meet, and as what it is shown.

    Of labels that nobody asked for those are told that the file lets live.
    """
    found = run("explain", "celery.queue.age", "--kind", "gauge", "--attribute", "task_name=a")
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        "service::pipelines::metrics, as a gauge",
        (
            "  processors::metrics_transform: takes any other key (points); "
            "streams that become equal meet by max"
        ),
        "  processors::redaction: takes any other key (resource); takes any other key (scope)",
        *(f"  label {key}: lives: no rule takes it" for key in KEPT),
        "  label task_name: lives: no rule takes it",
        "  label any other key: goes: processors::metrics_transform takes it",
        "  exporters::prometheus: celery_queue_age (gauge) with instance, job, task_name",
    ]


def test_a_metric_that_is_dropped_or_refused_is_explained(tmp_path: Path) -> None:
    """By the processor that does it; behind it nothing is left to tell."""
    file = tmp_path / "config.yaml"
    text = FILE.replace("RULES", "filter, redaction").replace("EXPORTERS", "prometheus, file")
    drop = "  filter: {metrics: {exclude: {match_type: strict, metric_names: [secret]}}}\n"
    file.write_text(text.replace("processors:\n", f"processors:\n{drop}", 1))
    found = CliRunner().invoke(main, ["explain", "secret", "--config", str(file)])
    assert found.output.splitlines() == [
        "service::pipelines::metrics, as a counter",
        "  processors::filter: dropped",
    ]
    found = CliRunner().invoke(main, ["explain", "open", "--config", str(file)])
    assert found.output.splitlines()[-1] == "  exporters::file: open with no attribute"


def test_labels_that_a_rule_names_are_explained(tmp_path: Path) -> None:
    """Those that go where others live, that are renamed, and that are changed; others are not."""
    file = tmp_path / "config.yaml"
    file.write_text(OWN)
    found = CliRunner().invoke(main, ["explain", "jobs", "--config", str(file)])
    labels = [line for line in found.output.splitlines() if "  label" in line]
    assert labels == [
        "  label old: lives as new, renamed by processors::metrics_transform",
        "  label secret: goes: processors::attributes takes it",
        "  label route: lives, changed by processors::attributes",
        "  label any other key: lives: no rule takes it",
    ]
    asked = ["explain", "jobs", "--config", str(file), "--attribute", "secret=1"]
    assert CliRunner().invoke(main, asked).output.count("label secret: ") == 1


def test_labels_of_a_copy_are_explained_too(tmp_path: Path) -> None:
    """By the rules behind the one that makes it."""
    file = tmp_path / "config.yaml"
    copied = OWN.replace("action: update\n", "action: insert\n        new_name: copy\n")
    file.write_text(copied)
    found = CliRunner().invoke(main, ["explain", "jobs", "--config", str(file)])
    _, copy = found.output.split("makes a copy of it")
    assert [line for line in copy.splitlines() if "  label" in line] == [
        "  label secret: goes: processors::attributes takes it",
        "  label route: lives, changed by processors::attributes",
        "  label any other key: lives: no rule takes it",
    ]


OWN = """
receivers: {otlp: {protocols: {http: {}}}}
processors:
  metrics_transform:
    transforms:
      - include: jobs
        action: update
        operations: [{action: update_label, label: old, new_label: new}]
  attributes:
    actions: [{key: secret, action: delete}, {key: route, action: hash}]
  filter:
    error_mode: propagate
    metrics: {datapoint: ['attributes["quiet"] != nil']}
exporters: {prometheus: {endpoint: "127.0.0.1:0"}}
service:
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [metrics_transform, attributes, filter]
      exporters: [prometheus]
"""
