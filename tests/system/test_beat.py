"""Beat, on its own and inside of a worker: what it sent last and how late, under a stable name."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.worker import Command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sink import Sink

CELERY = (sys.executable, "-m", "celery", "-A", "tests.support.periodic")
SENDING = "Sending due task often"
KINDS = {
    "standalone": (["beat"], socket.gethostname()),
    "embedded": (["worker", "-B", "-P", "prefork", "-c", "1", "-n", "one@lab"], "one@lab"),
    "embedded in solo": (["worker", "-B", "-P", "solo", "-n", "one@lab"], "one@lab"),
}


@pytest.mark.parametrize(("options", "place"), KINDS.values(), ids=KINDS)
def test_beat_tells_when_it_sent(
    sink: Sink, tmp_path: Path, options: list[str], place: str
) -> None:
    """Of each entry that was due, from `HOST/beat` or `NODE/beat`; all of it in its last word."""
    beat = Command(
        [*CELERY, *options, "-s", str(tmp_path / "schedule"), "-l", "INFO"],
        tmp_path / "log",
        {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "600000"},
    )
    try:
        beat.wait_for(lambda: beat.log.read_text().count(SENDING) >= 3)
        exit_code = beat.stop(signal.SIGTERM)
    finally:
        beat.kill()
    log = beat.log.read_text()
    assert exit_code == 0, log
    sent = [point for point in sink.points if point.name == "celery.beat.last_sent.timestamp"]
    assert {point.attributes for point in sent} == {frozenset({("schedule", "often")})}
    assert all(abs(point.time / 1e9 - point.value) < 300 for point in sent)
    assert set(sink.sums("celery.beat.lateness")) == {frozenset({("schedule", "often")})}
    assert sink.instances("celery.beat.last_sent.timestamp") == {f"{place}/beat"}
    # The signal may come between the line in the log and the message.
    assert log.count(SENDING) - 1 <= sink.sum("celery.task.sent") <= log.count(SENDING)
    assert sink.sums("celery.telemetry.hook.errors") == {}
