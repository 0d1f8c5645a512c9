"""The `file_storage` extension: a directory in which a sending queue outlives the process.

In: its section. Out: `push_settings.FileStorage`. It knows no exporter and looks at no disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.fields import directories
from collector.push_settings import FileStorage

if TYPE_CHECKING:
    from collector.fields.section import Section

_DIRECTORY = "/var/lib/otelcol/file_storage"
_TIMEOUT_SECONDS = 1.0


def read(section: Section) -> FileStorage:
    """Read the extension's settings; here every request is a file, and nothing needs compaction.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/extension/storage/filestorage
    """
    section.elsewhere("compaction", why=": a request that was sent leaves nothing behind")
    section.only("recreate", value=False)
    section.elsewhere("max_size", why=", where queue_size of the exporter is the limit")
    section.seconds("timeout", _TIMEOUT_SECONDS)
    return FileStorage(
        directory=section.text("directory", _DIRECTORY),
        directory_mode=directories.mode(section, "0750"),
        fsync=section.flag("fsync"),
    )
