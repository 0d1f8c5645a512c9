"""Short texts: a header Accept, the lines of an htpasswd file."""

from __future__ import annotations

from collector.exposition.negotiate import negotiate
from collector.server import htpasswd as lines
from tests.collector.otlp import Request
from tests.collector.pipeline import engine

_SLOW = b"$2"
"""How hashes begin that take their time on purpose."""
_RUNNING = engine()
_RUNNING.accept(Request().counter("x", {"task_name": "t"}, 1).bytes(), 0)
_RUNNING.tick(0)


def accept(data: bytes) -> None:
    """Any header gets a page in some format; where OpenMetrics is not allowed, none in that."""
    header = data.decode("latin-1")
    for open_metrics in (True, False):
        chosen = negotiate(header, open_metrics=open_metrics)
        assert open_metrics or "openmetrics" not in chosen.content_type
        assert chosen.content_type.isascii()
        assert chosen.content_type.isprintable()
        assert _RUNNING.scrape(chosen)


def htpasswd(data: bytes) -> None:
    """It becomes users that have a password each, or a line is refused in words of our own."""
    text = data.decode(errors="replace")
    try:
        users = lines.parse(text)
    except lines.BadLine as refusal:
        assert all(len(piece) < 9 or piece not in str(refusal) for piece in text.split(":"))
        return
    for name, matches in users.items():
        assert "\n" not in name
        if _SLOW not in data:
            assert matches(b"") is False
            assert matches(b"\xff\x00") in {True, False}
