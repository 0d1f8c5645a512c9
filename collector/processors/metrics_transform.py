"""The `metrics_transform` processor: which labels a metric keeps, and how the rest is added up.

In: its section. Out: a rule that keeps a label set and says how streams that become equal meet:
sum, max or min. It knows no number, no time and no other processor.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from collector import go_regexp
from collector.errors import RuleConflict
from collector.model import Kind, Merge
from collector.rule import Processor, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from collector.fields.section import Section
    from collector.model import Stream
    from collector.rule import Rewrite


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/metricstransformprocessor
    """
    return Processor(in_order([_transform(each) for each in section.sections("transforms")]))


def _transform(section: Section) -> Rewrite:
    section.require("include", "action")
    section.choice("action", ("update",), "update", elsewhere=("insert", "combine", "group"))
    section.elsewhere(
        "aggregation_type",
        "experimental_match_labels",
        "group_resource_labels",
        "new_name",
        "submatch_case",
    )
    matches = _matcher(section)
    rules = in_order([_operation(each) for each in section.sections("operations")])
    return lambda stream: rules(stream) if matches(stream.name) else stream


def _matcher(section: Section) -> Callable[[str], object]:
    include = section.text("include")
    if "include" in section and not include:
        section.mistake("include", "must not be empty")
    match_type = section.choice("match_type", ("strict", "regexp", ""), "strict")
    if match_type != "regexp":
        return partial(operator.eq, include)
    try:
        return go_regexp.compile(include).search
    except go_regexp.Unsupported as error:
        section.mistake("include", str(error), error.hint, quotes=True)
        return partial(operator.eq, include)


def _operation(section: Section) -> Rewrite:
    section.require("action")
    action = section.choice(
        "action",
        ("aggregate_labels",),
        "",
        elsewhere=(
            "add_label",
            "aggregate_label_values",
            "delete_label_value",
            "experimental_scale_value",
            "toggle_scalar_data_type",
            "update_label",
        ),
    )
    section.elsewhere(
        "aggregated_values",
        "experimental_scale",
        "label",
        "label_value",
        "new_label",
        "new_value",
        "value_actions",
    )
    if action:
        section.require("label_set", "aggregation_type")
    labels = frozenset(section.words("label_set"))
    merges = [merge.value for merge in Merge]
    elsewhere = ("mean", "median", "count")
    return aggregate(labels, Merge(section.choice("aggregation_type", merges, "sum", elsewhere)))


def aggregate(labels: Collection[str], merge: Merge) -> Rewrite:
    """Keep `labels` of a stream's point; streams that become equal meet by `merge`.

    Histograms only ever add up, as in the Collector. The first rule to match decides. A later one
    may take more labels away if it merges in the same way; otherwise (the sum over the maxima of
    groups) no rule on one stream can say what is meant: raises RuleConflict.
    """

    def rewrite(stream: Stream) -> Stream:
        meant = Merge.SUM if stream.kind is Kind.HISTOGRAM else merge
        kept = tuple(pair for pair in stream.attributes if pair[0] in labels)
        if stream.merge is None:
            return replace(stream, attributes=kept, merge=meant)
        if kept != stream.attributes and stream.merge is not meant:
            raise RuleConflict
        return replace(stream, attributes=kept)

    return rewrite
