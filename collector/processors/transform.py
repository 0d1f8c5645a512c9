"""The `transform` processor: statements of OTTL about names and attributes.

In: its section. Out: a rule, group after group in the order of the file. What speaks of numbers or
times is refused, and so is every `error_mode` in which a statement that fails is passed over. It
knows no number, no time and no other processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.ottl import group
from collector.processors._ottl import ERROR_MODES, OF_METRICS, texts
from collector.rule import Processor, in_order

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.rule import Rewrite

_KEY = "metric_statements"


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/transformprocessor
    """
    why = ": it carries metrics only"
    section.elsewhere("log_statements", "profile_statements", "trace_statements", why=why)
    section.only("flatten_data", value=False)
    mode = section.choice("error_mode", ERROR_MODES, "", fold=True)
    if section.begins_with_text(_KEY):
        rules = [group.transform("", [], texts(section, _KEY))]
        _propagates(section, mode)
    else:
        rules = [_group(each, mode) for each in section.sections(_KEY)]
    return Processor(in_order(rules))


def _group(section: Section, mode: str) -> Rewrite:
    own = section.choice("error_mode", ERROR_MODES, "", fold=True)
    section.only("shared_cache", value=False)
    context = section.choice("context", (*OF_METRICS, "exemplar", ""), "", fold=True)
    if "statements" in section:
        _propagates(section, own or mode)
    if section.mistaken("context"):
        section.free_keys()
        return in_order([])
    return group.transform(context, texts(section, "conditions"), texts(section, "statements"))


def _propagates(section: Section, mode: str) -> None:
    if mode == "propagate" or section.mistaken("error_mode"):
        return
    said = f'"{mode}"' if mode else "the default, ignore,"
    what = (
        f"{said} is refused: a statement that fails would be passed over, "
        "and what it should have taken away would be exposed"
    )
    section.mistake("error_mode", what, "write `error_mode: propagate`")
