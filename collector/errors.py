"""What can be wrong with what comes in from outside, and the one table to HTTP and gRPC codes.

A request is refused (`Refused`) or a configuration is (`ConfigError`); everything that speaks to a
client or a person turns these into an answer. This file knows no socket and no component.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Code(enum.IntEnum):
    """The gRPC status codes that a refusal can have.

    https://grpc.github.io/grpc/core/md_doc_statuscodes.html
    """

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


HTTP_STATUS = {
    # The OpenTelemetry Collector answers so; OTLP clients retry 503 and give up on 400
    # (https://opentelemetry.io/docs/specs/otlp/#failures-1).
    Code.INVALID_ARGUMENT: 400,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}

RETRY_AFTER_SECONDS = 5
"""Some checks of the memory limiter, and what workers wait between two pushes."""


class Reason(str, enum.Enum):
    """Why a data point was refused. A label of the collector's own counters: the set is closed."""

    UNSPECIFIED_TEMPORALITY = "unspecified_temporality"
    """A sum or histogram that says neither delta nor cumulative means nothing."""
    DUPLICATE_ATTRIBUTE = "duplicate_attribute"
    """One attribute key twice."""
    HISTOGRAM_BUCKETS = "histogram_buckets"
    """Bounds not finite and ascending, a bucket too few or many; a scale or index of no double."""
    SUMMARY_QUANTILES = "summary_quantiles"
    """A quantile that is not between 0 and 1, or one twice."""
    NOT_FINITE = "not_finite"
    """NaN or an infinity in a sum: it would never leave the total again."""
    NEGATIVE = "negative"
    """A monotonic sum below zero."""
    COUNT_RANGE = "count_range"
    """A count of a distribution beyond 2^53, where doubles stop to count."""
    TOO_LATE = "too_late"
    """A delta or a closed life so old that nobody remembers whether it was counted."""
    CONFLICTING_AGGREGATION = "conflicting_aggregation"
    """Two rules merge one stream in two ways."""
    RULE_FAILED = "rule_failed"
    """A rule cannot be applied, as one that makes a name of a number: the stream is kept out."""
    STREAM_LIMIT = "stream_limit"
    """As many streams as `--max-streams` allows are alive."""
    STREAM_SIZE = "stream_size"
    """Names, attributes and description together exceed 64 KiB, or are over 512 attributes."""
    LABEL_COUNT = "label_count"
    """More than 128 attributes are left by the rules."""
    LABEL_LENGTH = "label_length"
    """A name is longer than 1,024 characters, or an attribute's value longer than 2,048."""
    METRIC_NAME = "metric_name"
    """Nothing of the metric's name can be written in the exposition's alphabet."""
    LABEL_NAME = "label_name"
    """A key that makes no label: empty, only underscores, `le` or `quantile` beside their own."""
    DUPLICATE_LABEL = "duplicate_label"
    """Two attributes make one label, or one is called as job, instance or a constant label is."""
    TYPE_CONFLICT = "type_conflict"
    """A family of this name lives, with another type."""
    NAME_COLLISION = "name_collision"
    """The name is one of those that a living family uses, as `x_count` beside a histogram `x`."""
    DUPLICATE_SERIES = "duplicate_series"
    """A living series has this name and these labels, and its sources meet in another way."""


class Untranslatable(Exception):  # noqa: N818 - a verdict
    """The stream has no place in the exposition."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class RuleFailed(Untranslatable):
    """A rule cannot be applied to the stream; what it should have taken away would be exposed."""

    def __init__(self) -> None:
        super().__init__(Reason.RULE_FAILED)


class RuleConflict(Exception):  # noqa: N818 - a verdict
    """Two rules want to merge one stream in two ways, and only one can be right."""


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """The request was refused as a whole; nothing of it was recorded."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def retryable(self) -> bool:
        """Whether the same bytes may be accepted later."""
        return self.code is Code.UNAVAILABLE


class Malformed(Refused):
    """The body is not what its content type says."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, message)


class Unauthenticated(Refused):
    """Whoever asked has not shown who it is."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(Code.UNAUTHENTICATED, message)
        self.challenge = challenge
        """What it should have shown, as the header WWW-Authenticate says it."""


class Unkept(Refused):
    """What would have to be kept cannot be written."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.UNAVAILABLE, message)


@dataclass(frozen=True)
class Problem:
    """One mistake in a configuration file: where it stands, what it is, what to do."""

    path: str
    """Keys from the top, as the OpenTelemetry Collector joins them: `exporters::prometheus`."""
    line: int
    """1-based line in the file; 0 where no line is to blame."""
    what: str
    hint: str = ""


class ConfigError(Exception):
    """The configuration cannot be run; every mistake that was found, in file order."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        lines = []
        for problem in self.problems:
            at = f"{self.source}:{problem.line}" if problem.line else self.source
            where = f"{problem.path}: " if problem.path else ""
            lines.append(f"{at}: {where}{problem.what}")
            if problem.hint:
                lines.append(f"    {problem.hint}")
        return lines
