"""The `bearertokenauth` extension: tokens for servers.

In: its section. Out: `settings.BearerTokenAuth`; a file of tokens is read when a server needs it.
It knows no server and opens no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.settings import BearerTokenAuth

if TYPE_CHECKING:
    from collector.fields.section import Section


def read(section: Section) -> BearerTokenAuth:
    """Read the extension's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/extension/bearertokenauthextension
    """
    default = BearerTokenAuth()
    section.elsewhere("retry_on_failure", "wait_for_token_file")
    header = section.text("header") or default.header
    scheme = section.text("scheme", default.scheme)
    token, tokens = section.text("token"), section.words("tokens")
    if token and tokens:
        section.mistake("tokens", "either tokens or token, not both")
    file = section.text("filename")
    if not (token or tokens or file or section.mistaken("token", "tokens", "filename")):
        section.mistake("", "no bearer token", "write token, tokens or filename")
        return default
    if file and (token or tokens):
        section.warn("filename", "the tokens in the file take the place of the others")
    tokens = () if file else tokens or (token,)
    if any(not each.strip() for each in tokens) and not section.mistaken("token", "tokens"):
        section.mistake("tokens" if token == "" else "token", "an empty token lets everybody in")
    return BearerTokenAuth(tokens=tokens, file=file, header=header, scheme=scheme)
