"""What every HTTP server of a configuration shares: where it listens and how long it waits.

In: the section of a receiver, exporter or extension. Out: its endpoint and its patience; who may
speak to it is read in `access.py`, and the many other settings of a server
(`confighttp.ServerConfig`) are refused by name. It knows no component and opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.settings import Timeouts

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
        "middlewares",
        "response_headers",
    )
    return section.endpoint("endpoint", default)


def timeouts(section: Section) -> Timeouts:
    """How long the server waits; 0 is the default, and waiting for ever is the Collector's alone.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/confighttp
    """
    section.only("keep_alives_enabled", value=True)
    keepalive = section.section("keepalive")
    keepalive.only("enabled", value=True)
    old = _seconds(section, "idle_timeout")
    if old:
        section.warn("idle_timeout", "deprecated, write keepalive::idle_timeout")
        if "keepalive" in section:
            section.mistake("idle_timeout", "cannot be configured beside keepalive")
    return Timeouts(
        header_seconds=_seconds(section, "read_header_timeout"),
        request_seconds=_seconds(section, "read_timeout"),
        response_seconds=_seconds(section, "write_timeout"),
        idle_seconds=_seconds(keepalive, "idle_timeout") or old,
    )


def _seconds(section: Section, key: str) -> float | None:
    seconds = section.seconds(key)
    if seconds < 0:
        section.mistake(key, "no timeout at all is how slow clients keep others out", "write 0")
    return seconds or None
