"""A metric's bytes, read field by field once: what it says, and where its cells stand.

The bytes have been found valid by the standard decoder before. This file knows the messages of
opentelemetry/proto/metrics/v1/metrics.proto down to the points, and nothing of what becomes of
them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.errors import Reason
from collector.model import Kind, Temporality
from collector.wire.alike import CUTS_MAX, Found
from collector.wire.column import Head
from collector.wire.point import NOTHING_MORE, Unlearnable, Wanted
from collector.wire.points import Points
from collector.wire.scan import LENGTH, VARINT, Unusual, fields, repeated, varint
from collector.wire.shape import Learnt

if TYPE_CHECKING:
    from collector.wire.alike import Known

KINDS = {
    5: Kind.GAUGE,
    7: Kind.COUNTER,  # or UPDOWN, as the message says
    9: Kind.HISTOGRAM,
    10: Kind.EXPONENTIAL,
    11: Kind.SUMMARY,
}
"""Metric.data's field numbers."""
MANY = 5
"""Points that it pays to hold against a cut; fewer are sooner read one by one."""
POINT = 1 << 3 | LENGTH
"""How a point begins in the message of each kind."""


def learn(data: bytes, at: int, end: int, known: Known, wanted: Wanted = NOTHING_MORE) -> Learnt:
    """Read the Metric message in `data[at:end]`; `known` are points that were read before.

    What the sums do not need is passed over unless it is wanted.

    Raises Unusual for what has to be brought into its canonical encoding first.
    """
    texts = {1: "", 2: "", 3: ""}
    body: tuple[int, int, int] | None = None
    for number, wire_type, start, stop in fields(data, at, end):
        if wire_type != LENGTH:
            continue
        if number in texts:
            texts[number] = data[start:stop].decode()
        elif number in KINDS:
            if body is not None:
                raise Unusual
            body = number, start, stop
    if body is None:
        return Learnt(None, [], Counter(), [])
    kind, ranges, temporality = _body(data, *body)
    if kind is not Kind.GAUGE and temporality is Temporality.NONE:
        return Learnt(None, [], Counter({Reason.UNSPECIFIED_TEMPORALITY: len(ranges)}), [])
    head = Head(texts[1], texts[3], texts[2], kind, temporality)
    means = kind, temporality
    found = Found()
    others = known.find(data, means, ranges, found) if len(ranges) >= MANY else ranges
    points = Points(data, head, known.pairs, wanted)
    refused: Counter[Reason] = Counter()
    varints = []
    at = cuts = 0
    while at < len(others):
        start, stop = others[at]
        at += 1
        try:
            entry = points.learn(start, stop)
        except Unlearnable as refusal:
            refused[refusal.reason] += 1
            continue
        for way in (entry.way, *entry.exemplars):
            found[way].add(start, stop, entry.point)
        varints += [(start + a, start + b) for a, b in entry.varints]
        if entry.exemplars or entry.varints or cuts >= CUTS_MAX or len(others) - at < MANY:
            continue
        cut = known.keep(data, means, (start, stop), entry)
        if cut is not None:
            others, at, cuts = known.by(cut, data, means, others[at:], found), 0, cuts + 1
    return Learnt(head, [alike for alike in found.values() if alike.at], refused, varints)


def _body(
    data: bytes, field: int, at: int, end: int
) -> tuple[Kind, list[tuple[int, int]], Temporality]:
    """Read the message of a kind of metric: which kind, where its points are, temporality."""
    points: list[tuple[int, int]] = []
    temporality = 0
    monotonic = False
    while at < end:
        some, at = repeated(data, at, end, POINT)
        points += some
        if some:
            continue
        number, wire_type, start, at = next(fields(data, at, end))
        if number == 1 and wire_type == LENGTH:
            points.append((start, at))
        elif number == 2 and wire_type == VARINT:
            temporality = varint(data, start)[0]
        elif number == 3 and wire_type == VARINT:
            monotonic = varint(data, start)[0] != 0
    kind = KINDS[field]
    if kind is Kind.COUNTER and not monotonic:
        kind = Kind.UPDOWN
    if kind is Kind.SUMMARY:
        # It has no field for it, and counts from its start.
        return kind, points, Temporality.CUMULATIVE
    if kind is Kind.GAUGE or temporality not in (1, 2):
        return kind, points, Temporality.NONE
    return kind, points, Temporality(temporality)
