"""The `otlp` receiver: OTLP over HTTP and gRPC.

In: its section. Out: `settings.Otlp`. It knows no other component and opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import access, confighttp
from collector.receivers import _grpc
from collector.settings import Otlp, OtlpHttp

if TYPE_CHECKING:
    from collector.fields.section import Section

_BODY_BYTES_MOST = 2**63 - 1


def read(section: Section) -> Otlp:
    """Read the receiver's settings.

    https://github.com/open-telemetry/opentelemetry-collector/tree/main/receiver/otlpreceiver
    """
    protocols = section.section("protocols")
    # A protocol is spoken where its key stands, also with nothing behind it.
    http = _http(protocols.section("http"))
    grpc = _grpc.read(protocols.section("grpc"))
    spoken = Otlp(http if "http" in protocols else None, grpc if "grpc" in protocols else None)
    if not any(spoken):
        protocols.mistake("", "no protocol that this engine receives", "add `http: {}`")
    return spoken


def _http(section: Section) -> OtlpHttp:
    default = OtlpHttp()
    for signal in ("metrics", "traces", "logs"):
        section.only(f"{signal}_url_path", f"/v1/{signal}")
    return OtlpHttp(
        endpoint=confighttp.read(section, default.endpoint),
        # 0 is the default in the Collector too.
        body_bytes_max=section.whole("max_request_body_size", most=_BODY_BYTES_MOST)
        or default.body_bytes_max,
        access=access.read(section),
        timeouts=confighttp.timeouts(section),
    )
