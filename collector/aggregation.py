"""How streams that become equal meet: one word of a stream, set once.

In: a stream, the attributes it shall keep and a way to merge. Out: the stream, or a RuleConflict
where an earlier rule said otherwise. It knows no configuration and no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.errors import RuleConflict, RuleFailed
from collector.model import Kind, Merge

if TYPE_CHECKING:
    from collections.abc import Collection

    from collector.model import Attributes, Stream
    from collector.rule import Rewrite


OF_GAUGES = frozenset({Merge.MEAN, Merge.MEDIAN, Merge.COUNT})


def aggregate(labels: Collection[str], merge: Merge) -> Rewrite:
    """Keep `labels` of a stream's point; streams that become equal meet by `merge`."""

    def rewrite(stream: Stream) -> Stream:
        kept = tuple([pair for pair in stream.attributes if pair[0] in labels])
        return merged(stream, kept, merge)

    return rewrite


def merged(stream: Stream, attributes: Attributes, merge: Merge) -> Stream:
    """Give a stream new attributes; streams that become equal meet by `merge`.

    Distributions only add up, as in the Collector. The first rule to match decides. A later one
    may change the labels again if it merges in the same way; otherwise (the sum over the maxima of
    groups) no rule on one stream can say what is meant: raises RuleConflict. A mean of what is no
    gauge would not be what its kind says: raises RuleFailed.
    """
    meant = Merge.SUM if stream.kind.is_distribution else merge
    if meant in OF_GAUGES and stream.kind is not Kind.GAUGE:
        raise RuleFailed
    if stream.merge is None:
        return stream.but(attributes=attributes, merge=meant)
    if attributes != stream.attributes and stream.merge is not meant:
        raise RuleConflict
    return stream.but(attributes=attributes)
