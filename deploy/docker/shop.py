"""An application to deploy where there is none yet: one task, and a counter that knows tenants.

Celery reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND by itself, telemetry reads OTEL_*.
"""

from __future__ import annotations

from celery import Celery
from opentelemetry import metrics

from telemetry import instrument

app = Celery("shop")
app.conf.broker_connection_retry_on_startup = True
instrument(app)

orders = metrics.get_meter("shop").create_counter("shop.orders", unit="{order}")


@app.task(name="shop.order")
def order(tenant: str) -> None:
    """Count an order of a tenant; the tenant goes to the collector and no further."""
    orders.add(1, {"tenant_id": tenant})
