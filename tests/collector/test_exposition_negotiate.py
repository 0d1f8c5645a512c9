"""The Accept header chooses the format; what otelcol 0.161.0 answered is in the tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.exposition.dialects import OPEN_METRICS, TEXT
from collector.exposition.negotiate import choices, negotiate

PLAIN = "text/plain; version=0.0.4; charset=utf-8; escaping="
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="
OPEN_0_0_1 = OPEN.replace("1.0.0", "0.0.1")
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)

DELIMITED = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited;"
    " escaping="
)
PROMETHEUS_3_NATIVE = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "escaping=allow-utf-8;q=0.6," + PROMETHEUS_3
)

ANSWERS = {
    PROMETHEUS_3_NATIVE: DELIMITED + "allow-utf-8",
    DELIMITED + "values": DELIMITED + "values",
    DELIMITED.replace("delimited", "other"): PLAIN + "underscores",
    "application/vnd.google.protobuf": PLAIN + "underscores",
    "": PLAIN + "underscores",
    "*/*": PLAIN + "underscores",
    "text/plain": PLAIN + "underscores",
    "text/html,*/*;q=0.1": PLAIN + "underscores",
    "garbage": PLAIN + "underscores",
    ";;;,/,,": PLAIN + "underscores",
    "application/openmetrics-text": OPEN_0_0_1 + "underscores",
    "application/openmetrics-text;version=0.0.1": OPEN_0_0_1 + "underscores",
    "application/openmetrics-text; version=1.0.0; charset=utf-8": OPEN + "underscores",
    "application/openmetrics-text; version =1.0.0": OPEN + "underscores",
    "application/openmetrics-text;version=2.0.0": PLAIN + "underscores",
    "application/*;version=1.0.0": OPEN + "underscores",
    "*/*;version=1.0.0": OPEN + "underscores",
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.6": (
        PLAIN + "underscores"
    ),
    PROMETHEUS_3: OPEN + "allow-utf-8",
    "text/plain;escaping=values": PLAIN + "values",
    "text/plain;escaping=foo": PLAIN + "underscores",
    "text/plain;version=0.0.5": PLAIN + "underscores",
}


@pytest.mark.parametrize(("accept", "content_type"), ANSWERS.items())
def test_the_answer_is_otelcols(accept: str, content_type: str) -> None:
    """With OpenMetrics on offer, headers lead to the same content type."""
    form = negotiate(accept, open_metrics=True)
    assert form.content_type == content_type
    plain = OPEN_METRICS if "openmetrics" in content_type else TEXT
    assert form.dialect is (None if "protobuf" in content_type else plain)


@pytest.mark.parametrize("accept", ANSWERS)
def test_open_metrics_has_to_be_enabled(accept: str) -> None:
    """Without it every other header leads to text 0.0.4."""
    form = negotiate(accept, open_metrics=False)
    is_protobuf = ANSWERS[accept].startswith(DELIMITED)
    assert form.dialect is (None if is_protobuf else TEXT)
    assert form.content_type.startswith(DELIMITED if is_protobuf else PLAIN)


def test_prometheus_is_told_the_escaping_that_it_asked_for() -> None:
    """Each of the four, whether there are names that need one or not."""
    content_type = negotiate(PROMETHEUS_3, open_metrics=False).content_type
    assert content_type == PLAIN + "allow-utf-8"
    content_type = negotiate("text/plain;escaping=dots", open_metrics=False).content_type
    assert content_type == PLAIN + "dots"


@pytest.mark.parametrize("weight", ["0", "0.0", "-1", "2", "nan", "inf", "x", ""])
def test_what_is_not_acceptable_is_not_served(weight: str) -> None:
    """A weight of zero, or one that is none, is a no."""
    accept = f"application/openmetrics-text;version=1.0.0;q={weight}"
    assert negotiate(accept, open_metrics=True).dialect is TEXT


def test_choices_are_ordered_by_weight_then_by_name() -> None:
    """What is named comes before a wildcard of the same weight."""
    found = [choice.value for choice in choices("*/*, b/c;q=0.5, a/*, A/B;q=1.0, d/e;q=0.9")]
    assert found == ["a/b", "a/*", "*/*", "d/e", "b/c"]


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    """Garbage gets the text format or OpenMetrics, never an exception."""
    assert negotiate(header, open_metrics=True).dialect in {TEXT, OPEN_METRICS}
