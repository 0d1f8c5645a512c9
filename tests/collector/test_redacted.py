"""What rules took away is counted by key, within limits, and never by value."""

from __future__ import annotations

from collector.redacted import KEY_LENGTH_MAX, KEYS_MAX, OTHER, Redacted
from collector.rewriting import Rewriting
from tests.collector.otlp import Request
from tests.collector.pipeline import engine
from tests.collector.streams import stream


def test_keys_are_counted_by_stream() -> None:
    """Wherever they stood, once a stream; what is left or dropped is not counted."""
    kept = stream(attributes="a=1")
    one = Redacted()
    rules = Rewriting(lambda given: None if given.name == "dropped" else kept, one, is_blind=False)
    for given in (
        stream(attributes="a=1 b=2", resource="b=3 c=4", scope="d=5"),
        stream(attributes="b=2"),
        stream("dropped", attributes="e=1"),
    ):
        rules.of(given.frame)(given.attributes)
    assert one.streams == {"b": 2, "c": 1, "d": 1}


def test_keys_are_limited() -> None:
    """In number and length: they are of those who push."""
    one = Redacted()
    for number in range(2 * KEYS_MAX):
        one.count([f"k{number}"])
    one.count(["k" * (KEY_LENGTH_MAX + 1)])
    assert len(one.streams) == KEYS_MAX + 1
    assert one.streams[OTHER] == KEYS_MAX + 1


def test_the_collector_tells_of_keys_and_points() -> None:
    """In its own metrics, with the pipeline and the exporter."""
    running = engine()
    request = Request().counter("m", {"task_name": "a", "tenant_id": "acme"}, 1)
    running.accept(request.counter("m", {"task_name": "a", "tenant_id": "bolt"}, 1).bytes(), 0)
    samples = running.river.self_metrics()
    numbers = {(one.name, *dict(one.labels).values()): one.value for one in samples}
    assert numbers["portless_redacted_streams", "tenant_id", "metrics"] == 2
    assert numbers["otelcol_exporter_sent_metric_points", "prometheus"] == 2
    assert "acme" not in str(numbers)
