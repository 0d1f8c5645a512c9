"""The engine of one pipeline: request bytes in, numbers by series kept; the order of the stages.

    reader -> binding (router: rules) -> ledger -> outlets: what each exporter shows

It has no socket, no thread and no clock: `now` is an argument, seconds of one clock for all calls.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from collector.binding import Binding, join
from collector.copies import Copied, Copier, Copies, CopyBinder
from collector.errors import Code, Malformed, Reason, Refused, Untranslatable
from collector.expiry import Expiry
from collector.keeper import REQUEST, START, STATE, TICK, Keeper
from collector.ledger.ledger import Ledger
from collector.outlets.outlet import Feed
from collector.redacted import Redacted
from collector.rewriting import Rewriting
from collector.roster import Roster
from collector.route import Router
from collector.self_metrics import Sample, counter, gauge
from collector.state.read import restore
from collector.wire.point import Wanted
from collector.wire.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

    from collector.journal.frames import Record
    from collector.journal.journal import Journal
    from collector.model import Stream
    from collector.outlets.outlet import Outlet
    from collector.plan import Pipeline
    from collector.wire.reader import Part

STREAMS_MAX = 250_000
"""Streams alive at once in a pipeline, by default."""
LIVES_PER_STREAM = 4
"""Rows in the ledger for each stream allowed: a restarted source needs one more for a while."""

REFUSED = "Data points refused."
MISSED = "Data points refused for a copy that a rule makes of them."
REDACTED = "Streams from which rules took an attribute, by its key."


class Outcome(NamedTuple):
    """What became of a request's data points."""

    accepted: int
    refused: Mapping[Reason, int]


class Joint(NamedTuple):
    """One of the exporters behind a pipeline."""

    outlet: Outlet
    feeder: int
    """What the outlet calls this pipeline's ledger."""


