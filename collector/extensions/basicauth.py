"""The `basicauth` extension: user names and passwords for servers.

In: its section. Out: `settings.BasicAuth`; its lines are read when a server needs them. It knows no
server and opens no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.settings import BasicAuth

if TYPE_CHECKING:
    from collector.fields.section import Section


def read(section: Section) -> BasicAuth:
    """Read the extension's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/extension/basicauthextension
    """
    section.elsewhere("client_auth", why=", which authenticates clients and is none")
    htpasswd = section.section("htpasswd")
    settings = BasicAuth(htpasswd.text("file"), htpasswd.text("inline"))
    if not (settings.file or settings.inline or htpasswd.mistaken("file", "inline")):
        section.mistake("", "no credential source", "write htpasswd::file or htpasswd::inline")
    return settings
