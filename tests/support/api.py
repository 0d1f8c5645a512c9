"""An API as users write it: FastAPI that counts, publishes, and says whether it is ready.

Served by uvicorn or gunicorn as `tests.support.api:app`. LAB_ROLE is whom it connects to the
database as, LAB_TOKEN who may read why it is not ready.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from fastapi import FastAPI
from opentelemetry import metrics
from sqlalchemy.engine import make_url

from telemetry import push_metrics
from telemetry.health.access import Access
from telemetry.health.asgi import Health
from telemetry.health.checks import TenantTable, broker, database, row_security
from telemetry.health.readiness import Readiness
from telemetry.health.routes import routes
from tests.support.app import app as celery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = make_url(os.environ["LAB_DATABASE"])

push_metrics()
meter = metrics.get_meter("api")
requests = meter.create_counter("api.requests", unit="{request}")
starts = meter.create_counter("api.starts", unit="{start}")
starts.add(1)  # where the application is loaded: in each process, or once before they are forked


def connect() -> Any:
    """A connection as the API's requests have it."""
    role = os.environ["LAB_ROLE"]
    return psycopg2.connect(host=str(URL.query["host"]), user=role, dbname=URL.database)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Say the last word here: uvicorn ends by a signal, which no exit handler outlives."""
    yield
    metrics.get_meter_provider().force_flush()  # type: ignore[attr-defined] # the SDK's has it


app = FastAPI(lifespan=lifespan)
readiness = Readiness(
    [
        database(connect),
        row_security(connect, [TenantTable("orders")], setting="app.tenant_id"),
        broker(celery),
    ]
)
app.router.routes.extend(routes(Health(readiness, Access(os.environ["LAB_TOKEN"]))))


@app.post("/orders/{tenant}")
def order(tenant: str) -> dict[str, int]:
    """Count an order of a tenant's, and have a worker do the rest."""
    requests.add(1, {"tenant_id": tenant})
    celery.send_task("tests.support.app.ok", (tenant, 1.0))
    return {"pid": os.getpid()}
