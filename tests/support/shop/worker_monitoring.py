"""Metrics of a worker for whoever asks, on every address of the machine."""

from __future__ import annotations

import threading


def start(port: int = 9540) -> None:
    """Serve what prometheus_client has, from a thread of the worker."""
    from wsgiref.simple_server import make_server  # noqa: PLC0415 - as it was found

    from prometheus_client import make_wsgi_app  # noqa: PLC0415 - as it was found

    server = make_server("0.0.0.0", port, make_wsgi_app())
    threading.Thread(target=server.serve_forever, daemon=True).start()
