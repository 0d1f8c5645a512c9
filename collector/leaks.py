"""Every way by which an attribute could still leave with a configuration, on either engine.

In: a plan, and the file's text for the lines. Out: findings, each with the line to change. Rules
are run on marked streams, and what an exporter would show of what they left is searched for the
mark. What only the OpenTelemetry Collector lets out is known from measurements of it. No numbers.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector import probes
from collector.errors import Untranslatable
from collector.exposition.names import Translator
from collector.fields import document
from collector.fields.document import MappingNode, ScalarNode, SequenceNode, Type
from collector.fields.section import open_file
from collector.model import Kind, Stream, text_of
from collector.rule import spread
from collector.settings import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from collector.components import Exporter
    from collector.fields.component_id import ComponentId
    from collector.fields.document import Node
    from collector.fields.section import Section
    from collector.plan import Pipeline, Plan
    from collector.rule import Made, Rewrite

Rules: TypeAlias = "Sequence[Callable[[Stream], Sequence[Made]]]"
"""Of each processor all that it makes of a stream, copies too."""

BOTH, REAL = "both engines", "the OpenTelemetry Collector"
NAMES_MAX = 500
"""Texts of the file that are tried as names of metrics, for rules that ask for a name."""
NAME_LENGTH_MAX = 200
_QUOTED = re.compile(r'"([^"\\]*)"')
POINTS = "an attribute of points"
SUMMARY_KEYS = ("redaction.masked.keys", "redaction.redacted.keys")
"""Keys that the Collector's redaction lets through, whoever sent them."""


class Finding(NamedTuple):
    """One way out."""

    is_leak: bool
    """Whether an attribute leaves that nobody allowed; otherwise it is good to know."""
    path: str
    line: int
    engine: str
    what: str
    todo: str

    def __str__(self) -> str:
        """Write it in two lines, without the name of the file."""
        kind = "LEAK" if self.is_leak else "note"
        return f"{self.line}: {self.path}: {kind}, {self.engine}: {self.what}\n    {self.todo}"


def find(plan: Plan, source: str, text: str, environ: Mapping[str, str]) -> list[Finding]:
    """Return all findings, leaks first, each group in the order of the file."""
    root = open_file(source, text, environ).root
    names = (probes.NAME, *texts_of(text))
    found: list[Finding] = []
    for pipeline in plan.pipelines:
        for id_ in pipeline.exporters:
            found += _Search(root, pipeline, id_, plan.exporters[id_], names).run()
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda one: (not one.is_leak, one.line))


class _Search:
    """What one exporter lets out of one pipeline."""

    def __init__(
        self,
        root: Section,
        pipeline: Pipeline,
        id_: ComponentId,
        exporter: Exporter,
        names: tuple[str, ...],
    ) -> None:
        self._pipeline = pipeline
        self._ours = [partial(spread, rewrite) for _, rewrite in pipeline.rules]
        self._id = id_
        self._exporter = exporter
        self._names = names
        pipelines = root.section("service").section("pipelines")
        section = pipelines.section(pipeline.name)
        self._rules_at = f"service::pipelines::{pipeline.name}::processors"
        self._rules_line = section.line_of("processors")
        self._exporter_at = f"exporters::{id_}"
        self._exporter_line = root.section("exporters").line_of(str(id_))
        self._translate = (
            Translator(exporter).translate if isinstance(exporter, Prometheus) else None
        )
        self._statements = " ".join(
            _texts_of(root.section("processors").section(str(one)))
            for one in pipeline.processors
            if one.type == "transform"
        )

    def run(self) -> Iterator[Finding]:
        """Yield what was found."""
        ours, real = self._ours, [_lax(*one) for one in self._pipeline.rules]
        open_places = set()
        for place, put in probes.PLACES.items():
            streams = list(probes.marked(put, self._names))
            if self._leaves(streams, ours):
                open_places.add(place)
                yield self._rule(f"{place} that no rule names leaves through {self._id}", BOTH)
            elif self._leaves([one for one in streams if one.kind is Kind.SUMMARY], real):
                what = f"{place} of a summary leaves through {self._id}: aggregation passes it over"
                yield self._rule(what, REAL)
            elif self._leaves(_renamed(streams), real):
                yield self._own_keys(place)
        yield from self._beside_points()
        texts = [
            place
            for place, put in probes.TEXTS.items()
            if self._leaves(probes.marked(put, self._names[:1]), ours)
        ]
        if texts:
            yield self._program_texts(texts)
        if POINTS not in open_places:
            yield from self._labels()

    def _leaves(self, streams: Iterable[Stream], rules: Rules) -> bool:
        return any(self._shows(left) for one in streams for left in _through(rules, one))

    def _shows(self, stream: Stream) -> bool:
        """Whether the exporter tells of the mark."""
        if self._translate is None:
            return probes.MARK in repr(stream) or probes.MARK in stream.description
        try:
            line = self._translate(stream)
        except Untranslatable:
            return False
        return probes.MARK in repr((line.family, line.labels, line.target_labels, line.help))

    def _rule(self, what: str, engine: str) -> Finding:
        todo = (
            "put a redaction processor with allowed_keys last in this list, "
            "or remove the exporter from the pipeline"
        )
        return self._at_rules(what, todo, engine, is_leak=True)

    def _own_keys(self, place: str) -> Finding:
        what = f"{place} called {SUMMARY_KEYS[0]} leaves: redaction lets its own keys pass"
        todo = "delete it with a resource or attributes processor behind redaction"
        return self._at_rules(what, todo, REAL, is_leak=False)

    def _at_rules(self, what: str, todo: str, engine: str, *, is_leak: bool) -> Finding:
        return Finding(is_leak, self._rules_at, self._rules_line, engine, what, todo)

    def _program_texts(self, places: Sequence[str]) -> Finding:
        what = f"a program's own text leaves through {self._id}: {', '.join(places)}"
        todo = "keep tenants out of it, or set it to a text with a transform processor"
        if self._translate and any("scope" in place for place in places):
            todo += "; without_scope_info: true leaves the scope out"
        return self._at_exporter(what, todo, BOTH)

    def _at_exporter(self, what: str, todo: str, engine: str) -> Finding:
        is_leak = False
        return Finding(is_leak, self._exporter_at, self._exporter_line, engine, what, todo)

    def _beside_points(self) -> Iterator[Finding]:
        """What the real one forwards beside the labels of points, and this engine never does."""
        if isinstance(self._exporter, Prometheus):
            if self._exporter.enable_open_metrics:
                what = "exemplars show the ids of traces and spans"
                yield self._at_exporter(what, "write enable_open_metrics: false", BOTH)
            return
        for part in ("exemplar.filtered_attributes", "metric.metadata"):
            if f"keep_keys({part}" not in self._statements:
                what = f"{part} leaves through {self._id}: redaction does not see it"
                owner = part.partition(".")[0]
                todo = f"add to transform a group with context: {owner} and keep_keys({part}, [])"
                yield self._at_rules(what, todo, REAL, is_leak=True)

    def _labels(self) -> Iterator[Finding]:
        """Labels that are allowed may hold a tenant in their value."""
        kept = []
        for key in self._names[1:]:
            stream = probes.PLACES[POINTS](probes.bare(probes.NAME, Kind.COUNTER))
            named = _with_key(stream, key)
            values = [pair[1] for one in _through(self._ours, named) for pair in one.attributes]
            if probes.MARK in map(text_of, values):
                kept.append(key)
        if kept:
            what = f"values of these labels leave through {self._id}: {', '.join(sorted(kept))}"
            todo = "see that no program puts a tenant into them, such as /tenants/acme in a route"
            yield self._at_rules(what, todo, BOTH, is_leak=False)


