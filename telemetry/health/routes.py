"""The health application as routes of Starlette, which FastAPI takes as well.

    app.router.routes.extend(routes(health))

Comes in: a `Health`. Goes out: two routes, at `/health/live` and `/health/ready` or another prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from telemetry.health.asgi import PREFIX

if TYPE_CHECKING:
    from telemetry.health.asgi import Health


def routes(health: Health, prefix: str = PREFIX) -> list[Route]:
    """The routes; they stand in no OpenAPI schema."""
    return [
        Route(f"{prefix}/{name}", health, name=f"health_{name}", include_in_schema=False)
        for name in ("live", "ready")
    ]
