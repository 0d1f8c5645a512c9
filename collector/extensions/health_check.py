"""The `health_check` extension: an HTTP answer for probes.

In: its section. Out: `settings.HealthCheck`. It knows no other component and opens no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import access, confighttp
from collector.settings import HealthCheck

if TYPE_CHECKING:
    from collector.fields.section import Section


def read(section: Section) -> HealthCheck:
    """Read the extension's settings.

    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/extension/healthcheckextension
    """
    default = HealthCheck()
    section.only("use_v2", value=False)
    section.elsewhere(
        "check_collector_pipeline", "component_health", "grpc", "http", "max_request_body_size"
    )
    path = section.text("path", default.path)
    if not path.startswith("/"):
        section.mistake("path", 'must start with "/"')
    bodies = section.section("response_body")
    healthy, unhealthy = bodies.text("healthy"), bodies.text("unhealthy")
    has_bodies = "response_body" in section
    return HealthCheck(
        endpoint=confighttp.read(section, default.endpoint),
        access=access.read(section),
        timeouts=confighttp.timeouts(section),
        path=path,
        healthy_body=healthy if has_bodies else None,
        unhealthy_body=unhealthy if has_bodies else None,
    )
