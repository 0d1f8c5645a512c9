"""The `cumulative_to_delta` processor: what grew since the last report.

In: its section. Out: a rule that calls counters and histograms deltas, so that the processors
behind it see what the Collector's would, and a note. The numbers are added up by the ledger: the
last reading of each life, which is what increments come to if none is lost. It knows no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model import Kind, Temporality
from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.model import Stream


def read(section: Section) -> Processor:
    """Read the processor's settings.

    `initial_value` has to be `keep`: what a source counted before the collector started counts, as
    it always does here; `auto`, the default, and `drop` leave it out.
    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/cumulativetodeltaprocessor
    """
    section.elsewhere("exclude", "include")
    section.seconds("max_staleness")
    initial = section.choice("initial_value", ("keep", "auto", "drop"), "auto", fold=True)
    if initial != "keep" and not section.mistaken("initial_value"):
        what = f"{initial} leaves out what was counted before the collector started; here it counts"
        section.mistake("initial_value", what, "write `initial_value: keep`")
    note = "satisfied by construction: this engine adds up what each source counted since its start"
    return Processor(_delta, note=note)


def _delta(stream: Stream) -> Stream:
    if stream.kind not in (Kind.COUNTER, Kind.HISTOGRAM, Kind.EXPONENTIAL):
        return stream
    return stream.but(temporality=Temporality.DELTA)
