"""One receiver's bytes into each of its pipelines, and what became of them.

A request goes to every pipeline that names the receiver, as it is. What is malformed for one is so
for all, and one whose memory is short or whose journal is full refuses for all, so that whoever
sends it again counts twice nowhere. It knows no socket; what the bytes say, the engines know.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.engine import Outcome
from collector.errors import Malformed, Refused, Unkept
from collector.self_metrics import Sample, counter
from collector.wire.otlp_json import to_protobuf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine import Engine

OUTCOMES = ("accepted", "malformed", "pressed", "unkept")
"""What can become of a request; `pressed` is refused while memory is short, `unkept` as the journal
cannot be written."""
ACCEPTED = "Data points recorded."
REFUSED = "Data points refused."
REQUESTS = "Requests; of one that is malformed or refused nothing is recorded."


class Intake:
    """The way in from one receiver, over one transport."""

    def __init__(self, receiver: str, transport: str, engines: Sequence[Engine]) -> None:
        """`receiver` and `transport` are labels of its numbers; there is at least one engine."""
        self._labels = {"receiver": receiver, "transport": transport}
        self._first, *self._others = engines
        self._keep = self._keep_in_all if self._others else self._first.keep
        self.accepted = 0
        """Points since the start that every pipeline accepted."""
        self.refused = 0
        """Points since the start that one of them refused."""
        self.requests: Counter[str] = Counter()
        """Requests since the start, by outcome."""

    def accept(self, body: bytes, now: float) -> Outcome:
        """Record an ExportMetricsServiceRequest, decompressed protobuf.

        Raises Malformed where it is none, Refused while memory is short, Unkept where one of the
        journals cannot be written; then nothing of it counts.
        """
        try:
            for engine in self._others:
                engine.refuse_while_pressed()
            outcome = self._first.accept(body, now, self._keep)
            for engine in self._others:
                outcome = _worse(outcome, engine.accept(body, now, _kept))
        except Refused as refusal:
            self._count(refusal)
            raise
        self.requests["accepted"] += 1
        self.accepted += outcome.accepted
        if outcome.refused:
            self.refused += sum(outcome.refused.values())
        return outcome

    def accept_json(self, body: bytes, now: float) -> Outcome:
        """Record the same in OTLP/JSON, which is not even read while memory is short."""
        try:
            for engine in (self._first, *self._others):
                engine.refuse_while_pressed()
            converted = to_protobuf(body)
        except Refused as refusal:
            self._count(refusal)
            raise
        return self.accept(converted, now)

    def _keep_in_all(self, body: bytes, now: float) -> None:
        """Write a request to every pipeline's journal, or to none; raises Unkept."""
        kept = []
        try:
            for engine in (self._first, *self._others):
                engine.keep(body, now)
                kept.append(engine)
        except Unkept:
            for engine in kept:
                engine.take_back()
            raise

    def _count(self, refusal: Refused) -> None:
        outcome = "malformed" if isinstance(refusal, Malformed) else "pressed"
        self.requests["unkept" if isinstance(refusal, Unkept) else outcome] += 1

    def self_metrics(self) -> list[Sample]:
        """Return its own numbers, of requests for every outcome, from 0 on."""
        points = ("accepted", self.accepted, ACCEPTED), ("refused", self.refused, REFUSED)
        return [
            *(
                counter(f"otelcol_receiver_{verb}_metric_points", count, help_, **self._labels)
                for verb, count, help_ in points
            ),
            *(
                counter(
                    "portless_requests",
                    self.requests[outcome],
                    REQUESTS,
                    outcome=outcome,
                    **self._labels,
                )
                for outcome in OUTCOMES
            ),
        ]


def _kept(_body: bytes, _now: float) -> None:
    """Do nothing: it is in every journal."""


def _worse(one: Outcome, other: Outcome) -> Outcome:
    """Tell of a point what the pipeline says that takes it least; each has the same points."""
    reasons = one.refused.keys() | other.refused.keys()
    refused = {
        reason: max(one.refused.get(reason, 0), other.refused.get(reason, 0)) for reason in reasons
    }
    return Outcome(min(one.accepted, other.accepted), refused)
