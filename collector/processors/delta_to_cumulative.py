"""The `delta_to_cumulative` processor: increments added up.

In: its section. Out: a rule that calls deltas cumulative, so that the processors behind it see what
the Collector's would, and a note. The ledger adds them up, each interval once. It knows no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model import Temporality
from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.model import Stream

_MAX_STALE_SECONDS = 300.0


def read(section: Section) -> Processor:
    """Read the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/deltatocumulativeprocessor
    """
    if section.seconds("max_stale", _MAX_STALE_SECONDS) <= 0:
        section.mistake("max_stale", "must be longer than 0")
    section.whole("max_streams", most=2**63 - 1)
    note = (
        "satisfied by construction: this engine adds up deltas, each interval once; "
        "metric_expiration and --max-streams are its limits"
    )
    return Processor(_cumulative, note=note)


def _cumulative(stream: Stream) -> Stream:
    if stream.temporality is not Temporality.DELTA:
        return stream
    return stream.but(temporality=Temporality.CUMULATIVE)
