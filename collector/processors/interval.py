"""The `interval` processor: checked, and already done.

In: its section. Out: an interval and a note. In the Collector it holds points back and lets the
latest of each stream through; here a scrape reads the latest of each stream whenever it comes, and
the interval is that of exporters that push. It knows no stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.rule import Processor

if TYPE_CHECKING:
    from collector.fields.section import Section

_INTERVAL_SECONDS = 60.0


def read(section: Section) -> Processor:
    """Check the processor's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/intervalprocessor
    """
    interval = section.seconds("interval", _INTERVAL_SECONDS)
    if interval <= 0:
        section.mistake("interval", "must be longer than 0")
    pass_through = section.section("pass_through")
    pass_through.flag("gauge")
    pass_through.flag("summary")
    note = (
        "satisfied by construction: a scrape reads the latest of each stream; "
        f"exporters that push do so every {interval:g} s"
    )
    return Processor(interval_seconds=interval, note=note)
