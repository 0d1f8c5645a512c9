"""`/health/live` and `/health/ready` as an ASGI application, for an API that listens anyway.

Comes in: a request. Goes out: 200, or 503 with the names of the checks that failed; why they did,
only for those who may know. It needs no framework; FastAPI and Starlette mount it, or take its
routes (`telemetry.health.routes`).

    health = Health(Readiness([database(connect), broker(celery)]), Access(token=token))
    app.mount("/health", health)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.health.access import Access

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from telemetry.health.readiness import Readiness, Report

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"

PREFIX = "/health"


class Health:
    """The application. Live is the process's event loop alone; ready is what the checks say."""

    def __init__(self, readiness: Readiness, access: Access | None = None) -> None:
        self._readiness = readiness
        self._access = access or Access()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ASGI 3."""
        if scope["type"] == "lifespan":
            await _live_through(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            status, body = await self._answer(scope)
            await _respond(send, status, body, with_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope) -> tuple[int, dict[str, Any]]:
        asked = _asked(scope)
        if asked not in {"/live", "/ready"}:
            return 404, {"status": "not found"}
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, {"status": "method not allowed"}
        if asked == "/live":
            return 200, {"status": "live"}
        report = await self._readiness.report()
        client = scope.get("client")
        knows = self._access.allows(list(scope["headers"]), client[0] if client else None)
        return (200 if report.ok else 503), _told(report, knows=knows)


def _asked(scope: Scope) -> str:
    """The path below where the application stands; a framework may or may not have cut it off."""
    path: str = scope["path"]
    path = path.removeprefix(scope.get("root_path", "").rstrip("/"))
    return path.removeprefix(PREFIX).rstrip("/")


def _told(report: Report, *, knows: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"status": "ready" if report.ok else "not ready"}
    if not report.ok:
        body["failed"] = report.failed
    if knows:
        body["checks"] = [result._asdict() for result in report.results]
    return body


async def _respond(send: Send, status: int, body: dict[str, Any], *, with_body: bool) -> None:
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content if with_body else b""})


async def _live_through(receive: Receive, send: Send) -> None:
    """Begin and end with the server, where nothing else is mounted."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
