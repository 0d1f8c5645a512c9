"""What rules took from streams, by the attribute's key.

In: a stream before and after the rules. Out: how many streams lost which key. Keys are of those who
push, so there is a limit on how many are told apart, and on their length; no value is looked at.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model import Attributes, Stream

KEYS_MAX = 100
"""Keys told apart; the first ones that come."""
KEY_LENGTH_MAX = 100
OTHER = "other"
"""Stands for keys beyond both limits."""


class Redacted:
    """Counts."""

    def __init__(self) -> None:
        self.streams: Counter[str] = Counter()
        """Streams since the start that lost an attribute, by its key; dropped ones lost none."""

    def lost(self, stream: Stream, left: Stream) -> list[str]:
        """Return the keys that a stream had and what is left of it has not, each once."""
        if left is stream:
            return []
        remaining = {key for attributes in _all(left) for key, _ in attributes}
        every = dict.fromkeys(key for attributes in _all(stream) for key, _ in attributes)
        return [key for key in every if key not in remaining]

    def count(self, keys: Iterable[str], streams: int = 1) -> None:
        """Count streams that lost some keys."""
        for key in keys:
            self.streams[key if key in self.streams else self._name(key)] += streams

    def _name(self, key: str) -> str:
        is_told = len(self.streams) < KEYS_MAX and len(key) <= KEY_LENGTH_MAX
        return key if is_told else OTHER


def _all(stream: Stream) -> tuple[Attributes, ...]:
    return stream.attributes, stream.resource, stream.scope.attributes
