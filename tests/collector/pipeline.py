"""The engine under test with the product's own configuration, and its exposition read back."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from collector.engine import STREAMS_MAX
from collector.exposition.negotiate import negotiate
from collector.plan import Plan, load
from collector.river import River
from tests.support.prometheus_pb import families

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.journal.journal import StateDir

CONFIG = Path(__file__).parents[2] / "otel-collector.yaml"


class Pipeline:
    """A plan with one pipeline, which a test can feed and look at."""

    def __init__(
        self, plan: Plan, streams_max: int = STREAMS_MAX, state_dir: StateDir | None = None
    ) -> None:
        self.river = River(plan, streams_max, state_dir)
        (self.engine,) = self.river.engines
        (receiver,) = plan.receivers
        (self._outlet,) = self.river.prometheus.values()
        self.intake = self.river.intake(receiver, "http")
        self.accept, self.accept_json = self.intake.accept, self.intake.accept_json
        self.scrape, self.tick = self._outlet.scrape, self.river.tick

    @property
    def rows(self) -> int:
        """How many readings the ledger keeps."""
        return self.engine.rows

    def scrape_text(self) -> str:
        """The exposition in text format 0.0.4."""
        return self.scrape(negotiate("", open_metrics=False)).decode()


def engine(text: str | None = None, streams_max: int = STREAMS_MAX) -> Pipeline:
    """Return what runs `text`, by default the repository's otel-collector.yaml."""
    return Pipeline(load("test.yaml", text or CONFIG.read_text(), {}), streams_max)


def _samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def samples(page: str) -> dict[tuple[str, str], float]:
    """Return all samples but buckets and quantiles, by name and task_name."""
    found = {}
    for name, labels, value in _samples(page):
        if "le" not in labels and "quantile" not in labels:
            key = name, labels.get("task_name", "")
            assert key not in found, f"{name} stands there twice"
            found[key] = value
    return found


def histograms(page: str) -> dict[tuple[str, str], tuple[tuple[int, ...], int]]:
    """Return buckets (not cumulated) and count of all histograms, by name and task_name."""
    cumulated: dict[tuple[str, str], list[int]] = {}
    for name, labels, value in _samples(page):
        if "le" in labels:
            key = name.removesuffix("_bucket"), labels.get("task_name", "")
            cumulated.setdefault(key, []).append(int(value))
    return {
        key: (tuple(b - a for a, b in zip([0, *counts], counts)), counts[-1])
        for key, counts in cumulated.items()
    }


def native_histograms(page: bytes) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return what is below, at and above zero in native histograms, by name and task_name."""
    found = {}
    for family in families(page):
        for metric in family.metric:
            told = metric.histogram
            if told.HasField("schema"):
                labels = {pair.name: pair.value for pair in metric.label}
                above, below = (
                    sum(accumulate(deltas)) for deltas in (told.positive_delta, told.negative_delta)
                )
                key = family.name, labels.get("task_name", "")
                found[key] = below, told.zero_count, above
    return found
