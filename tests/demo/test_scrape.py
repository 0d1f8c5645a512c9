"""The demo's reader of the text format agrees with the reference client's."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.scrape import Page

TEXT = r"""# HELP a_total What "a" is: {x="y"} 1
# TYPE a_total counter
a_total{job="celery",task_name="one, two",queue_name="a}b"} 12
a_total{job="celery",task_name="with \"quotes\", a \\ and a \n",queue_name=""} 3.5e+06
plain 1
infinite{le="+Inf"} +Inf
stamped{x="y"} 7 1700000000000
"""


def test_every_sample_is_read_as_the_reference_client_reads_it() -> None:
    """Names, labels with whatever is in them, values."""
    page = Page(TEXT)
    reference = [s for family in text_string_to_metric_families(TEXT) for s in family.samples]
    assert page.series == len(reference) == 5
    for sample in reference:
        assert (sample.name, sample.labels, sample.value) in page.samples(sample.name)


def test_sums_are_over_what_fits() -> None:
    """Labels that are asked for restrict, others are summed over; what is not there is 0."""
    page = Page(TEXT)
    assert page.sum("a_total", job="celery") == 3_500_012
    assert page.sum("a_total", queue_name="a}b") == 12
    assert page.sum_by("queue_name", "a_total") == {"a}b": 12, "": 3_500_000}
    assert page.sum("absent") == 0
    assert math.isinf(page.sum("infinite"))


def test_what_is_no_sample_is_no_zero() -> None:
    """A line that cannot be read is an error: an account must not skip it."""
    with pytest.raises(ValueError, match="no sample"):
        Page("a_total{x=1\n")
