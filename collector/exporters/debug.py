"""The `debug` exporter: what a pipeline keeps, in the collector's own log.

In: its section. Out: `push_settings.Debug`. It knows no metric and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.push_settings import Debug

if TYPE_CHECKING:
    from collector.fields.section import Section


def read(section: Section) -> Debug:
    """Read the exporter's settings.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/exporter/debugexporter
    """
    section.only("use_internal_logger", value=True)
    section.elsewhere("output_paths", "sampling_initial", "sampling_thereafter", "sending_queue")
    levels = ("basic", "normal", "detailed")
    return Debug(section.choice("verbosity", levels, "basic", fold=True))
