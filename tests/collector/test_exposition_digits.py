"""Numbers are printed as Go prints them."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.exposition import digits

PRINTED = {
    0.0: "0",
    1.0: "1",
    -1.0: "-1",
    0.1: "0.1",
    0.0001: "0.0001",
    0.00001: "1e-05",
    1.5e-7: "1.5e-07",
    999999.0: "999999",
    999999.5: "999999.5",
    1e6: "1e+06",
    -1e6: "-1e+06",
    1234567.0: "1.234567e+06",
    -1234567.25: "-1.23456725e+06",
    123456789.0: "1.23456789e+08",
    9007199254740992.0: "9.007199254740992e+15",
    1e15: "1e+15",
    1e16: "1e+16",
    1e20: "1e+20",
    1.2345678901234568e18: "1.2345678901234568e+18",
    1.7976931348623157e308: "1.7976931348623157e+308",
    5e-324: "5e-324",
    math.inf: "+Inf",
    -math.inf: "-Inf",
}


@pytest.mark.parametrize(("value", "text"), PRINTED.items())
def test_the_text_format_prints_as_go_does(value: float, text: str) -> None:
    """From a million on and below 1e-4 with an exponent of two digits."""
    assert digits.text(value) == text


def test_zero_has_no_sign() -> None:
    """There is one zero in an exposition."""
    assert digits.text(-0.0) == "0"


def test_a_nan_is_printed() -> None:
    """Both formats know it by one name."""
    assert digits.text(math.nan) == digits.open_metrics(math.nan) == "NaN"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.0"), (0.0, "0.0"), (-0.0, "0.0"), (-3.0, "-3.0"), (0.5, "0.5"), (1e6, "1e+06")],
)
def test_open_metrics_shows_that_a_float_is_one(value: float, text: str) -> None:
    """There is a point or an exponent in it."""
    assert digits.open_metrics(value) == text


@given(st.floats(allow_nan=False) | st.integers(-(2**64), 2**64).map(float))
@example(1e6)
@example(999999.9999999999)
@example(2.0**53)
def test_what_is_printed_reads_back(value: float) -> None:
    """No digit that matters is lost."""
    assert float(digits.text(value)) == value
    assert float(digits.open_metrics(value)) == value


@given(st.integers(min_value=0, max_value=2**53))
def test_a_count_is_printed_as_the_float_that_it_is_in_the_text_format(count: int) -> None:
    """Buckets and counts look like any other number."""
    assert digits.text_count(count) == digits.text(float(count))
