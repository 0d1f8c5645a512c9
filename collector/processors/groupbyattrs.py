"""The `groupbyattrs` processor: attributes that go from points to their resources.

In: its section. Out: a rule, or without keys a note: then the Collector only puts together what
belongs together, and here it always is. It knows no number, no time and no other processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.attributes import put
from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.model import Stream


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/groupbyattrsprocessor
    """
    keys = frozenset(section.words("keys"))
    if not keys:
        note = "satisfied by construction: points of one resource are together wherever they stand"
        return Processor(note=note)

    def rewrite(stream: Stream) -> Stream:
        moved = {key: value for key, value in stream.attributes if key in keys}
        if not moved:
            return stream
        left = tuple(pair for pair in stream.attributes if pair[0] not in keys)
        return stream.but(resource=put(stream.resource, moved), attributes=left)

    return Processor(rewrite)
