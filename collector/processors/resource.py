"""The `resource` processor: actions on the attributes of resources.

In: its section. Out: a rule that changes a stream's resource. It knows no number, no time and no
other processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.processors import _actions
from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/resourceprocessor
    """
    change = _actions.read(section, "attributes")
    return Processor(lambda stream: stream.but(resource=change(stream.resource)), is_blind=True)
