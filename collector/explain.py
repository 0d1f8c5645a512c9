"""What happens to one metric: which rules touch it, which labels live, and why.

In: a plan, the metric's name, attributes to try, and keys that the file names. Out: lines of text.
The rules are run one by one on a stream, and what each changed is told. No numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from collector import probes
from collector.errors import RuleConflict, Untranslatable
from collector.exposition.names import Translator
from collector.model import Kind, Stream, text_of
from collector.rule import Rewrite, spread
from collector.settings import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from collector.fields.component_id import ComponentId
    from collector.model import Value
    from collector.plan import Pipeline, Plan

Rules: TypeAlias = "Sequence[tuple[ComponentId, Rewrite]]"
Copy: TypeAlias = "tuple[ComponentId, Stream, Rules]"

ANY = "any other key"
"""Stands for every attribute that was not asked for."""


class Step(NamedTuple):
    """One processor, and what is left behind it."""

    name: str
    left: Stream | None


def explain(
    plan: Plan, metric: str, kind: Kind, attributes: Mapping[str, str], keys: Iterable[str] = ()
) -> Iterator[str]:
    """Yield what is to be said, pipeline by pipeline.

    Of `keys`, which need not be any attribute's, those are told that fare otherwise than any other.
    """
    pairs = tuple(sorted({**attributes, probes.KEY: probes.MARK}.items()))
    before = replace(probes.bare(metric, kind), attributes=pairs)
    before = replace(before, resource=tuple(sorted((*before.resource, (probes.KEY, probes.MARK)))))
    before = replace(before, scope=before.scope._replace(attributes=((probes.KEY, probes.MARK),)))
    tried = [key for key in keys if key not in attributes]
    for pipeline in plan.pipelines:
        yield f"service::pipelines::{pipeline.name}, as a {kind.value}"
        yield from _told(plan, pipeline, pipeline.rules, before, tried)


def _told(
    plan: Plan, pipeline: Pipeline, rules: Rules, before: Stream, keys: Sequence[str]
) -> Iterator[str]:
    """Yield what rules make of a stream, and then of each copy what those behind make of it."""
    steps, copies = steps_of(rules, before)
    left = steps[-1].left if steps else before
    yield from _rules(before, steps)
    if left is not None:
        yield from _named(rules, before, keys)
        yield from _labels(before, steps)
        yield from _shown(plan, pipeline, left)
    for id_, copy, behind in copies:
        held = ", ".join(_shown_key(key) for key, _ in copy.attributes) or "no attribute"
        yield f"  processors::{id_} makes a copy of it: {copy.name} with {held}"
        yield from _told(plan, pipeline, behind, copy, keys)


def steps_of(rules: Rules, before: Stream) -> tuple[list[Step], list[Copy]]:
    """Run rules one by one, up to one that drops or refuses the stream; and what copies they make.

    A copy comes with the component that makes it, and the rules that are behind that.
    """
    copies: list[Copy] = []
    steps: list[Step] = []
    left: Stream | None = before
    for at, (id_, rewrite) in enumerate(rules):
        if left is None:
            break
        itself, *made = spread(rewrite, left)
        copies += [(id_, one, rules[at + 1 :]) for one in made if isinstance(one, Stream)]
        refused = f": refused ({_reason(itself)})" if isinstance(itself, Exception) else ""
        left = itself if isinstance(itself, Stream) else None
        steps.append(Step(f"processors::{id_}{refused}", left))
    return steps, copies


def _reason(refusal: Exception) -> str:
    return "conflicting_aggregation" if isinstance(refusal, RuleConflict) else str(refusal)


def _rules(before: Stream, steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        if step.left is None:
            yield f"  {step.name}: dropped" if "refused" not in step.name else f"  {step.name}"
            return
        changes = "; ".join(_changes(before, step.left)) or "does not touch it"
        yield f"  {step.name}: {changes}"
        before = step.left


def _changes(before: Stream, after: Stream) -> Iterator[str]:
    places = (
        ("points", before.attributes, after.attributes),
        ("resource", before.resource, after.resource),
        ("scope", before.scope.attributes, after.scope.attributes),
    )
    for place, old, new in places:
        was, now = dict(old), dict(new)
        gone = [_shown_key(key) for key in was if key not in now]
        come = [_shown_key(key) for key in now if key not in was]
        other = [_shown_key(key) for key in now if key in was and was[key] != now[key]]
        for verb, keys in (("takes", gone), ("adds", come), ("changes", other)):
            if keys:
                yield f"{verb} {', '.join(keys)} ({place})"
    if after.merge is not before.merge and after.merge:
        yield f"streams that become equal meet by {after.merge.value}"
    for what in ("name", "unit", "description", "kind"):
        if getattr(before, what) != getattr(after, what):
            yield f"changes its {what}"
    if before.scope[:3] != after.scope[:3]:
        yield "changes the scope"


def _shown_key(key: str) -> str:
    return ANY if key == probes.KEY else key


def _named(rules: Rules, before: Stream, keys: Sequence[str]) -> Iterator[str]:
    """Tell of keys, each tried alone, whose fate is not that of a key that nobody named."""
    usual = _alone(rules, before, probes.KEY)
    for key in keys:
        fate = _alone(rules, before, key)
        if fate not in ("", usual):
            yield f"  label {key}: {fate}"


def _alone(rules: Rules, before: Stream, key: str) -> str:
    """Return the fate of the only attribute of a stream; empty where the stream goes with it."""
    steps, _ = steps_of(rules, before.but(attributes=((key, probes.MARK),)))
    return _fate(key, probes.MARK, steps) if not steps or steps[-1].left is not None else ""


def _labels(before: Stream, steps: Sequence[Step]) -> Iterator[str]:
    """Tell of every attribute of points whether it lives, and who took it."""
    for key, value in before.attributes:
        yield f"  label {_shown_key(key)}: {_fate(key, value, steps)}"


def _fate(key: str, value: Value, steps: Sequence[Step]) -> str:
    """Tell what becomes of an attribute; one that comes with its value as it goes is the same."""
    fate = "lives: no rule takes it"
    before: Mapping[str, Value] = {key: value}
    for step in steps:
        left = dict(step.left.attributes) if step.left else {}
        if key not in left:
            heirs = [one for one in left if left[one] == value and one not in before]
            if len(heirs) != 1:
                return f"goes: {step.name} takes it"
            (key,) = heirs
            fate = f"lives as {key}, renamed by {step.name}"
        elif left[key] != value:
            fate, value = f"lives, changed by {step.name}", left[key]
        before = left
    return fate


def _shown(plan: Plan, pipeline: Pipeline, last: Stream) -> Iterator[str]:
    for id_ in pipeline.exporters:
        exporter = plan.exporters[id_]
        if not isinstance(exporter, Prometheus):
            keys = ", ".join(_shown_key(key) for key, _ in last.attributes) or "no attribute"
            yield f"  exporters::{id_}: {last.name} with {keys}"
            continue
        try:
            line = Translator(exporter).translate(last)
        except Untranslatable as refusal:
            yield f"  exporters::{id_}: refused ({refusal})"
            continue
        labels = ", ".join(
            name if text_of(value) != probes.MARK else f"{name} ({ANY})"
            for name, value in line.labels
        )
        yield f"  exporters::{id_}: {line.family} ({line.type.value}) with {labels or 'no label'}"
