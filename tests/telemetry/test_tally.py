from __future__ import annotations

import operator
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from telemetry import catalog
from telemetry.tally import OTHER, Tallies


def values(tallies: Tallies, metric: catalog.Metric) -> dict[tuple[str, ...], float]:
    """The first number of every series of a metric."""
    return {
        reading.attributes: reading.numbers[0]
        for reading in tallies.readings()
        if reading.metric is metric
    }


def test_a_series_begins_at_zero_and_keeps_its_place() -> None:
    """The same values are the same cell, others are another."""
    tallies = Tallies()
    one, two = tallies.cell(catalog.SENT, "a", "q"), tallies.cell(catalog.SENT, "b", "q")
    assert values(tallies, catalog.SENT) == {("a", "q"): 0, ("b", "q"): 0}
    tallies.numbers[one] += 1
    tallies.numbers[two] += 2
    assert tallies.cell(catalog.SENT, "a", "q") == one
    assert values(tallies, catalog.SENT) == {("a", "q"): 1, ("b", "q"): 2}


def test_values_that_look_alike_when_joined_are_different_series() -> None:
    """Identity is a tuple."""
    tallies = Tallies()
    assert tallies.cell(catalog.SENT, "a/b", "c") != tallies.cell(catalog.SENT, "a", "b/c")


@given(st.lists(st.floats(0, 1e6)))
def test_a_histogram_has_every_measurement_in_the_bucket_it_belongs_to(
    measurements: list[float],
) -> None:
    """A bucket holds what is above the bound before and at most its own: OTLP's rule."""
    tallies = Tallies()
    metric = catalog.QUEUE_WAIT
    cell = tallies.cell(metric, "a", "q")
    for value in measurements:
        tallies.observe(metric, cell, value)
    (reading,) = tallies.readings()
    total, *counts = reading.numbers
    # One by one as they come: the sum() of Python 3.12 and newer makes up for what rounding took.
    assert total == reduce(operator.add, measurements, 0)
    bounds = (float("-inf"), *metric.buckets, float("inf"))
    assert counts == [
        sum(low < value <= high for value in measurements) for low, high in zip(bounds, bounds[1:])
    ]


def test_a_full_metric_keeps_the_task_and_says_so() -> None:
    """Above the limit the task's name survives, everything else is "other", and it is counted."""
    tallies = Tallies(series_max=2)
    for queue in "pqrs":
        tallies.numbers[tallies.cell(catalog.SENT, "a", queue)] += 1
    assert values(tallies, catalog.SENT) == {("a", "p"): 1, ("a", "q"): 1, ("a", OTHER): 2}
    assert values(tallies, catalog.OVERFLOW)["series",] == 2


def test_nothing_grows_without_a_limit() -> None:
    """Names from outside that never end take a bounded number of series, and none is uncounted."""
    tallies = Tallies(series_max=5)
    for number in range(1000):
        tallies.numbers[tallies.cell(catalog.SENT, f"task-{number}", "q")] += 1
    series = values(tallies, catalog.SENT)
    assert len(series) == 11
    assert sum(series.values()) == 1000
    assert series[OTHER, OTHER] == 990
