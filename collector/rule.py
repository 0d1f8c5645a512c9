"""What a processor's section becomes: the seam between the components and the plan.

Most processors are a rule on streams, some are a setting of the process, some have nothing left to
do. This file knows which three there are and nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from collector.errors import RuleConflict, RuleFailed, Untranslatable
from collector.model import Stream

if TYPE_CHECKING:
    from collector.settings import MemoryLimiter

Rewrite: TypeAlias = Callable[[Stream], Stream | None]
"""A rule: what a stream becomes; None where it is dropped. May raise errors.RuleConflict and
errors.RuleFailed: then the stream is refused."""

Made: TypeAlias = "Stream | RuleConflict | Untranslatable | None"
"""What became of a stream: another one, a refusal, or None where it was dropped."""
COPIES_MAX = 100
"""Of one stream, copies of copies included."""


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


class Insert:
    """A rule that makes copies: a stream goes on as it is, and what `copy` makes of it as well."""

    def __init__(self, copy: Rewrite) -> None:
        """`copy` gives None where there is to be no copy."""
        self.copy = copy

    def __call__(self, stream: Stream) -> Stream:
        """Leave the stream itself alone."""
        return stream


class Chain:
    """Rules in order: each sees what the one before it left, until one drops the stream."""

    def __init__(self, rules: Sequence[Rewrite]) -> None:
        self.rules: tuple[Rewrite, ...] = tuple(one for rule in rules for one in _parts(rule))

    def __call__(self, stream: Stream) -> Stream | None:
        """Run them on a stream, without its copies."""
        left: Stream | None = stream
        for rule in self.rules:
            if left is None:
                break
            left = rule(left)
        return left


def in_order(rules: Sequence[Rewrite]) -> Rewrite:
    """Make one rule of many."""
    return Chain(rules)


def _parts(rule: Rewrite) -> tuple[Rewrite, ...]:
    return rule.rules if isinstance(rule, Chain) else (rule,)


def copies_any(rule: Rewrite) -> bool:
    """Whether a rule makes copies of streams."""
    return any(isinstance(one, Insert) for one in _parts(rule))


def spread(rule: Rewrite, stream: Stream) -> list[Made]:
    """Return all that a rule makes of a stream: what becomes of itself, and then its copies.

    What is made of a copy is copied again by a rule behind it that is meant for it; beyond
    `COPIES_MAX` nothing is made, and the stream is refused. A refusal stands for one stream alone.
    """
    left: list[Made] = [stream]
    for one in _parts(rule):
        if isinstance(one, Insert):
            made = [_left(one.copy, each) for each in left]
            left += [each for each, of in zip(made, left) if each is not None and each is not of]
        else:
            left = [_left(one, each) for each in left]
        if len(left) > 1 + COPIES_MAX:
            return [RuleFailed()]
    return left


def _left(rule: Rewrite, left: Made) -> Made:
    """Run a rule on what others left; what is dropped or refused stays so."""
    if left is None or isinstance(left, Exception):
        return left
    try:
        return rule(left)
    except (RuleConflict, Untranslatable) as refusal:
        return refusal
