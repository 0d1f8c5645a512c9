"""The `health_check` extension: whether the collector serves, in the real one's words.

It tells of the process, not of the metrics: also a collector that refuses for want of memory is
available. Nobody but the process says when it is.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from collector.server.messages import NOT_FOUND, PLAIN, Response, plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.errors import Refused
    from collector.server.messages import Request
    from collector.settings import HealthCheck

JSON = "application/json"
NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time."""


class HealthHttp:
    """The handler behind the extension's server."""

    body_bytes_max = 64 * 1024
    """There is nothing to say in a body."""

    def __init__(self, settings: HealthCheck, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since 1970."""
        self._settings = settings
        self._clock = clock
        self.available_since: float | None = None
        """None while the collector does not serve."""

    def answer(self, request: Request) -> Response:
        """Tell how it is; the default path `/` stands for every path."""
        if self._settings.path not in {"/", request.path}:
            return NOT_FOUND
        status = 503 if self.available_since is None else 200
        settings = self._settings
        body = settings.unhealthy_body if self.available_since is None else settings.healthy_body
        if body is None:
            return Response(status, JSON, self._report())
        return Response(status, PLAIN, body.encode(errors="replace"))

    def refuse(self, request: Request, refusal: Refused) -> Response:  # noqa: ARG002 - all alike
        """Say why a body was not read."""
        return plainly(refusal)

    def _report(self) -> bytes:
        since = self.available_since
        if since is None:
            report = {"status": "Server not available", "upSince": NEVER, "uptime": ""}
        else:
            report = {
                "status": "Server available",
                "upSince": rfc3339(since),
                "uptime": go_duration(self._clock() - since),
            }
        return json.dumps(report, separators=(",", ":")).encode()


def rfc3339(seconds: float) -> str:
    """Write a time since 1970 as Go's JSON does, in UTC."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").removesuffix(".")
    return f"{text}Z"


def go_duration(seconds: float) -> str:
    """Write a duration as Go does, to the millisecond: `0s`, `12ms`, `1.5s`, `1h0m0.25s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds > 0 else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").removesuffix(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
