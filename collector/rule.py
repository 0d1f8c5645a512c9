"""What a processor's section becomes: the seam between the components and the plan.

Most processors are a rule on streams, some are a setting of the process, some have nothing left to
do. This file knows which three there are and nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from collector.model import Attributes, Stream

if TYPE_CHECKING:
    from collector.settings import MemoryLimiter

Rewrite: TypeAlias = Callable[[Stream], Stream | None]
"""A rule: what a stream becomes; None where it is dropped. May raise errors.RuleConflict and
errors.RuleFailed: then the stream is refused."""
Left: TypeAlias = tuple[Stream, Attributes]
"""A stream that rules left, as its frame and its attributes."""
ByFrame: TypeAlias = Callable[[Stream], Callable[[Attributes], "Left | None"]]
"""Rules on the streams of one frame after the other: given the frame, and then attributes."""


@dataclass(frozen=True)
class Processor:
    """One processor of the pipeline, configured."""

    rewrite: Rewrite | None = None
    is_blind: bool = False
    """Whether the rule looks at no value of a point's attribute: it may take, move and rename what
    has a key, and put values of its own. One that says so without being so gives streams what is
    another's."""
    memory_limiter: MemoryLimiter | None = None
    interval_seconds: float | None = None
    """How often exporters that push are to do so."""
    note: str = ""
    """What a person who validates the file should know."""


def in_order(rules: Sequence[Rewrite]) -> Rewrite:
    """Make one rule of many: each sees what the one before it left, until one drops the stream."""

    def rewrite(stream: Stream) -> Stream | None:
        left: Stream | None = stream
        for rule in rules:
            if left is None:
                break
            left = rule(left)
        return left

    return rewrite