def _through(rules: Rules, stream: Stream) -> list[Stream]:
    """What rules leave of a stream and its copies; nothing of what is dropped or refused."""
    left = [stream]
    for rule in rules:
        made = [each for one in left for each in rule(one)]
        left = [each for each in made if isinstance(each, Stream)]
    return left


def _lax(id_: ComponentId, rewrite: Rewrite) -> Callable[[Stream], Sequence[Made]]:
    """A rule as the Collector runs it, where it is known to let more through."""
    rule = partial(spread, rewrite)
    if id_.type in ("metrics_transform", "metricstransform"):
        return lambda stream: [stream] if stream.kind is Kind.SUMMARY else rule(stream)
    if id_.type == "redaction":
        return lambda stream: [
            _spared(stream, one) if isinstance(one, Stream) else one for one in rule(stream)
        ]
    return rule


def _spared(before: Stream, after: Stream) -> Stream:
    """Put back what redaction lets pass."""
    own = [pair for pair in before.attributes if pair[0] in SUMMARY_KEYS]
    around = [pair for pair in before.resource if pair[0] in SUMMARY_KEYS]
    scope = [pair for pair in before.scope.attributes if pair[0] in SUMMARY_KEYS]
    return after.but(
        attributes=tuple(sorted({*after.attributes, *own})),
        resource=tuple(sorted({*after.resource, *around})),
        scope=after.scope._replace(attributes=tuple(sorted({*after.scope.attributes, *scope}))),
    )


def _renamed(streams: Iterable[Stream]) -> Iterator[Stream]:
    for stream in streams:
        yield _with_key(stream, SUMMARY_KEYS[0])


def _with_key(stream: Stream, key: str) -> Stream:
    """Give the marked attribute another key."""

    def renamed(attributes: tuple[tuple[str, object], ...]) -> object:
        return tuple(sorted((key if k == probes.KEY else k, v) for k, v in attributes))

    scope = stream.scope._replace(attributes=renamed(stream.scope.attributes))  # type: ignore[arg-type] # the same pairs
    return stream.but(
        attributes=renamed(stream.attributes), resource=renamed(stream.resource), scope=scope
    )


def texts_of(text: str) -> tuple[str, ...]:
    """Every text in a file that could be the name of a metric or of a label."""
    found = dict.fromkeys(_scalars(document.read(text)))
    return tuple(one for one in found if one and len(one) <= NAME_LENGTH_MAX)[:NAMES_MAX]


def _scalars(node: Node) -> Iterator[str]:
    if isinstance(node, ScalarNode):
        if node.type is Type.TEXT:
            # what stands in quotes in a statement may be a name as well
            for text in (node.text, *_QUOTED.findall(node.text)):
                if not any(character in text for character in " ${}\n"):
                    yield text
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _scalars(item)
    elif isinstance(node, MappingNode):
        for entry in node.entries.values():
            yield from _scalars(entry.node)


def _texts_of(section: Section) -> str:
    """All statements of a transform processor."""
    if section.begins_with_text("metric_statements"):
        return " ".join(section.words("metric_statements"))
    groups = section.sections("metric_statements")
    return " ".join(" ".join(group.words("statements")) for group in groups)
