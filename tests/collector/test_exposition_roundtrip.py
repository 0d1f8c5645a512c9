"""Whatever is on a page, the parsers of Prometheus's own client read the same from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as open_metrics_parser
from prometheus_client.parser import text_string_to_metric_families

from collector.errors import Untranslatable
from collector.exposition.names import Translator
from collector.exposition.negotiate import OPEN_METRICS_FORMAT, TEXT_FORMAT
from collector.exposition.page import Page
from collector.model import Kind, Scope, Series, Stream, Temporality, Type
from collector.reading import HistogramReading, Readings, SummaryReading
from collector.settings import Endpoint, Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

SETTINGS = Prometheus(Endpoint("", 0), enable_open_metrics=True, without_scope_info=True)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.sampled_from(["a", "a.b", "b-c", "1st", "_x", "é", "le", "route", "__x__", ""])
names = st.sampled_from(
    ["x", "x.count", "x.sum", "x_bucket", "x_created", "y", "y.total", "é2", ":"]
)
resources = st.fixed_dictionaries(
    {}, optional={"service.name": texts, "service.instance.id": texts, "host.name": texts}
)
streams = st.builds(
    lambda resource, name, unit, kind, attributes, help_: Stream(
        tuple(sorted(resource.items())),
        Scope(),
        name,
        unit,
        kind,
        Temporality.CUMULATIVE,
        tuple(sorted(attributes.items())),
        description=help_,
    ),
    resources,
    names,
    st.sampled_from(["", "1", "s", "{x}", "By/s"]),
    st.sampled_from(Kind),
    st.dictionaries(keys, texts, max_size=3),
    texts,
)
values = st.floats(min_value=0)
histograms = st.lists(
    # The parser for OpenMetrics takes no sum beside bounds below zero, which otelcol writes too.
    st.tuples(st.floats(0, 1e9), st.integers(0, 2**50)),
    max_size=4,
    unique_by=lambda pair: pair[0],
)
Sample = tuple[str, frozenset[tuple[str, str]], float]


def reading(pairs: list[tuple[float, int]], total: float) -> HistogramReading:
    """Return a histogram with one value above its last bound."""
    bounds = tuple(sorted(bound for bound, _ in pairs))
    cumulated = [sum(count for _, count in pairs[: index + 1]) for index in range(len(pairs))]
    return HistogramReading(bounds, cumulated, (cumulated or [0])[-1] + 1, total)


def summary(pairs: list[tuple[float, int]], total: float) -> SummaryReading:
    """Return a summary whose quantiles hold what a histogram's bounds do."""
    values = sorted(bound for bound, _ in pairs)
    return SummaryReading([(at / 8, value) for at, value in enumerate(values)], 9, total)


def expected(shown: dict[int, Series], readings: Readings) -> set[Sample]:
    """Return the samples of all series, as a parser should give them."""
    found: set[Sample] = set()
    for number, series in shown.items():
        labels = frozenset(series.labels)
        if series.type not in {Type.HISTOGRAM, Type.SUMMARY}:
            found.add((series.family, labels, readings.numbers[number]))
            continue
        if series.type is Type.SUMMARY:
            told = readings.summaries[number]
            for at, value in told.quantiles:
                found.add((series.family, labels | {("quantile", str(at))}, value))
            found.add((f"{series.family}_count", labels, told.count))
            found.add((f"{series.family}_sum", labels, told.sum))
            continue
        one = readings.histograms[number]
        for bound, count in zip((*one.bounds, math.inf), (*one.cumulated, one.count)):
            found.add((f"{series.family}_bucket", labels | {("le", str(bound))}, count))
        found.add((f"{series.family}_count", labels, one.count))
        found.add((f"{series.family}_sum", labels, one.sum))
    return found


def parsed(families: Iterable[Metric]) -> set[Sample]:
    """Return the samples that a parser found, but those of target_info."""
    found: set[Sample] = set()
    for family in families:
        for name, labels, value, *_ in family.samples:
            own = {"histogram": "le", "summary": "quantile"}.get(family.type, "")
            pairs = {**labels, own: str(float(labels[own]))} if own in labels else labels
            if name != "target_info":
                found.add((name, frozenset(pairs.items()), value))
    return found


@given(st.lists(st.tuples(streams, values, histograms), max_size=8))
def test_both_formats_read_back(drawn: list[tuple[Stream, float, list[tuple[float, int]]]]) -> None:
    """Any streams with any label values: what was not refused is all there, and nothing else."""
    page, translator = Page(SETTINGS), Translator(SETTINGS)
    shown: dict[int, Series] = {}
    for number, (stream, _, _) in enumerate(drawn):
        try:
            series = translator.translate(stream)
            page.add(number, series)
        except Untranslatable:
            continue
        shown[number] = series
    readings = Readings(
        [value for _, value, _ in drawn],
        {n: reading(drawn[n][2], 0.5) for n in shown if shown[n].type is Type.HISTOGRAM},
        summaries={n: summary(drawn[n][2], 0.5) for n in shown if shown[n].type is Type.SUMMARY},
    )
    text = page.render(readings, TEXT_FORMAT).decode()
    found = parsed(text_string_to_metric_families(text))
    assert found == expected(shown, readings)
    text = page.render(readings, OPEN_METRICS_FORMAT).decode()
    families = open_metrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    found = parsed(families)
    assert found == expected(shown, readings)
