"""The application: SHOP_PORT makes its worker listen there, once it is ready."""

from __future__ import annotations

import os

from celery import Celery, signals

from tests.support.shop import worker_monitoring

app = Celery("shop", broker="memory://")


@signals.worker_ready.connect
def _listen(**_: object) -> None:
    if "SHOP_PORT" in os.environ:
        worker_monitoring.start(int(os.environ["SHOP_PORT"]))
