"""The `filter` processor: metrics and points that are dropped.

In: its section. Out: a rule that drops streams by names, or by conditions of OTTL about what a
stream is. Such a condition cannot fail in the Collector, so that every `error_mode` is the same.
It knows no number, no time and no other processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.ottl import group
from collector.processors import _names
from collector.processors._ottl import ERROR_MODES, OF_METRICS, texts
from collector.rule import Processor, in_order

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.model import Stream
    from collector.processors._names import Matches
    from collector.rule import Rewrite

_KEY = "metric_conditions"
_OF_OLD = ("resource", "metric", "datapoint")


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/filterprocessor
    """
    section.choice("error_mode", ERROR_MODES, "", fold=True)
    others = ("log_conditions", "logs", "profile_conditions", "profiles", "spans")
    section.elsewhere(*others, "trace_conditions", "traces", why=": it carries metrics only")
    metrics = section.section("metrics")
    by_name = [key for key in ("include", "exclude") if key in metrics]
    of_old = [key for key in _OF_OLD if key in metrics]
    ways = [keys for keys in (by_name, of_old, [_KEY] if _KEY in section else []) if keys]
    if len(ways) > 1:
        named = " and ".join(keys[0] for keys in ways)
        section.mistake("", f"{named} exclude each other", f"write all as {_KEY}")
    _names.cache(metrics.section("regexp"))
    rules = [_by_names(metrics), *(group.drop(key, texts(metrics, key)) for key in of_old)]
    return Processor(in_order([*rules, *_by_conditions(section)]))


def _by_names(metrics: Section) -> Rewrite:
    include, exclude = _names_of(metrics, "include"), _names_of(metrics, "exclude")

    def rewrite(stream: Stream) -> Stream | None:
        included = include is None or include(stream.name)
        excluded = exclude is not None and exclude(stream.name)
        return stream if included and not excluded else None

    return rewrite


def _names_of(metrics: Section, key: str) -> Matches | None:
    if key not in metrics:
        return None
    properties = metrics.section(key)
    properties.elsewhere("expressions", "resource_attributes")
    return _names.any_of(properties, "metric_names", unless="expressions")


def _by_conditions(section: Section) -> list[Rewrite]:
    if section.begins_with_text(_KEY):
        return [group.drop("", texts(section, _KEY))]
    return [_group(each) for each in section.sections(_KEY)]


def _group(section: Section) -> Rewrite:
    section.choice("error_mode", ERROR_MODES, "", fold=True)
    context = section.choice("context", (*OF_METRICS, ""), "", fold=True)
    if section.mistaken("context"):
        section.free_keys()
        return in_order([])
    return group.drop(context, texts(section, "conditions"))
