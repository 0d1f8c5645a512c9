"""Streams that say too much are refused, counted, and leave nothing; all others are not touched."""

from __future__ import annotations

import pytest

from collector.errors import Reason
from collector.extent import (
    LABELS_MAX,
    NAME_LENGTH_MAX,
    STREAM_ATTRIBUTES_MAX,
    STREAM_LENGTH_MAX,
    VALUE_LENGTH_MAX,
)
from collector.wire.reader import Reader
from tests.collector.otlp import WORKER, Request
from tests.collector.pipeline import Pipeline, engine

CONFIG = """
receivers: {otlp: {protocols: {http: {}}}}
exporters: {prometheus: {endpoint: "127.0.0.1:0"}}
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}
"""


def pushed(running: Pipeline, request: Request) -> dict[Reason, int]:
    """Push a request; return what was refused of it."""
    return dict(running.accept(request.bytes(), 0).refused)


def many(count: int) -> dict[str, str]:
    """That many attributes."""
    return {f"k{number}": "v" for number in range(count)}


@pytest.mark.parametrize(
    ("most", "more", "reason"),
    [
        ({"k": "v" * VALUE_LENGTH_MAX}, {"k": "v" * (VALUE_LENGTH_MAX + 1)}, Reason.LABEL_LENGTH),
        ({"k" * NAME_LENGTH_MAX: "v"}, {"k" * (NAME_LENGTH_MAX + 1): "v"}, Reason.LABEL_LENGTH),
        (many(LABELS_MAX), many(LABELS_MAX + 1), Reason.LABEL_COUNT),
        ({}, many(STREAM_ATTRIBUTES_MAX + 1), Reason.STREAM_SIZE),
        ({}, {"k": "v" * STREAM_LENGTH_MAX}, Reason.STREAM_SIZE),
    ],
    ids=["value", "name", "count", "attributes", "length"],
)
def test_labels_have_limits(most: dict[str, str], more: dict[str, str], reason: Reason) -> None:
    """The limit is what may just be; others of the same request are recorded."""
    running = engine(CONFIG)
    request = Request().counter("most", most, 1).counter("more", more, 1)
    assert pushed(running, request) == {reason: 1}
    page = running.scrape_text()
    assert "most_total{" in page
    assert "more" not in page
    assert running.engine.refused[reason] == 1


def test_a_name_has_a_limit() -> None:
    """That of a metric too."""
    running = engine(CONFIG)
    request = Request().counter("m" * NAME_LENGTH_MAX, {}, 1)
    assert pushed(running, request.counter("m" * (NAME_LENGTH_MAX + 1), {}, 1)) == {
        Reason.LABEL_LENGTH: 1
    }


def test_what_the_rules_take_away_may_be_long() -> None:
    """A command line in the resource costs nobody a metric: the shipped rules drop it."""
    running = engine()
    resource = WORKER | {"process.command_args": "x" * 10 * VALUE_LENGTH_MAX}
    attributes = {"task_name": "t", **many(LABELS_MAX + 1)}
    assert pushed(running, Request().counter("jobs", attributes, 1, resource=resource)) == {}
    assert 'jobs_total{instance="w1",job="celery",task_name="t"} 1' in running.scrape_text()


def test_shapes_take_no_more_than_their_room() -> None:
    """What finds none is read all the same, each time as if it were new, and room comes back."""
    bodies = [
        Request().counter(f"metric_{number}", {"k": "v" * 400}, number).bytes()
        for number in range(10)
    ]
    reader = Reader(shape_bytes_max=4 * len(bodies[0]))
    for now in (1.0, 2.0):
        for body in bodies:
            for part in reader.read(body, now).parts:
                part.shape.used = now
    assert 3 <= reader.shapes <= 5
    reader.forget(10.0)
    assert reader.shapes == 0
    reader.read(bodies[9], 11.0)
    assert reader.shapes == 1
