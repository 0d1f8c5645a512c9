"""A page shows what is alive, in otelcol's order, and refuses what would break it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collector.errors import Reason, Untranslatable
from collector.exposition.negotiate import OPEN_METRICS_FORMAT as OPEN_METRICS
from collector.exposition.negotiate import TEXT_FORMAT as TEXT
from collector.exposition.page import Page
from collector.model import Merge, Series, Target, Type
from collector.reading import Exemplar, HistogramReading, Readings, SummaryReading
from collector.settings import Endpoint, Prometheus

Labels = tuple[tuple[str, str], ...]


def page(*, open_metrics: bool = False, namespace: str = "") -> Page:
    """Return an empty page."""
    here = Endpoint("127.0.0.1", 0)
    return Page(Prometheus(here, namespace=namespace, enable_open_metrics=open_metrics))


def gauge(name: str = "g", labels: Labels = (), help_: str = "", instance: str = "") -> Series:
    """Return a gauge, of a target where an instance is given."""
    target = Target("j", instance) if instance else None
    told = (("instance", instance), ("job", "j")) if instance else ()
    return Series(name, Type.GAUGE, labels, help=help_, target=target, target_labels=told)


def numbers(*values: float, absent: frozenset[int] = frozenset()) -> Readings:
    """Return readings without histograms."""
    return Readings([float(value) for value in values], {}, absent)


def refusal(onto: Page, series: Series) -> Reason:
    """Add what cannot be added, and say why it could not."""
    with pytest.raises(Untranslatable) as caught:
        onto.add(99, series)
    return caught.value.reason


def filled(*, open_metrics: bool) -> tuple[Page, Readings]:
    """Return a page with a family of each type, and what they read."""
    onto = page(open_metrics=open_metrics)
    job = ("job", "a")
    onto.add(0, Series("runs_total", Type.COUNTER, (job, ("x", 'q"\\\n'))))
    onto.add(1, Series("lat", Type.HISTOGRAM, (job,), help='a "b" \\ \n'))
    onto.add(2, Series("Up", Type.GAUGE, ()))
    onto.add(3, Series("bare", Type.HISTOGRAM, ()))
    reading = HistogramReading((0.1, 1.0, 2500000.0), [1, 2, 1234567], 2345678, 1e7)
    histograms = {1: reading, 3: HistogramReading((), [], 3, 0.5)}
    return onto, Readings([1234567.0, 0.0, 1.0, 0.0], histograms)


TEXT_PAGE = r"""# HELP Up 
# TYPE Up gauge
Up 1
# HELP bare 
# TYPE bare histogram
bare_bucket{le="+Inf"} 3
bare_sum 0.5
bare_count 3
# HELP lat a "b" \\ \n
# TYPE lat histogram
lat_bucket{job="a",le="0.1"} 1
lat_bucket{job="a",le="1"} 2
lat_bucket{job="a",le="2.5e+06"} 1.234567e+06
lat_bucket{job="a",le="+Inf"} 2.345678e+06
lat_sum{job="a"} 1e+07
lat_count{job="a"} 2.345678e+06
# HELP runs_total 
# TYPE runs_total counter
runs_total{job="a",x="q\"\\\n"} 1.234567e+06
"""  # noqa: W291 - otelcol ends an empty help with a space

OPEN_METRICS_PAGE = r"""# HELP Up 
# TYPE Up gauge
Up 1.0
# HELP bare 
# TYPE bare histogram
bare_bucket{le="+Inf"} 3
bare_sum 0.5
bare_count 3
# HELP lat a \"b\" \\ \n
# TYPE lat histogram
lat_bucket{job="a",le="0.1"} 1
lat_bucket{job="a",le="1.0"} 2
lat_bucket{job="a",le="2.5e+06"} 1234567
lat_bucket{job="a",le="+Inf"} 2345678
lat_sum{job="a"} 1e+07
lat_count{job="a"} 2345678
# HELP runs 
# TYPE runs counter
runs_total{job="a",x="q\"\\\n"} 1.234567e+06
# EOF
"""  # noqa: W291 - otelcol ends an empty help with a space


def test_a_page_in_the_text_format() -> None:
    """Headings, escapes, buckets and numbers are those of text format 0.0.4."""
    onto, readings = filled(open_metrics=False)
    assert onto.render(readings, TEXT).decode() == TEXT_PAGE


def test_a_page_in_open_metrics() -> None:
    """Counters are declared without _total, floats look like floats, and it ends with EOF."""
    onto, readings = filled(open_metrics=True)
    assert onto.render(readings, OPEN_METRICS).decode() == OPEN_METRICS_PAGE


def test_a_counter_called_total_has_no_type_in_open_metrics() -> None:
    """There is no name to declare it under."""
    onto = page(open_metrics=True)
    onto.add(0, Series("total", Type.COUNTER, ()))
    assert "# TYPE total unknown\ntotal 1.0\n" in onto.render(numbers(1.0), OPEN_METRICS).decode()


def test_an_empty_page_is_empty() -> None:
    """Nothing is alive; OpenMetrics ends all the same."""
    assert page().render(numbers(), TEXT) == b""
    assert page().render(numbers(), OPEN_METRICS) == b"# EOF\n"


def test_series_are_ordered_by_the_number_of_labels_then_by_their_values() -> None:
    """Values are compared in the order of the labels' names, whatever these are."""
    onto = page()
    labels: list[Labels] = [
        (("a", "2"), ("b", "1")),
        (("z", "0"),),
        (("a", "1"), ("b", "é")),
        (("b", "1"),),
        (("a", "1"), ("c", "z")),
        (),
    ]
    for number, pairs in enumerate(labels):
        onto.add(number, gauge(labels=pairs))
    lines = onto.render(numbers(*range(6)), TEXT).decode().splitlines()[2:]
    assert [int(line.rpartition(" ")[2]) for line in lines] == [5, 1, 3, 4, 2, 0]


