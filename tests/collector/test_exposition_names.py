"""Streams become the series that the OpenTelemetry Collector's own exporter makes of them.

The names in the tables are what otelcol 0.161.0 exposed for these inputs.
"""

from __future__ import annotations

import pytest

from collector.errors import Reason, Untranslatable
from collector.exposition.alphabet import bare_name, label_name, metric_name
from collector.exposition.names import Translator, target_info_name
from collector.model import Attributes, Kind, Merge, Scope, Stream, Target, Temporality, Typed
from collector.settings import Endpoint, Prometheus, ResourceLabels

HERE = Endpoint("127.0.0.1", 0)

COUNTERS = {
    ("c.http.requests", "1"): "c_http_requests_total",
    ("c.mem.used", "By"): "c_mem_used_bytes_total",
    ("c.dur", "s"): "c_dur_seconds_total",
    ("c.dur", "ms"): "c_dur_milliseconds_total",
    ("c.rate", "By/s"): "c_rate_bytes_per_second_total",
    ("c.x", "m/s"): "c_x_meters_per_second_total",
    ("c.x", "m/m"): "c_x_meters_per_minute_total",
    ("c.kb", "KiBy"): "c_kb_kibibytes_total",
    ("c.pct", "%"): "c_pct_percent_total",
    ("c.foo_bytes", "By"): "c_foo_bytes_total",
    ("c.foo_seconds_total", "s"): "c_foo_seconds_total",
    ("c.req_total", "{request}"): "c_req_total",
    ("c.total", ""): "c_total",
    ("x_total_y_total", ""): "x_y_total",
    ("c.odd", "{x}/s"): "c_odd_per_second_total",
    ("c.per", "/s"): "c_per_per_second_total",
    ("c.per2", "1/s"): "c_per2_per_second_total",
    ("c.d", "d"): "c_d_days_total",
    ("c.temp", "Cel"): "c_temp_celsius_total",
    ("c.mw", "mW"): "c_mw_mW_total",
    ("c.w", "[lb_av]"): "c_w_lb_av__total",
    ("c.nit", "µs"): "c_nit_s_total",
    ("1abc", ""): "_1abc_total",
    ("_lead", ""): "lead_total",
    ("c.héllo wörld", ""): "c_h_llo_w_rld_total",
    ("c.a..b__c--d", ""): "c_a_b_c_d_total",
    ("c.a:b", ""): "c_a:b_total",
    ("___", ""): "total",
}

GAUGES = {
    ("g.util", "1"): "g_util_ratio",
    ("g.ratio", "1"): "g_ratio",
    ("g.x.total", "1"): "g_x_total_ratio",
    ("g.conn", "{connection}"): "g_conn",
    ("g16_ratio_x", "1"): "g16_x_ratio",
    ("u", "/"): "u",
    ("u", "By/{x}"): "u_bytes",
    ("u", "{x}/{y}"): "u",
    ("u", "{a"): "u",
    ("u", " s "): "u_seconds",
    ("u", "a/ s "): "u_a_per_second",
    ("u", " 1"): "u",
    ("u", "_"): "u",
    ("u", "__"): "u",
    ("u", "a/"): "u_a",
    ("u", "By/_"): "u_bytes",
    ("u", "é/s"): "u_per_second",
    ("u", "a/b/c"): "u_a_per_b_c",
    ("u", "x_"): "u_x_",
    ("u", "a_/b_"): "u_a_per_b",
    ("u.by", "By/s/m"): "u_by_bytes_per_s_m",
    ("u_per_second", "1/s"): "u_per_second_per_second",
    ("seconds", "s"): "seconds",
    ("___", "s"): "seconds",
    (":", ""): ":",
}

LABELS = {
    "route": "route",
    "http.route": "http_route",
    "a..b__c": "a_b_c",
    "a:b": "a_b",
    "1st": "key_1st",
    "1é": "key_1_",
    "_u": "key_u",
    "__dunder": "key_dunder",
    "é": "key_",
    "_": "key_",
    "__": "key_",
}


def stream(kind: Kind = Kind.COUNTER, name: str = "jobs", **fields: object) -> Stream:
    """Return a stream with what a test is not about filled in."""
    rest: dict[str, object] = {
        "resource": (),
        "scope": Scope(),
        "unit": "",
        "temporality": Temporality.CUMULATIVE,
        "attributes": (),
    }
    return Stream(name=name, kind=kind, **{**rest, **fields})  # type: ignore[arg-type]


def translator(**settings: object) -> Translator:
    """Return a translator that adds no scope labels."""
    given = {"endpoint": HERE, "without_scope_info": True, **settings}
    return Translator(Prometheus(**given))  # type: ignore[arg-type]


