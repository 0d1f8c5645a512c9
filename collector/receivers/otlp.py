"""The `otlp` receiver: OTLP over HTTP.

In: its section. Out: `settings.OtlpHttp`. It knows no other component and opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import confighttp
from collector.settings import OtlpHttp

if TYPE_CHECKING:
    from collector.fields.section import Section

_BODY_BYTES_MOST = 2**63 - 1


def read(section: Section) -> OtlpHttp:
    """Read the receiver's settings.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/receiver/otlpreceiver
    """
    default = OtlpHttp()
    protocols = section.section("protocols")
    protocols.elsewhere("grpc", why=", which receives OTLP over HTTP only")
    if "http" not in protocols:
        protocols.mistake("", "no protocol that this engine receives", "add `http: {}`")
    http = protocols.section("http")
    for signal in ("metrics", "traces", "logs"):
        http.only(f"{signal}_url_path", f"/v1/{signal}")
    return OtlpHttp(
        endpoint=confighttp.read(http, default.endpoint),
        # 0 is the default in the Collector too.
        body_bytes_max=http.whole("max_request_body_size", most=_BODY_BYTES_MOST)
        or default.body_bytes_max,
    )
