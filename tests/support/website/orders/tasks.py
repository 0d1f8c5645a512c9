"""Its tasks, found by autodiscover_tasks."""

from __future__ import annotations

from celery import shared_task
from django.db import connection
from opentelemetry import metrics

orders = metrics.get_meter("website").create_counter("website.orders")


@shared_task
def order(number: int) -> int:
    """Ask the database, count, return."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    orders.add(1)
    return number
