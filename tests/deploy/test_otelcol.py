"""Files for the OpenTelemetry Collector allow what otel-collector.yaml allows; it takes them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.collector.real import OTELCOL, needs_otelcol
from tests.deploy.tools import DEPLOY, load, run

if TYPE_CHECKING:
    from pathlib import Path

FILES = DEPLOY / "otelcol"
GATEWAY = load("deploy/otelcol/gateway.yaml")
EXACT = load("deploy/otelcol/exact.yaml")
SHIPPED = load("otel-collector.yaml")
TRANSFORMS = SHIPPED["processors"]["metrics_transform"]["transforms"]
LABELS = TRANSFORMS[0]["operations"][0]["label_set"]
WORKER = ["service.name", "service.namespace"]
INSTANCE = "service.instance.id"


def statements(config: Any, processor: str) -> list[str]:
    """What a transform does, in its order."""
    groups = config["processors"][processor]["metric_statements"]
    return [statement for group in groups for statement in group["statements"]]


def lists(texts: list[str]) -> list[list[str]]:
    """The lists of keys in statements, empty ones left out."""
    found = [re.findall(r'"([\w.]+)"', "".join(re.findall(r"\[[^\]]+\]", text))) for text in texts]
    return [keys for keys in found if keys]


def test_labels_are_those_of_the_shipped_file() -> None:
    """What points keep and resources keep; exact.yaml alone does not tell workers apart."""
    assert SHIPPED["processors"]["redaction"]["allowed_keys"] == [*WORKER, INSTANCE, *LABELS]
    assert lists(statements(GATEWAY, "transform/allowed")) == [[*WORKER, INSTANCE], LABELS]
    assert lists(statements(EXACT, "transform/allowed")) == [WORKER, LABELS]


def test_gauges_meet_in_a_gateway_as_in_the_shipped_file() -> None:
    """By the same labels, and the same names have the worst shown."""
    merging = statements(GATEWAY, "transform/gauges")
    assert lists([re.sub(r"IsMatch\(.*", "", text) for text in merging]) == [LABELS] * 3
    worst = [re.findall(r'IsMatch\(metric\.name, "(.*)"\)', text) for text in merging]
    assert worst == [[TRANSFORMS[0]["include"]]] * 2 + [[]]


@pytest.mark.parametrize("config", [GATEWAY, EXACT], ids=["gateway", "exact"])
def test_what_is_forgotten_last_is_what_was_read_last(config: Any) -> None:
    """The other way round a stream that comes back would be added a second time."""
    seconds = {"h": 3600, "m": 60}
    forgotten = [
        config["processors"][name][key]
        for name, key in [
            ("cumulative_to_delta", "max_staleness"),
            ("delta_to_cumulative", "max_stale"),
        ]
    ]
    longer, shorter = (int(text[:-1]) * seconds[text[-1]] for text in forgotten)
    assert longer > shorter


@needs_otelcol
@pytest.mark.parametrize("name", ["agent", "gateway"])
def test_the_collector_takes_it(name: str) -> None:
    """As it is, with one address given."""
    environ = {**os.environ, "REMOTE_WRITE_ENDPOINT": "http://127.0.0.1:1/api/v1/write"}
    run(OTELCOL, "validate", f"--config={FILES / name}.yaml", **environ)


@needs_otelcol
@pytest.mark.parametrize("store", sorted((FILES / "onward").iterdir()), ids=lambda path: path.stem)
def test_the_collector_takes_a_gateway_that_writes_to(store: Path) -> None:
    """Each file says where one kind of store takes remote writes, and nothing else has to be."""
    gateway = FILES / "gateway.yaml"
    run(OTELCOL, "validate", f"--config={gateway}", f"--config={store}", **os.environ)
