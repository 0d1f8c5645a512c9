"""The rules of a pipeline, run on the mark: what the file would leave of it, who takes the rest.

Comes in: a pipeline and an exporter's settings. Goes out: an `Expected`. What a running collector
really does is compared with it elsewhere. No numbers, no sockets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from collector import probes
from collector.errors import Untranslatable
from collector.explain import steps_of
from collector.exposition.names import Translator
from collector.model import Kind
from doctor import mark as marks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.plan import Pipeline
    from collector.settings import Prometheus


class Expected(NamedTuple):
    """What is to be seen of the mark."""

    is_shown: bool
    by: str
    """Who drops it, where it is not shown."""
    takers: Mapping[str, str]
    """Attributes that do not live, and who takes them."""
    keeps_tenant: bool


def expected(pipeline: Pipeline, exporter: Prometheus) -> Expected:
    """Run the rules, one by one."""
    keys = (*marks.LABELS, marks.TENANT)
    bare = replace(probes.bare(marks.NAME, Kind.GAUGE), unit="s")
    left = replace(bare, attributes=tuple(sorted((key, marks.VALUE) for key in keys)))
    takers: dict[str, str] = {}
    for step in steps_of(pipeline.rules, left)[0]:
        if step.left is None:
            return Expected(is_shown=False, by=step.name, takers=takers, keeps_tenant=False)
        lives = dict(step.left.attributes)
        takers.update({key: step.name for key in keys if key not in lives and key not in takers})
        left = step.left
    try:
        Translator(exporter).translate(left)
    except Untranslatable as refusal:
        by = f"the exporter, which refuses it as {refusal}"
        return Expected(is_shown=False, by=by, takers=takers, keeps_tenant=False)
    tenant = marks.TENANT not in takers
    return Expected(is_shown=True, by="", takers=takers, keeps_tenant=tenant)
