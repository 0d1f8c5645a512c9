"""Names in UTF-8, and how those are told them who cannot read them."""

from __future__ import annotations

import pytest

from collector.errors import Reason, Untranslatable
from collector.exposition import utf8
from collector.exposition.negotiate import negotiate
from collector.model import Kind
from tests.collector.otlp import Request
from tests.collector.pipeline import engine

CONFIG = """
receivers: {otlp: {protocols: {http: {}}}}
exporters:
  prometheus:
    endpoint: "127.0.0.1:9464"
    translation_strategy: NoTranslation
    without_scope_info: true
service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}}
"""


@pytest.mark.parametrize(
    ("escaping", "name", "escaped"),
    [
        # As github.com/prometheus/common v0.71.0 has them.
        ("underscores", "a.b-c", "a_b_c"),
        ("underscores", "1a", "_a"),
        ("underscores", "é1", "_1"),
        ("dots", "a.b_c-d", "a_dot_b__c__d"),
        ("dots", "a_b", "a_b"),
        ("values", "a.b_c", "U__a_2e_b__c"),
        ("values", "1é😀", "U___31__e9__1f600_"),
        ("values", "a_b", "a_b"),
        ("allow-utf-8", "a.b", "a.b"),
    ],
)
def test_a_name_is_escaped_as_prometheus_does(escaping: str, name: str, escaped: str) -> None:
    """Each way of escaping; what is in the old alphabet stays."""
    assert utf8.escape(name, escaping, utf8.METRIC) == escaped


@pytest.mark.parametrize(
    ("name", "unit", "kind", "built"),
    [
        ("a.total", "", Kind.COUNTER, "a_total"),
        ("total", "", Kind.COUNTER, "total_total"),
        ("a.bytes.total", "By", Kind.COUNTER, "a.bytes_total"),
        ("a.per_second", "m/s", Kind.GAUGE, "a_meters_per_second"),
        ("a ratio", "1", Kind.GAUGE, "a_ratio"),
        ("a.ratio", "1", Kind.UPDOWN, "a.ratio"),
        ("a", "{x}", Kind.GAUGE, "a"),
    ],
)
def test_units_and_types_are_put_behind_a_name(
    name: str, unit: str, kind: Kind, built: str
) -> None:
    """One that is there already is not put there again, whatever delimits it."""
    assert utf8.full_name(name, unit, kind) == built


def test_what_can_be_no_name_is_refused() -> None:
    """Half a character, nothing, or what Prometheus keeps for itself."""
    with pytest.raises(Untranslatable) as refusal:
        utf8.full_name("aétotal", "", Kind.COUNTER)
    assert refusal.value.reason is Reason.METRIC_NAME
    for key in ("", "_", "__x", "__x__"):
        with pytest.raises(Untranslatable) as refusal:
            utf8.label(key)
        assert refusal.value.reason is Reason.LABEL_NAME


def test_lines_under_an_escaping_begin_with_what_is_there_and_go_on() -> None:
    """Whoever asks first, and for what; series that come, grow and go are seen by all."""
    running = engine(CONFIG)

    def page(escaping: str) -> str:
        form = negotiate(f"text/plain;escaping={escaping}", open_metrics=False)
        return "".join(
            line
            for line in running.scrape(form).decode().splitlines(keepends=True)
            if not line.startswith(("#", "target_info"))
        )

    running.accept(Request().counter("a.b", {}, 1).bytes(), 0)
    own = 'instance="w1",job="celery"'
    assert page("values") == f"U__a_2e_b{{{own}}} 1\n"
    running.accept(Request().counter("a.b", {}, 2).counter("a_b", {}, 5).bytes(), 100)
    assert page("values") == f"U__a_2e_b{{{own}}} 2\na_b{{{own}}} 5\n"
    assert page("underscores") == f"a_b{{{own}}} 7\n"
    assert page("allow-utf-8") == f'{{"a.b",{own}}} 2\na_b{{{own}}} 5\n'
    running.tick(399)
    assert page("underscores") == f"a_b{{{own}}} 7\n"
    running.tick(401)
    assert page("underscores") == page("values") == page("allow-utf-8") == ""