def refusal(stream_: Stream, **settings: object) -> Reason:
    """Translate what cannot be translated, and say why it could not."""
    with pytest.raises(Untranslatable) as caught:
        translator(**settings).translate(stream_)
    return caught.value.reason


@pytest.mark.parametrize(("given", "exposed"), COUNTERS.items())
def test_a_counter_is_named_as_otelcol_names_it(given: tuple[str, str], exposed: str) -> None:
    """Name, unit and `_total` are put together by otelcol's rules."""
    assert metric_name(*given, Kind.COUNTER) == exposed


@pytest.mark.parametrize(("given", "exposed"), GAUGES.items())
def test_a_gauge_is_named_as_otelcol_names_it(given: tuple[str, str], exposed: str) -> None:
    """Name, unit and `_ratio` are put together by otelcol's rules."""
    assert metric_name(*given, Kind.GAUGE) == exposed


def test_neither_an_updown_counter_nor_a_histogram_gets_a_suffix_for_its_kind() -> None:
    """Only gauges become ratios, only monotonic sums totals."""
    assert metric_name("updown", "1", Kind.UPDOWN) == "updown"
    assert metric_name("h.dur", "s", Kind.HISTOGRAM) == "h_dur_seconds"


def test_a_namespace_stands_before_every_name() -> None:
    """Whatever it holds, what comes out is a name; target_info spells it as a label."""
    assert metric_name("x", "", Kind.GAUGE, "ns") == "ns_x"
    assert metric_name("x", "", Kind.GAUGE, "my ns") == "my_ns_x"
    assert metric_name("x", "", Kind.GAUGE, "1é  ns") == "_1___ns_x"
    assert metric_name("é", "", Kind.GAUGE, "ns") == "ns"
    assert target_info_name(Prometheus(HERE)) == "target_info"
    assert target_info_name(Prometheus(HERE, namespace="1é  ns")) == "key_1_ns_target_info"
    assert target_info_name(Prometheus(HERE, namespace="__x__")) == "target_info"


@pytest.mark.parametrize("name", ["", "é", "___", "-"])
def test_a_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    """A gauge without a writable name has no family."""
    assert refusal(stream(Kind.GAUGE, name)) is Reason.METRIC_NAME


def test_an_empty_name_is_refused_for_counters_too() -> None:
    """A counter without a name does not become the family `total`, as it would in otelcol."""
    assert refusal(stream(Kind.COUNTER, "")) is Reason.METRIC_NAME


@pytest.mark.parametrize(("key", "label"), LABELS.items())
def test_a_label_is_named_as_otelcol_names_it(key: str, label: str) -> None:
    """Keys are put into the alphabet of labels by otelcol's rules."""
    assert label_name(key) == label


@pytest.mark.parametrize("key", ["", "____", "_____", "__x__", "__name__", "__1__", "__a.b__"])
def test_a_key_that_makes_no_label_is_refused(key: str) -> None:
    """Where otelcol drops the point and writes a line in its log, ours has a reason."""
    assert refusal(stream(attributes=((key, "x"),))) is Reason.LABEL_NAME


@pytest.mark.parametrize(
    ("attributes", "resource", "const_labels"),
    [
        ((("a.b", "1"), ("a_b", "2")), (), ()),
        ((("job", "1"),), (("service.name", "s"),), ()),
        ((("instance", "1"),), (("service.instance.id", "i"),), ()),
        ((("zone", "1"),), (), (("zone", "a"),)),
        ((), (("service.name", "s"),), (("job", "a"),)),
    ],
)
def test_two_labels_of_one_name_are_refused(
    attributes: Attributes, resource: Attributes, const_labels: Attributes
) -> None:
    """Neither of two values is right, so none is shown."""
    found = refusal(stream(attributes=attributes, resource=resource), const_labels=const_labels)
    assert found is Reason.DUPLICATE_LABEL


def test_job_is_a_free_name_where_the_resource_gives_none() -> None:
    """Only a collision is refused, not the name."""
    assert translator().translate(stream(attributes=(("job", "x"),))).labels == (("job", "x"),)


def test_le_is_refused_on_a_histogram_alone() -> None:
    """A histogram writes `le` itself; two of them would break the whole page."""
    labels = (("le", "x"),)
    assert refusal(stream(Kind.HISTOGRAM, attributes=labels)) is Reason.LABEL_NAME
    assert refusal(stream(Kind.EXPONENTIAL, attributes=labels)) is Reason.LABEL_NAME
    quantile = (("quantile", "x"),)
    assert refusal(stream(Kind.SUMMARY, attributes=quantile)) is Reason.LABEL_NAME
    assert translator().translate(stream(Kind.SUMMARY, attributes=labels)).labels == labels
    assert translator().translate(stream(Kind.GAUGE, attributes=labels)).labels == labels