def test_series_come_and_go() -> None:
    """What is removed is gone at the next scrape, with its family if it was the last."""
    onto = page()
    onto.add(0, gauge("b"))
    onto.add(1, gauge("a", (("x", "1"),)))
    onto.add(2, gauge("a"))
    onto.render(numbers(0, 1, 2), TEXT)
    onto.remove(2)
    onto.remove(0)
    onto.add(0, gauge("c"))
    assert onto.render(numbers(7, 8), TEXT).decode() == (
        '# HELP a \n# TYPE a gauge\na{x="1"} 8\n# HELP c \n# TYPE c gauge\nc 7\n'
    )


def test_what_has_nothing_to_say_is_not_shown() -> None:
    """Neither the series nor, if all of them are silent, the family's heading."""
    onto = page()
    onto.add(0, gauge("a"))
    onto.add(1, gauge("a", (("x", "1"),)))
    onto.add(2, gauge("b"))
    onto.add(3, Series("h", Type.HISTOGRAM, ()))
    found = onto.render(numbers(1, 2, 3, 4, absent=frozenset({0, 2, 3})), TEXT)
    assert found == b'# HELP a \n# TYPE a gauge\na{x="1"} 2\n'


def test_a_histogram_may_change_its_bounds() -> None:
    """Each scrape shows the bounds of its reading."""
    onto = page()
    onto.add(0, Series("h", Type.HISTOGRAM, ()))
    for bounds, cumulated in (((1.0, 2.0), [1, 2]), ((3.0,), [5])):
        reading = HistogramReading(bounds, cumulated, 9, 0.0)
        text = onto.render(Readings([0.0], {0: reading}), TEXT).decode()
        assert text.count("h_bucket") == len(bounds) + 1
        assert f'le="{bounds[0]:g}"}} {cumulated[0]}\n' in text


def test_a_family_keeps_its_first_help_while_it_lives() -> None:
    """A later series does not change it; after the family has gone, the next one says it anew."""
    onto = page()
    onto.add(0, gauge(help_="first"))
    onto.add(1, gauge(labels=(("x", "1"),), help_="second"))
    assert b"# HELP g first\n" in onto.render(numbers(1, 1), TEXT)
    onto.remove(0)
    assert b"# HELP g first\n" in onto.render(numbers(1, 1), TEXT)
    onto.remove(1)
    onto.add(0, gauge(help_="third"))
    assert b"# HELP g third\n" in onto.render(numbers(1), TEXT)


def test_a_family_keeps_its_type_while_it_lives() -> None:
    """Another type of that name is refused, and free to come when the family has gone."""
    onto = page()
    onto.add(0, gauge("x_total"))
    counter = Series("x_total", Type.COUNTER, ())
    assert refusal(onto, counter) is Reason.TYPE_CONFLICT
    onto.remove(0)
    onto.add(0, counter)
    assert b"# TYPE x_total counter\n" in onto.render(numbers(1), TEXT)


def test_a_summary_has_quantiles_sum_and_count() -> None:
    """Its quantiles stand behind its labels; it writes under two names besides its own."""
    onto = page()
    onto.add(0, Series("s", Type.SUMMARY, (("job", "a"),)))
    readings = Readings([0.0], {}, summaries={0: SummaryReading([(0.5, 1.5), (0.99, 2e6)], 4, 4.5)})
    assert onto.render(readings, TEXT).decode() == (
        "# HELP s \n# TYPE s summary\n"
        's{job="a",quantile="0.5"} 1.5\ns{job="a",quantile="0.99"} 2e+06\n'
        's_sum{job="a"} 4.5\ns_count{job="a"} 4\n'
    )
    assert 's{job="a",quantile="0.99"} 2e+06\ns_sum' in onto.render(readings, OPEN_METRICS).decode()
    assert refusal(onto, gauge("s_count")) is Reason.NAME_COLLISION
    onto.add(1, gauge("s_bucket"))


