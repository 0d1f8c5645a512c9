"""How streams that become equal meet: one word of a stream, set once.

In: a stream, the attributes it shall keep and a way to merge. Out: the stream, or a RuleConflict
where an earlier rule said otherwise. It knows no configuration and no number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.errors import RuleConflict
from collector.model import Merge

if TYPE_CHECKING:
    from collections.abc import Collection

    from collector.model import Attributes, Stream
    from collector.rule import Rewrite


def aggregate(labels: Collection[str], merge: Merge) -> Rewrite:
    """Keep `labels` of a stream's point; streams that become equal meet by `merge`."""

    def rewrite(stream: Stream) -> Stream:
        kept = tuple(pair for pair in stream.attributes if pair[0] in labels)
        return merged(stream, kept, merge)

    return rewrite


def merged(stream: Stream, attributes: Attributes, merge: Merge) -> Stream:
    """Give a stream new attributes; streams that become equal meet by `merge`.

    Distributions only add up, as in the Collector. The first rule to match decides. A later one
    may change the labels again if it merges in the same way; otherwise (the sum over the maxima of
    groups) no rule on one stream can say what is meant: raises RuleConflict.
    """
    meant = Merge.SUM if stream.kind.is_distribution else merge
    if stream.merge is None:
        return replace(stream, attributes=attributes, merge=meant)
    if attributes != stream.attributes and stream.merge is not meant:
        raise RuleConflict
    return replace(stream, attributes=attributes)
