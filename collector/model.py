"""The nouns of the river: frozen values that can be keys of a dictionary.

A *stream* is all that identifies an OTLP data point but its times and numbers; a *series* is a line
of the exposition. Both are compared by value, never by a joined string (two labels that hold a
separator must not become one series). This file knows neither bytes nor numbers nor rules.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias


class Typed(NamedTuple):
    """An attribute value that is not a string: its OTLP type, and its text in the exposition.

    The type keeps `5` and `"5"` apart as identities; `text` is what the OpenTelemetry Collector
    prints for the value (JSON for lists and maps, base64 for bytes).
    """

    type: str
    """One of `bool`, `int`, `double`, `array`, `map`, `bytes`, `empty`."""
    text: str


Value: TypeAlias = "str | Typed"
Attributes: TypeAlias = tuple[tuple[str, Value], ...]
"""Key and value pairs, sorted by key, each key once."""


def text_of(value: Value) -> str:
    """The text of an attribute value as the exposition prints it."""
    return value if isinstance(value, str) else value.text


class Scope(NamedTuple):
    """The instrumentation scope of a stream."""

    name: str = ""
    version: str = ""
    schema_url: str = ""
    attributes: Attributes = ()


_put = object.__setattr__


class Word(enum.Enum):
    """A choice that is part of a key: it is hashed as what it is, the only one of its kind.

    An Enum's own hash is that of its name, computed in Python each time.
    """

    __hash__ = object.__hash__


class Kind(Word):
    """What the numbers of a stream mean."""

    COUNTER = "counter"
    """A monotonic sum."""
    UPDOWN = "updown"
    """A sum that may fall."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    """A histogram with explicit bounds."""
    EXPONENTIAL = "exponential"
    """A histogram whose buckets grow exponentially."""
    SUMMARY = "summary"

    @property
    def is_distribution(self) -> bool:
        """Whether it tells of many values: how many, their sum, and how they lie."""
        return self in _DISTRIBUTIONS


_DISTRIBUTIONS = frozenset({Kind.HISTOGRAM, Kind.EXPONENTIAL, Kind.SUMMARY})


class Temporality(Word):
    """Whether a number counts from the start of a life or since the last report (OTLP)."""

    NONE = 0
    """A gauge has none."""
    DELTA = 1
    CUMULATIVE = 2


class Merge(Word):
    """How the sources of one series become one number."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    """Of gauges, as are the next two: of what only grows they could fall."""
    MEDIAN = "median"
    COUNT = "count"
    """How many sources say something."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What identifies a data point, before and after the rules of the pipeline."""

    resource: Attributes
    scope: Scope
    name: str
    unit: str
    kind: Kind
    temporality: Temporality
    attributes: Attributes
    merge: Merge | None = None
    """Set by the rule that merges streams; None where no rule did, which sums."""
    description: str = field(default="", compare=False)
    copy: int = 0
    """Which of the copies that rules make of it; 0 before the rules and behind them."""

    def but(self, **changes: Any) -> Stream:  # noqa: ANN401 - whatever the fields are
        """Return the stream with other fields; `dataclasses.replace` takes ten times as long."""
        other = object.__new__(Stream)
        for name in Stream.__slots__:
            _put(other, name, changes[name] if name in changes else getattr(self, name))
        return other

    @property
    def frame(self) -> Stream:
        """All that the points of a metric have in common: the stream without its attributes."""
        return self.but(attributes=())


class Target(NamedTuple):
    """Whom a series is from; with both set, `target_info` tells its other resource attributes."""

    job: str
    instance: str


class Type(Word):
    """A family's type in the exposition."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the exposition (or one histogram), and how its sources meet."""

    family: str
    """The family's name in text format 0.0.4, so with `_total` for counters."""
    type: Type
    labels: tuple[tuple[str, str], ...]
    """Sorted by name; the values are not escaped."""
    merge: Merge = Merge.SUM
    help: str = field(default="", compare=False)
    target: Target | None = field(default=None, compare=False)
    """Where both job and instance are known."""
    target_labels: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """The labels of that target's `target_info`, job and instance included, sorted by name."""