def test_exemplars_stand_behind_counters_and_buckets_in_open_metrics() -> None:
    """The newest in each; the text format has no place for them."""
    onto, readings = filled(open_metrics=True)
    exemplars = {
        0: [Exemplar(1.0, 10**9, "a1", ""), Exemplar(2.5, 2 * 10**9, "a2", "b2")],
        1: [Exemplar(0.1, 1, "a1", ""), Exemplar(0.05, 2, "a3", ""), Exemplar(1e9, 3, "", "b4")],
    }
    plain = onto.render(readings, TEXT)
    readings = replace(readings, exemplars=exemplars)
    assert onto.render(readings, TEXT) == plain
    lines = onto.render(readings, OPEN_METRICS).decode().split("\n")
    found = [line.split(" ", 1)[1] for line in lines if " # {" in line]
    assert found == [
        '1 # {trace_id="a3"} 0.05 2e-09',
        '2345678 # {span_id="b4"} 1e+09 3e-09',
        '1.234567e+06 # {trace_id="a2",span_id="b2"} 2.5 2.0',
    ]


@pytest.mark.parametrize("suffix", ["_bucket", "_count", "_sum"])
@pytest.mark.parametrize("histogram_first", [True, False])
def test_what_a_histogram_writes_under_is_taken(suffix: str, *, histogram_first: bool) -> None:
    """In both orders; `x_max` beside it is free."""
    histogram, other = Series("x", Type.HISTOGRAM, ()), gauge(f"x{suffix}")
    first, second = (histogram, other) if histogram_first else (other, histogram)
    onto = page()
    onto.add(0, first)
    onto.add(1, gauge("x_max"))
    assert refusal(onto, second) is Reason.NAME_COLLISION
    onto.remove(0)
    onto.add(0, second)


@pytest.mark.parametrize("taken", ["x", "x_created"])
def test_open_metrics_takes_more_names(taken: str) -> None:
    """A counter is declared under its short name there; text alone has room for both."""
    counter = Series("x_total", Type.COUNTER, ())
    strict, lenient = page(open_metrics=True), page()
    for onto in (strict, lenient):
        onto.add(0, gauge(taken))
    assert refusal(strict, counter) is Reason.NAME_COLLISION
    lenient.add(1, counter)


def test_one_series_stands_on_a_page_once() -> None:
    """Equal names and labels, merged in another way, would be two lines of one series."""
    onto = page()
    onto.add(0, gauge())
    assert refusal(onto, Series("g", Type.GAUGE, (), merge=Merge.MAX)) is Reason.DUPLICATE_SERIES


def test_a_refused_series_leaves_no_trace() -> None:
    """What stood on the page stands there as before."""
    onto = page()
    onto.add(0, Series("x", Type.HISTOGRAM, ()))
    before = onto.render(Readings([0.0], {0: HistogramReading((), [], 0, 0.0)}), TEXT)
    assert refusal(onto, gauge("x_sum", instance="i")) is Reason.NAME_COLLISION
    assert refusal(onto, gauge("x", instance="i")) is Reason.TYPE_CONFLICT
    after = onto.render(Readings([0.0], {0: HistogramReading((), [], 0, 0.0)}), TEXT)
    assert after == before


def test_target_info_is_shown_while_a_series_of_the_target_lives() -> None:
    """In its place by name, once for each target, with the text that otelcol has."""
    onto = page(namespace="ns")
    onto.add(0, gauge("ns_z", instance="i1"))
    onto.add(1, gauge("ns_a", instance="i2"))
    onto.add(2, gauge("ns_a", (("x", "1"),), instance="i1"))
    info = (
        "# HELP ns_target_info Target metadata\n# TYPE ns_target_info gauge\n"
        'ns_target_info{instance="i1",job="j"} 1\n'
    )
    second = 'ns_target_info{instance="i2",job="j"} 1\n'
    text = onto.render(numbers(1, 2, 3), TEXT).decode()
    assert text.startswith("# HELP ns_a ")
    assert text.endswith(info + second + "# HELP ns_z \n# TYPE ns_z gauge\nns_z 1\n")
    onto.remove(1)
    onto.remove(2)
    assert onto.render(numbers(1), TEXT).decode().startswith(info + "# HELP ns_z ")
    onto.remove(0)
    assert onto.render(numbers(), TEXT) == b""


def test_a_target_that_tells_two_things_is_shown_once() -> None:
    """The oldest living series has the word."""
    onto = page()
    for number, told in enumerate(["old", "new"]):
        labels = (("host", told), ("instance", "i"), ("job", "j"))
        target = Target("j", "i")
        pairs = (("n", str(number)),)
        onto.add(number, Series("g", Type.GAUGE, pairs, target=target, target_labels=labels))
    assert b'target_info{host="old",' in onto.render(numbers(1, 1), TEXT)
    assert b'host="new"' not in onto.render(numbers(1, 1), TEXT)
    onto.remove(0)
    assert b'target_info{host="new",' in onto.render(numbers(1, 1), TEXT)


def test_nobody_else_is_called_target_info() -> None:
    """The name is kept, also while no target is known."""
    assert refusal(page(), gauge("target_info")) is Reason.NAME_COLLISION


def test_text_that_utf8_cannot_hold_does_not_stop_a_scrape() -> None:
    """Half a surrogate pair, as a YAML escape can make one, becomes a question mark."""
    onto = page()
    onto.add(0, gauge(labels=(("x", "a\ud800"),)))
    assert b'g{x="a?"} 1\n' in onto.render(numbers(1), TEXT)
