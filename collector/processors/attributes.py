"""The `attributes` processor: actions on the attributes of points.

In: its section. Out: a rule that changes the attributes of the metrics it is for. Streams that
become equal are one series, whose sum stays exact. It knows no number, no time and no other
processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.processors import _actions, _names
from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.model import Stream
    from collector.processors._names import Matches


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/attributesprocessor
    """
    change = _actions.read(section, "actions")
    include, exclude = _names_of(section, "include"), _names_of(section, "exclude")

    def rewrite(stream: Stream) -> Stream:
        included = include is None or include(stream.name)
        if not included or (exclude is not None and exclude(stream.name)):
            return stream
        return stream.but(attributes=change(stream.attributes))

    return Processor(rewrite)


def _names_of(section: Section, key: str) -> Matches | None:
    if key not in section:
        return None
    properties = section.section(key)
    # The Collector reads `resources` for metrics and then does not look at them.
    properties.elsewhere("resources", why=": it has no effect on metrics")
    return _names.any_of(properties, "metric_names", unless="resources")
