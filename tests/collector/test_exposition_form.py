"""A page that was written before is written as a new one would be, whatever has changed since."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exposition.dialects import OPEN_METRICS, TEXT
from collector.exposition.form import Form
from collector.exposition.negotiate import OPEN_METRICS_FORMAT, TEXT_FORMAT, Format
from collector.exposition.page import Page
from collector.model import Series, Type
from collector.reading import Exemplar, HistogramReading, HistogramTable, Readings
from collector.settings import Endpoint, Prometheus

SETTINGS = Prometheus(Endpoint("", 0), enable_open_metrics=True)
SIZE = 6
"""Series: as many counters as gauges and histograms."""
BOUNDS = [(), (1.0,), (0.25, 1.0)]
EXEMPLAR = Exemplar(0.5, 1_700_000_000_000_000_000, "0af7651916cd43dd8448eb211c80319c", "")

numbers = st.one_of(st.integers(0, 3).map(float), st.floats(min_value=0))
counts = st.integers(0, 2**53)


@st.composite
def readings(draw: st.DrawFn) -> Readings:
    """What some series read: histograms in tables or apart, some absent, some with exemplars."""
    absent = frozenset(draw(st.sets(st.integers(0, SIZE - 1))))
    apart, tables = {}, []
    for number in (4, 5):
        if number in absent:
            continue
        bounds = draw(st.sampled_from(BOUNDS))
        cumulated = sorted(draw(counts) for _ in bounds)
        count, total = max(cumulated, default=0) + 1, draw(numbers)
        if draw(st.booleans()):
            apart[number] = HistogramReading(bounds, cumulated, count, total)
        else:
            tables.append(
                HistogramTable(
                    bounds,
                    np.array([number]),
                    np.array(cumulated, np.int64).reshape(1, -1),
                    np.array([count]),
                    np.array([total]),
                )
            )
    exemplars = {number: [EXEMPLAR] for number in draw(st.sets(st.integers(0, SIZE - 1)))}
    values = np.array([draw(numbers) for _ in range(SIZE)])
    return Readings(
        values,
        apart,
        absent,
        exemplars={number: own for number, own in exemplars.items() if number not in absent},
        tables=tables,
    )


def page(series: int = SIZE) -> Page:
    """A page with two families of numbers and one of histograms."""
    made = Page(SETTINGS)
    for number in range(series):
        type_ = (Type.COUNTER, Type.GAUGE, Type.HISTOGRAM)[number // 2]
        made.add(number, Series(f"a_{type_.value}", type_, (("x", str(number % 2)),)))
    return made


@pytest.mark.parametrize("form", [TEXT_FORMAT, OPEN_METRICS_FORMAT])
@given(st.lists(readings(), min_size=1, max_size=4))
def test_a_page_says_what_a_new_one_would(form: Format, drawn: list[Readings]) -> None:
    """Numbers, absences, bounds and exemplars may change from scrape to scrape."""
    old = page()
    for one in drawn:
        assert old.render(one, form) == page().render(one, form)


def test_series_come_and_go() -> None:
    """A page of which series are added and removed says what one without them would."""
    old = page()
    before = Readings(np.arange(SIZE, dtype=np.float64), absent=frozenset({4, 5}))
    old.render(before, TEXT_FORMAT)
    for number in (5, 4, 3):
        old.remove(number)
    assert old.render(before, TEXT_FORMAT) == page(3).render(before, TEXT_FORMAT)


@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=4))
def test_lines_end_in_their_numbers(drawn: list[list[float]]) -> None:
    """However often a form is filled in, each line has its own beginning and its newest number."""
    for dialect in (TEXT, OPEN_METRICS):
        form = Form([("a ",), ("b ",), ("c ",)], np.array([True, False, False]))
        for values in drawn:
            whole = [float(int(min(values[0], 2.0**53))), *values[1:]]
            written = b"".join(form.fill(np.array(whole), dialect, {})).decode().splitlines()
            first = dialect.count(int(whole[0]))
            assert written == [
                f"a {first}",
                *map("{} {}".format, "bc", map(dialect.number, whole[1:])),
            ]
