"""Gateways of many machines allow what otel-collector.yaml allows, and the Collector takes them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.deploy.tools import DEPLOY, load, run

if TYPE_CHECKING:
    from pathlib import Path

FILES = DEPLOY / "otelcol"
GATEWAY = load("deploy/otelcol/gateway.yaml")
SHIPPED = load("otel-collector.yaml")
needs_collector = pytest.mark.skipif(
    not os.environ.get("OTELCOL"), reason="OTELCOL names no collector: `.ci/run` builds one"
)


def statements(processor: str) -> list[str]:
    """What a transform does, in its order."""
    groups = GATEWAY["processors"][processor]["metric_statements"]
    return [statement for group in groups for statement in group["statements"]]


def lists(texts: list[str]) -> list[list[str]]:
    """The lists of keys in statements, empty ones left out."""
    found = [re.findall(r'"([\w.]+)"', "".join(re.findall(r"\[[^\]]+\]", text))) for text in texts]
    return [keys for keys in found if keys]


def test_labels_are_those_of_the_shipped_file() -> None:
    """Point by point: what points keep, what resources keep, how gauges meet and which of them."""
    transforms = SHIPPED["processors"]["metrics_transform"]["transforms"]
    labels = transforms[0]["operations"][0]["label_set"]
    kept = lists(statements("transform/allowed"))
    assert kept == [["service.name", "service.namespace", "service.instance.id"], labels]
    assert SHIPPED["processors"]["redaction"]["allowed_keys"] == [*kept[0], *labels]
    merging = statements("transform/gauges")
    assert lists([re.sub(r"IsMatch\(.*", "", text) for text in merging]) == [labels] * 3
    worst = [re.findall(r'IsMatch\(metric\.name, "(.*)"\)', text) for text in merging]
    assert worst == [[transforms[0]["include"]]] * 2 + [[]]


def test_what_is_forgotten_last_is_what_was_read_last() -> None:
    """The other way round a stream that comes back would be added a second time."""
    seconds = {"h": 3600, "m": 60}
    forgotten = [
        GATEWAY["processors"][name][key]
        for name, key in [
            ("cumulative_to_delta", "max_staleness"),
            ("delta_to_cumulative", "max_stale"),
        ]
    ]
    longer, shorter = (int(text[:-1]) * seconds[text[-1]] for text in forgotten)
    assert longer > shorter


@needs_collector
@pytest.mark.parametrize("name", ["agent", "gateway"])
def test_the_collector_takes_it(name: str) -> None:
    """As it is, with one address given."""
    environ = {**os.environ, "REMOTE_WRITE_ENDPOINT": "http://127.0.0.1:1/api/v1/write"}
    run(os.environ["OTELCOL"], "validate", f"--config={FILES / name}.yaml", **environ)


@needs_collector
@pytest.mark.parametrize("store", sorted((FILES / "onward").iterdir()), ids=lambda path: path.stem)
def test_the_collector_takes_a_gateway_that_writes_to(store: Path) -> None:
    """Each file says where one kind of store takes remote writes, and nothing else has to be."""
    gateway = FILES / "gateway.yaml"
    run(os.environ["OTELCOL"], "validate", f"--config={gateway}", f"--config={store}", **os.environ)
