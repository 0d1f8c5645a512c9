"""What every HTTP server of a configuration shares: where it listens.

In: the section of a receiver, exporter or extension. Out: its endpoint; who may speak to it is read
in `access.py`, and the many other settings of a server (`confighttp.ServerConfig`) are refused by
name. It knows no component and opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.fields.section import Section
    from collector.settings import Endpoint


def read(section: Section, default: Endpoint) -> Endpoint:
    """Where the server listens; `default` stands in where the file does not say."""
    section.only("transport", "tcp")
    section.only("include_metadata", value=False)
    section.elsewhere(
        "compression_algorithms",
        "cors",
        "dialer",
        "idle_timeout",
        "keep_alives_enabled",
        "keepalive",
        "middlewares",
        "read_header_timeout",
        "read_timeout",
        "response_headers",
        "write_timeout",
    )
    return section.endpoint("endpoint", default)
