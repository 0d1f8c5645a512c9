"""How much a stream may say: refused is what would make one series cost as much as thousands.

In: a stream, before the rules or after them. Out: nothing, or Untranslatable with the reason. The
numbers are those that others stop at too, so what is let through here can be stored behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.errors import Reason, Untranslatable

if TYPE_CHECKING:
    from collector.model import Stream

LABELS_MAX = 128
"""What the SDKs stop at where they have a limit
(https://opentelemetry.io/docs/specs/otel/common/#attribute-limits)."""
NAME_LENGTH_MAX = 1024
"""Of a metric or a label, in characters; Grafana Mimir's default
(https://grafana.com/docs/mimir/latest/configure/configuration-parameters/#limits)."""
VALUE_LENGTH_MAX = 2048
"""Of a label; likewise."""
STREAM_LENGTH_MAX = 64 * 1024
"""Of all that tells a stream apart, before the rules: it is kept as long as the stream lives."""
STREAM_ATTRIBUTES_MAX = 4 * LABELS_MAX


def check_stream(stream: Stream) -> None:
    """Refuse a stream that is too much to remember, whatever the rules leave of it."""
    length = len(stream.name) + len(stream.unit) + len(stream.description)
    length += sum(map(len, stream.scope[:3]))
    pairs = 0
    for attributes in (stream.resource, stream.scope.attributes, stream.attributes):
        pairs += len(attributes)
        for key, value in attributes:
            length += len(key) + len(value if isinstance(value, str) else value.text)
    if length > STREAM_LENGTH_MAX or pairs > STREAM_ATTRIBUTES_MAX:
        raise Untranslatable(Reason.STREAM_SIZE)


def check_labels(stream: Stream) -> None:
    """Refuse a stream whose labels, as the rules left them, are too many or too long."""
    if len(stream.attributes) > LABELS_MAX or len(stream.resource) > LABELS_MAX:
        raise Untranslatable(Reason.LABEL_COUNT)
    if len(stream.name) > NAME_LENGTH_MAX:
        raise Untranslatable(Reason.LABEL_LENGTH)
    for attributes in (stream.resource, stream.scope.attributes, stream.attributes):
        for key, value in attributes:
            text = value if isinstance(value, str) else value.text
            if len(key) > NAME_LENGTH_MAX or len(text) > VALUE_LENGTH_MAX:
                raise Untranslatable(Reason.LABEL_LENGTH)
