"""The two packages never meet in code: here it is seen that they agree, and the docs with both."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from collector.errors import Reason
from collector.exposition.names import Translator
from collector.intake import OUTCOMES
from collector.model import Kind, Scope, Stream, Temporality
from collector.plan import load
from collector.server.limits import Limit
from telemetry import catalog
from telemetry.cli import main

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "otel-collector.yaml"
KINDS = {
    catalog.Kind.COUNTER: Kind.COUNTER,
    catalog.Kind.GAUGE: Kind.GAUGE,
    catalog.Kind.HISTOGRAM: Kind.HISTOGRAM,
}
PLAN = load("otel-collector.yaml", CONFIG.read_text(), {})


@pytest.mark.parametrize("metric", catalog.METRICS, ids=lambda metric: metric.name)
def test_the_catalogue_knows_the_exposed_names(metric: catalog.Metric) -> None:
    """A metric's name and labels in the catalogue are what the collector makes of it."""
    stream = Stream(
        resource=(),
        scope=Scope(),
        name=metric.name,
        unit=metric.unit,
        kind=KINDS[metric.kind],
        temporality=Temporality.CUMULATIVE,
        attributes=tuple(sorted((key, "x") for key in (*metric.attributes, "tenant_id"))),
    )
    rewritten = PLAN.pipelines[0].rewrite(stream)
    assert rewritten is not None
    (exporter,) = PLAN.exporters.values()
    series = Translator(exporter).translate(rewritten)
    assert series.family == metric.exposed
    assert [name for name, _ in series.labels] == sorted(metric.attributes)


def test_the_allowlist_is_the_catalogues_attributes() -> None:
    """The default rules keep exactly the labels that our metrics have: no more, no fewer."""
    config = yaml.safe_load(CONFIG.read_text())
    processors = config["processors"]
    for transform in processors["metrics_transform"]["transforms"]:
        (operation,) = transform["operations"]
        assert sorted(operation["label_set"]) == list(catalog.ATTRIBUTES)
    resource = {"service.name", "service.namespace", "service.instance.id"}
    assert set(processors["redaction"]["allowed_keys"]) - resource == set(catalog.ATTRIBUTES)


def test_the_metrics_reference_is_the_catalogue() -> None:
    """docs/metrics.md holds what `portless catalog` prints."""
    printed = CliRunner().invoke(main, ["catalog"]).output
    assert printed.strip() in (ROOT / "docs/metrics.md").read_text()


def test_every_refusal_is_documented() -> None:
    """docs/operate.md tells of every reason, limit and outcome that a counter can name."""
    text = (ROOT / "docs/operate.md").read_text()
    names = [*(each.value for each in [*Reason, *Limit]), *OUTCOMES]
    assert not [name for name in names if f"`{name}`" not in text]
