"""The project's Celery."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from celery import Celery, signals

if TYPE_CHECKING:
    from collections.abc import Callable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.website.settings")
app = Celery("website")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_ready.connect
def _publish(**_: object) -> None:
    from tests.support.website.orders.tasks import order  # noqa: PLC0415 - Django is ready now

    delay: Callable[..., object] = order.delay
    for number in range(3):
        delay(number)