class Engine:
    """One pipeline: accepts requests, keeps what they say, forgets what fell silent."""

    def __init__(
        self,
        pipeline: Pipeline,
        outlets: Sequence[Outlet],
        streams_max: int = STREAMS_MAX,
        journal: Journal | None = None,
    ) -> None:
        """`outlets` are those of the pipeline's exporters, at least one.

        With a `journal` a request is kept before it is recorded; `restore` comes before anything.
        """
        self.pipeline = pipeline
        self.pressed = False
        """Set while memory is short: requests are then refused and may be tried again."""
        self.accepted = 0
        """Points accepted since the start, those that a rule dropped included."""
        self.dropped = 0
        """Points since the start that a rule dropped."""
        self.refused: Counter[Reason] = Counter()
        """Points refused since the start."""
        self.ledger = Ledger(
            LIVES_PER_STREAM * streams_max, timed=any(outlet.wants_times for outlet in outlets)
        )
        self._expiration_seconds = max(outlet.expiration_seconds for outlet in outlets)
        self._now = self._before = -math.inf
        self._freed = 0
        self._reader = Reader(
            Wanted(
                exemplars=any(outlet.wants_exemplars for outlet in outlets),
                times=any(outlet.wants_times for outlet in outlets),
            )
        )
        self._redacted = Redacted()
        copier = Copier(pipeline.rewrite)
        rules = Rewriting(copier.rewrite, self._redacted, is_blind=pipeline.is_blind)
        self._roster = Roster()
        self._router = Router(self._roster, rules, self._admit, streams_max)
        self.copies = Copies(Counter())
        self._binder = CopyBinder(self.ledger, self._router, copier, self.copies)
        self._expiry = Expiry(self._roster, self.ledger, self._leave, self._line, streams_max)
        self.keeper = Keeper(journal, self.ledger, self._roster) if journal else None
        self._keeps = False
        feed = Feed(self.ledger, pipeline.receivers, self._roster.known)
        self._joints = [Joint(outlet, outlet.join(feed)) for outlet in outlets]

    @property
    def rows(self) -> int:
        """How many readings the ledger keeps."""
        return self.ledger.rows

    def _admit(self, number: int, stream: Stream) -> None:
        """Show a new series wherever it can be; raises Untranslatable where that is nowhere."""
        refusals = []
        for outlet, feeder in self._joints:
            try:
                outlet.admit(feeder, number, stream)
            except Untranslatable as refusal:
                refusals.append(refusal)
        if len(refusals) == len(self._joints):
            raise refusals[0]

    def _leave(self, numbers: Collection[int]) -> None:
        for outlet, feeder in self._joints:
            outlet.leave(feeder, numbers)

    def _line(self, number: int) -> Hashable:
        """Name what a series is part of at each outlet."""
        return tuple(outlet.line(feeder, number) for outlet, feeder in self._joints)

    def accept(
        self, body: bytes, now: float, keep: Callable[[bytes, float], None] | None = None
    ) -> Outcome:
        """Record an ExportMetricsServiceRequest, decompressed protobuf.

        One that was found valid is given to `keep`, by default this engine's own, before anything
        of it is recorded. Raises Malformed where it is none, Refused while memory is short, Unkept
        where the journal cannot be written; then nothing of it counts.
        """
        self.refuse_while_pressed()
        keep = keep or self.keep
        known = self._reader.again(body)
        if known is None:
            points, refused = self._accept_parts(body, now, keep)
        else:
            shape, cells = known
            keep(body, now)
            shape.used = now
            points, refused = shape.points, shape.binding.record(cells, now)
        if refused:
            self.refused.update(refused)
        accepted = points - refused.total()
        self.accepted += accepted
        return Outcome(accepted, refused)

    def keep(self, body: bytes, now: float) -> None:
        """Write a request to the journal, if there is one; raises Unkept."""
        if self._keeps and self.keeper:
            self.keeper.request(body, now)

    def take_back(self) -> None:
        """Keep the request no longer that was kept just now."""
        if self._keeps and self.keeper:
            self.keeper.take_back()

    def restore(self, now: float) -> None:
        """Read what was kept, and keep what comes from now on.

        No time passes between the last that was kept and `now`: while nobody could be heard,
        nobody was silent.
        """
        if not self.keeper:
            return
        last = -math.inf
        for record in self.keeper.records():
            if record.kind == START:
                self._resume(last, record.time)
            self._again(record)
            last = record.time
        self._resume(last, now)
        self.keeper.mark(START, now)
        self.accepted = self.dropped = 0
        self.refused.clear()
        self.copies.clear()
        self._keeps = True

    def _resume(self, last: float, now: float) -> None:
        if last > -math.inf:
            self.ledger.shift(now - last)
            self.tick(now)

    def _again(self, record: Record) -> None:
        """Do once more what a record tells of."""
        keeper = self.keeper
        if keeper and record.kind == STATE:
            try:
                keeper.unplaced += restore(record.payload, self.ledger, self._router)
            except ValueError:
                keeper.unreadable += 1
        elif keeper and record.kind == REQUEST:
            try:
                self.accept(record.payload, record.time)
            except Malformed:
                keeper.unreadable += 1
        elif record.kind == TICK:
            self.tick(record.time)

    def tick(self, now: float) -> None:
        """Tidy, listen and forget, apart from all other pipelines."""
        self.tidy(now)
        for outlet, _ in self._joints:
            outlet.hear(now)
        self.forget()

    def refuse_while_pressed(self) -> None:
        """Raise Refused while memory is short."""
        if self.pressed:
            raise Refused(Code.UNAVAILABLE, "data refused due to high memory usage")

    def _accept_parts(
        self, body: bytes, now: float, keep: Callable[[bytes, float], None]
    ) -> tuple[int, Counter[Reason]]:
        """Record a request metric by metric; return its points and those refused.

        One that brought nothing new, and will bring nothing to decide, is remembered as a whole.
        """
        parts, known = self._reader.read(body, now)
        keep(body, now)
        points = sum(part.shape.points + part.shape.refused.total() for part in parts)
        refused: Counter[Reason] = Counter()
        for part in parts:
            refused.update(self._record(part, now))
        if known and parts and all(part.shape.binding.is_clean for part in parts):
            shape = self._reader.remember(body, parts, now)
            shape.binding = join(shape, parts)
        return points, refused

    def _record(self, part: Part, now: float) -> Counter[Reason]:
        binding: Binding | Copied | None = part.shape.binding
        if binding is None or (binding.refused and binding.freed != self.ledger.freed):
            binding = self._binder.bind(part, now)
            part.shape.binding = binding
        part.shape.used = now
        self.dropped += binding.dropped
        return binding.record(part.cells, now)

    def self_metrics(self) -> list[Sample]:
        """Return the engine's own numbers; refusals for every reason, from 0 on."""
        reader, roster, own = self._reader, self._roster, {"pipeline": self.pipeline.name}
        refused = [
            counter(
                "portless_refused_points",
                self.refused[reason],
                REFUSED,
                reason=reason.value,
                **own,
            )
            for reason in Reason
        ]
        missed = [
            counter("portless_refused_copies", points, MISSED, reason=reason.value, **own)
            for reason, points in sorted(self.copies.missed.items())
        ]
        kept = self.keeper.self_metrics(**own) if self.keeper else []
        return [
            *refused,
            *missed,
            *(
                counter("portless_redacted_streams", streams, REDACTED, key=key, **own)
                for key, streams in sorted(self._redacted.streams.items())
            ),
            *kept,
            counter("portless_dropped_points", self.dropped, "Points that a rule dropped.", **own),
            gauge("portless_streams", roster.streams, "Streams that speak, tenants apart.", **own),
            gauge("portless_series", roster.series, "Series shown, tenants merged.", **own),
            gauge(
                "portless_remembered_streams",
                roster.dormant,
                "Streams that are silent and would go on from where they were.",
                **own,
            ),
            counter(
                "portless_forgotten_streams",
                self._expiry.streams,
                "Silent streams forgotten for lack of room; what they counted stays in series.",
                **own,
            ),
            counter(
                "portless_forgotten_series",
                self._expiry.series,
                "Hidden series forgotten with all their streams; they would begin anew.",
                **own,
            ),
            gauge("portless_rows", self.rows, "Readings kept in the ledger.", **own),
            gauge("portless_shapes", reader.shapes, "Shapes of metrics remembered.", **own),
            counter(
                "portless_shapes_matched", reader.matched, "Metrics that a shape could read.", **own
            ),
            counter(
                "portless_shapes_learnt", reader.learnt, "Metrics that had to be learnt.", **own
            ),
        ]

    def tidy(self, now: float) -> None:
        """Let go of shapes and lives that are silent for as long as a series may be.

        Shapes go first, by the same limit: what is left of them touches only rows that live.
        """
        self._now = now
        self._freed = self.ledger.freed
        self._before = now - self._expiration_seconds
        self._reader.forget(self._before)
        self.ledger.fold(self._before)

    def forget(self) -> None:
        """Let those sleep who fell silent; hide what no exporter found alive when it listened."""
        living = np.logical_or.reduce([outlet.living(feeder) for outlet, feeder in self._joints])
        self._expiry.run(self._before, living, pressed=self.pressed)
        if self._freed != self.ledger.freed and self._keeps and self.keeper:
            self.keeper.mark(TICK, self._now)
