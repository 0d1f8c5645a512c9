"""The engine: request bytes in, exposition out; the order of the stages and nothing else.

    reader -> binding (router: rules, names) -> ledger -> exposition

It has no socket, no thread and no clock: `now` is an argument, seconds of one clock for all calls.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from collector.binding import Binding, bind, join
from collector.errors import Code, Malformed, Reason, Refused
from collector.exposition.names import Translator
from collector.exposition.page import Page
from collector.ledger.ledger import Ledger
from collector.route import Router
from collector.self_metrics import OTLP_HTTP, Sample, counter, gauge
from collector.wire.otlp_json import to_protobuf
from collector.wire.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.exposition.negotiate import Format
    from collector.model import Series
    from collector.plan import Plan
    from collector.wire.reader import Part

STREAMS_MAX = 250_000
"""Streams alive at once, by default."""
LIVES_PER_STREAM = 4
"""Rows in the ledger for each stream allowed: a restarted source needs one more for a while."""

OUTCOMES = ("accepted", "malformed", "pressed")
"""What can become of a request; `pressed` is refused while memory is short."""
ACCEPTED = "Data points recorded."
REFUSED = "Data points refused."
REQUESTS = "Requests; of one that is malformed or refused nothing is recorded."


class Outcome(NamedTuple):
    """What became of a request's data points."""

    accepted: int
    refused: Mapping[Reason, int]


class Engine:
    """One pipeline: accepts requests, answers scrapes, forgets what fell silent."""

    def __init__(self, plan: Plan, streams_max: int = STREAMS_MAX) -> None:
        self.pressed = False
        """Set while memory is short: requests are then refused and may be tried again."""
        self.accepted = 0
        """Points accepted since the start."""
        self.dropped = 0
        """Points among them that a rule dropped."""
        self.refused: Counter[Reason] = Counter()
        """Points refused since the start."""
        self.requests: Counter[str] = Counter()
        """Requests since the start, by outcome."""
        self._expiration_seconds = plan.prometheus.metric_expiration_seconds
        self._reader = Reader(exemplars=plan.prometheus.enable_open_metrics)
        self._ledger = Ledger(LIVES_PER_STREAM * streams_max)
        self._page = Page(plan.prometheus)
        self._router = Router(
            plan.rewrite, Translator(plan.prometheus).translate, self._admit, streams_max
        )

    @property
    def rows(self) -> int:
        """How many readings the ledger keeps."""
        return self._ledger.rows

    def _admit(self, number: int, series: Series) -> None:
        self._page.add(number, series)
        self._ledger.merges(number, series.merge)

    def accept(self, body: bytes, now: float) -> Outcome:
        """Record an ExportMetricsServiceRequest, decompressed protobuf.

        Raises Malformed where it is none, Refused while memory is short; then nothing of it counts.
        """
        self._refuse_while_pressed()
        known = self._reader.again(body)
        if known is None:
            points, refused = self._accept_parts(body, now)
        else:
            shape, cells = known
            shape.used = now
            points, refused = shape.points, shape.binding.record(cells, now)
        outcome = Outcome(points - refused.total(), refused)
        self.accepted += outcome.accepted
        self.refused.update(refused)
        self.requests["accepted"] += 1
        return outcome

    def accept_json(self, body: bytes, now: float) -> Outcome:
        """Record the same in OTLP/JSON."""
        self._refuse_while_pressed()
        try:
            converted = to_protobuf(body)
        except Malformed:
            self.requests["malformed"] += 1
            raise
        return self.accept(converted, now)

    def _refuse_while_pressed(self) -> None:
        if self.pressed:
            self.requests["pressed"] += 1
            raise Refused(Code.UNAVAILABLE, "data refused due to high memory usage")

    def _accept_parts(self, body: bytes, now: float) -> tuple[int, Counter[Reason]]:
        """Record a request metric by metric; return its points and those refused.

        One that brought nothing new, and will bring nothing to decide, is remembered as a whole.
        """
        try:
            parts, known = self._reader.read(body, now)
        except Malformed:
            self.requests["malformed"] += 1
            raise
        points = sum(part.shape.points + part.shape.refused.total() for part in parts)
        refused: Counter[Reason] = Counter()
        for part in parts:
            refused.update(self._record(part, now))
        if known and parts and all(part.shape.binding.is_clean for part in parts):
            shape = self._reader.remember(body, parts, now)
            shape.binding = join(shape, parts)
        return points, refused

    def _record(self, part: Part, now: float) -> Counter[Reason]:
        binding: Binding | None = part.shape.binding
        if binding is None or (binding.refused and binding.freed != self._ledger.freed):
            binding = bind(part, self._ledger, self._router.route, now)
            part.shape.binding = binding
        part.shape.used = now
        self.dropped += binding.dropped
        return binding.record(part.cells, now)

    def scrape(self, form: Format) -> bytes:
        """Write the exposition."""
        return self._page.render(self._ledger.read(self._router.size), form)

    def self_metrics(self) -> list[Sample]:
        """Return the engine's own numbers; refusals for every reason, from 0 on."""
        reader, router = self._reader, self._router
        refused = [
            counter("portless_refused_points", self.refused[reason], REFUSED, reason=reason.value)
            for reason in Reason
        ]
        requests = [
            counter("portless_requests", self.requests[outcome], REQUESTS, outcome=outcome)
            for outcome in OUTCOMES
        ]
        return [
            counter(
                "otelcol_receiver_accepted_metric_points", self.accepted, ACCEPTED, **OTLP_HTTP
            ),
            counter(
                "otelcol_receiver_refused_metric_points",
                self.refused.total(),
                REFUSED,
                **OTLP_HTTP,
            ),
            *refused,
            *requests,
            counter("portless_dropped_points", self.dropped, "Points that a rule dropped."),
            gauge("portless_streams", router.streams, "Streams alive, tenants apart."),
            gauge("portless_series", router.series, "Series exposed, tenants merged."),
            gauge("portless_rows", self.rows, "Readings kept in the ledger."),
            gauge("portless_shapes", reader.shapes, "Shapes of metrics remembered."),
            counter("portless_shapes_matched", reader.matched, "Metrics that a shape could read."),
            counter("portless_shapes_learnt", reader.learnt, "Metrics that had to be learnt."),
        ]

    def tick(self, now: float) -> None:
        """Forget series that nobody spoke for during `metric_expiration`, like the real exporter.

        Shapes go first, by the same limit: what is left of them touches only rows that live.
        """
        before = now - self._expiration_seconds
        self._reader.forget(before)
        self._ledger.fold(before)
        heard = self._ledger.heard(self._router.size)
        silent = [number for number in self._router.living() if heard[number] < before]
        if silent:
            for number in silent:
                self._page.remove(number)
            self._ledger.drop(silent)
            self._router.drop(silent)
