"""Attributes by which points of a state say what plain OTLP has no place for.

They stand on data points only, beside the stream's own. What they tell:
"""

from __future__ import annotations

PREFIX = "portless.state."

ROLE = f"{PREFIX}role"
"""What the point's numbers are: one of the following."""
READING = "reading"
"""What the life with this start told last; for increments their sum."""
CARRIED = "carried"
"""What the row took over from lives that are closed."""
DISCOUNTED = "discounted"
"""What it does not count, where a distribution cannot be negative."""
RETIRED = "retired"
"""Carried by the share of the series that the stream is part of, not by the stream."""
RETIRED_DISCOUNTED = "retired discounted"

COPY = f"{PREFIX}copy"
"""Which of the copies that rules make of the stream; beside every role."""

SEEN = f"{PREFIX}seen"
"""When it was last spoken for, seconds of the collector's clock."""
ASLEEP = f"{PREFIX}asleep"
"""Whether the stream is silent and only remembered."""
RETURNED = f"{PREFIX}returned"
"""Whether it counts from its first reading on, which has not come yet."""
CLOSED = f"{PREFIX}closed"
"""The start of the newest life that is closed, nanoseconds."""
TOLD = f"{PREFIX}told"
"""The time of the newest point, nanoseconds, where the exporter shows it."""
INTERVALS = f"{PREFIX}intervals"
"""The increments that are remembered, oldest first: start and time of each, eight bytes each."""
FORGOTTEN = f"{PREFIX}forgotten"
"""The time up to which increments are no longer remembered, nanoseconds."""
POOLED = f"{PREFIX}pooled"
"""The start of the newest life in shares that are part of another's, nanoseconds."""
