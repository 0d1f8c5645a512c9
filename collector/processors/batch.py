"""The `batch` processor: checked, and already done.

In: its section. Out: a note. Batches spare the OpenTelemetry Collector work between its stages;
here a request is one batch from end to end and no point is ever held back, so there is nothing to
time or to size. It knows no stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section

_SEND_BATCH_SIZE = 8192


def read(section: Section) -> Processor:
    """Check the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/processor/batchprocessor
    """
    if section.seconds("timeout") < 0:
        section.mistake("timeout", "must not be negative")
    size = section.whole("send_batch_size", _SEND_BATCH_SIZE)
    size_max = section.whole("send_batch_max_size")
    if 0 < size_max < size:
        section.mistake("send_batch_max_size", f"must be at least send_batch_size, which is {size}")
    section.whole("metadata_cardinality_limit")
    keys = [key.lower() for key in section.words("metadata_keys")]
    if len(keys) > len(set(keys)):
        section.mistake("metadata_keys", "names a key twice; upper case does not count")
    return Processor(note="satisfied by construction: this engine never holds points back")