def test_values_are_printed_as_they_came() -> None:
    """A typed value has its text already; an empty one is a label too."""
    attributes = (("a", Typed("int", "5")), ("b", "x\ny"), ("c", ""))
    found = translator().translate(stream(attributes=attributes))
    assert found.labels == (("a", "5"), ("b", "x\ny"), ("c", ""))


def test_the_scope_becomes_labels() -> None:
    """Its fields always, empty or not; its attributes, unless they would hide a field."""
    scope = Scope("my.scope", "1.2", "", (("name", "q"), ("sa", "v"), ("x.y", "2")))
    assert translator(without_scope_info=False).translate(stream(scope=scope)).labels == (
        ("otel_scope_name", "my.scope"),
        ("otel_scope_sa", "v"),
        ("otel_scope_schema_url", ""),
        ("otel_scope_version", "1.2"),
        ("otel_scope_x_y", "2"),
    )


@pytest.mark.parametrize(
    ("resource", "labels"),
    [
        ((), ()),
        ((("service.name", "svc"),), (("job", "svc"),)),
        ((("service.name", "svc"), ("service.namespace", "ns")), (("job", "ns/svc"),)),
        ((("service.name", "svc"), ("service.namespace", "")), (("job", "/svc"),)),
        ((("service.namespace", "ns"),), ()),
        ((("service.instance.id", Typed("int", "7")),), (("instance", "7"),)),
        ((("service.instance.id", ""),), (("instance", ""),)),
    ],
)
def test_job_and_instance_come_from_the_resource(resource: Attributes, labels: Attributes) -> None:
    """An attribute that is there makes a label, also an empty one; one that is not makes none."""
    found = translator().translate(stream(resource=resource))
    assert found.labels == labels
    assert found.target is None


def test_a_target_tells_the_rest_of_its_resource() -> None:
    """target_info has all attributes but the three of identity; one name twice is joined."""
    resource = (
        ("a.b", "1"),
        ("a_b", "2"),
        ("job", "hidden"),
        ("service.instance.id", "i"),
        ("service.name", "s"),
    )
    found = translator(const_labels=(("zone", "z"),)).translate(stream(resource=resource))
    assert found.labels == (("instance", "i"), ("job", "s"), ("zone", "z"))
    assert found.target == Target("s", "i")
    assert found.target_labels == (("a_b", "1;2"), ("instance", "i"), ("job", "s"))


def test_a_resource_key_that_makes_no_label_costs_only_target_info() -> None:
    """Its points are exposed, as otelcol does."""
    resource = (("", "x"), ("service.instance.id", "i"), ("service.name", "s"))
    found = translator().translate(stream(resource=resource))
    assert found.labels == (("instance", "i"), ("job", "s"))
    assert found.target is None


def test_the_rest_of_the_stream_is_handed_on() -> None:
    """Help and the way to merge come through; without a rule, sources are summed."""
    found = translator().translate(stream(description="how many", merge=Merge.MAX))
    assert (found.help, found.merge) == ("how many", Merge.MAX)
    assert translator().translate(stream()).merge is Merge.SUM


def test_resource_attributes_become_labels_by_patterns() -> None:
    """Those that are included and not excluded, over what the point says; a dot is only a dot."""
    resource = (("a.b", "1"), ("axb", "2"), ("b", "3"), ("service.name", "s"))
    given = stream(resource=resource, attributes=(("b", "of the point"), ("c", "4")))
    labels = ResourceLabels(("a.*", "b", "service.*"), ("service.nam?",))
    found = translator(resource_labels=labels).translate(given)
    assert found.labels == (("a_b", "1"), ("b", "3"), ("c", "4"), ("job", "s"))


def test_a_bare_name_keeps_what_can_stand() -> None:
    """Runs of other characters become one underscore; neither unit nor type is added."""
    names = {
        "a.b": "a_b",
        "a..b": "a_b",
        "a__b": "a__b",
        "_a": "_a",
        "é1": "_1",
        "__": "__",
        "a:b": "a:b",
    }
    for given, exposed in names.items():
        assert bare_name(given, "By", Kind.COUNTER) == exposed
    assert bare_name("1.a", "", Kind.GAUGE, "my ns") == "my_ns_1_a"
    for nothing in ("", "é", "é_"):
        with pytest.raises(Untranslatable):
            bare_name(nothing, "", Kind.GAUGE)
