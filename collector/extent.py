"""How much a stream may say: refused is what would make one series cost as much as thousands.

In: a stream, before the rules or after them. Out: nothing, or Untranslatable with the reason. The
numbers are those that others stop at too, so what is let through here can be stored behind.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from collector.errors import Reason, Untranslatable
from collector.model import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model import Attributes, Stream

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


class Extent(NamedTuple):
    """How much there is of a stream, or of a part of it."""

    length: int
    """Characters of names, keys, values and the description."""
    pairs: int

    def check(self, attributes: Attributes) -> None:
        """Refuse a stream that has these attributes besides: too much to remember.

        That is so whatever the rules leave of it.
        """
        length, pairs = self.length + _length(attributes), self.pairs + len(attributes)
        if length > STREAM_LENGTH_MAX or pairs > STREAM_ATTRIBUTES_MAX:
            raise Untranslatable(Reason.STREAM_SIZE)

    def takes(self, many: Sequence[Attributes]) -> bool:
        """Whether none of these would be refused; no is said in doubt, too."""
        try:
            texts = map("".join, map(chain.from_iterable, many))  # type: ignore[arg-type]
            length = self.length + max(map(len, texts))
        except TypeError:  # not all of them are texts
            return False
        pairs = self.pairs + max(map(len, many))
        return length <= STREAM_LENGTH_MAX and pairs <= STREAM_ATTRIBUTES_MAX


def extent(frame: Stream) -> Extent:
    """Measure a frame."""
    length = len(frame.name) + len(frame.unit) + len(frame.description)
    length += sum(map(len, frame.scope[:3]))
    length += _length(frame.resource) + _length(frame.scope.attributes)
    return Extent(length, len(frame.resource) + len(frame.scope.attributes))


def _length(attributes: Attributes) -> int:
    try:
        return len("".join(chain.from_iterable(attributes)))  # type: ignore[arg-type]
    except TypeError:  # not all of them are texts
        return sum([len(key) + len(text_of(value)) for key, value in attributes])


def check_labels(stream: Stream) -> None:
    """Refuse a stream whose labels, as the rules left them, are too many or too long."""
    if len(stream.attributes) > LABELS_MAX or len(stream.resource) > LABELS_MAX:
        raise Untranslatable(Reason.LABEL_COUNT)
    if len(stream.name) > NAME_LENGTH_MAX:
        raise Untranslatable(Reason.LABEL_LENGTH)
    for attributes in (stream.resource, stream.scope.attributes, stream.attributes):
        for key, value in attributes:
            if len(key) > NAME_LENGTH_MAX or len(text_of(value)) > VALUE_LENGTH_MAX:
                raise Untranslatable(Reason.LABEL_LENGTH)
