"""Which streams a rule may let meet, and how: told by the stream alone."""

from __future__ import annotations

import pytest

from collector.aggregation import aggregate, merged
from collector.errors import RuleConflict, RuleFailed
from collector.model import Kind, Merge
from tests.collector.streams import stream

OF_GAUGES = (Merge.MEAN, Merge.MEDIAN, Merge.COUNT)


def test_only_the_labels_named_stay() -> None:
    """In their order; how the streams meet is noted on the stream."""
    made = aggregate({"a", "c"}, Merge.MAX)(stream("m", "a=1 b=2 c=3"))
    assert (made.attributes, made.merge) == ((("a", "1"), ("c", "3")), Merge.MAX)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("merge", list(Merge))
def test_a_kind_has_its_ways_to_meet(kind: Kind, merge: Merge) -> None:
    """Distributions add up whatever the rule says; a mean is one of gauges alone."""
    source = stream("m", "a=1", kind=kind)
    if kind.is_distribution:
        assert merged(source, (), merge).merge is Merge.SUM
    elif merge in OF_GAUGES and kind is not Kind.GAUGE:
        with pytest.raises(RuleFailed):
            merged(source, (), merge)
    else:
        made = merged(source, (), merge)
        assert (made.merge, made.attributes) == (merge, ())


def test_the_first_rule_decides_how_streams_meet() -> None:
    """A later one may take labels if it means the same, or say another way and take none."""
    first = merged(stream("m", "a=1 b=2"), (("a", "1"),), Merge.MAX)
    assert merged(first, (), Merge.MAX) == first.but(attributes=())
    assert merged(first, (("a", "1"),), Merge.MIN) == first
    with pytest.raises(RuleConflict):
        merged(first, (), Merge.MIN)
