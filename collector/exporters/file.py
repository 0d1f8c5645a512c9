"""The `file` exporter: what a pipeline keeps, as OTLP in a file.

In: its section. Out: `push_settings.File`. It knows no metric and opens no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.fields import directories
from collector.push_settings import File, Rotation

if TYPE_CHECKING:
    from collector.fields.section import Section

_MEGABYTE = 1024 * 1024


def read(section: Section) -> File:
    """Read the exporter's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/fileexporter
    """
    section.require("path")
    section.elsewhere("compression", "compression_params", "encoding", "group_by")
    path = section.text("path")
    if "path" in section and not path and not section.mistaken("path"):
        section.mistake("path", "must not be empty")
    append = section.flag("append")
    if append and "rotation" in section:
        section.mistake("append", "cannot be combined with rotation")
    flush = section.seconds("flush_interval")
    if flush < 0:
        section.mistake("flush_interval", "must not be negative")
    return File(
        path=path,
        format=section.choice("format", ("json", "proto"), "json"),
        append=append,
        rotation=_rotation(section.section("rotation")) if "rotation" in section else None,
        flush_interval_seconds=flush,
        directory_mode=directories.mode(section, "0755"),
    )


def _rotation(section: Section) -> Rotation:
    megabytes = section.whole("max_megabytes")
    default = Rotation()
    return Rotation(
        bytes_max=megabytes * _MEGABYTE or default.bytes_max,  # 0 is the default there too
        days_max=section.whole("max_days"),
        backups_max=section.whole("max_backups", default.backups_max),
        local_time=section.flag("localtime"),
    )
