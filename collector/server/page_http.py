"""The page for a browser: files out of the package, and one JSON document that they show.

Nothing comes from another host: the policy forbids it, as it forbids scripts within the HTML.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

from collector.exposition.negotiate import TEXT_FORMAT
from collector.page.figures import redaction, shown
from collector.server.messages import NOT_FOUND, PLAIN, Response, plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.errors import Refused
    from collector.river import River
    from collector.server.messages import Request

FIGURES = "/figures.json"
FILES = {
    "/": ("static/index.html", "text/html; charset=utf-8"),
    "/page.css": ("static/page.css", "text/css; charset=utf-8"),
    "/page.js": ("static/page.js", "text/javascript; charset=utf-8"),
    "/uPlot.min.css": ("vendor/uPlot.min.css", "text/css; charset=utf-8"),
    "/uPlot.iife.min.js": ("vendor/uPlot.iife.min.js", "text/javascript; charset=utf-8"),
}
"""Every path there is: none is made from what a request says."""
HEADERS = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
NOT_ALLOWED = Response(405, PLAIN, b"405 method not allowed\n", (("Allow", "GET, HEAD"),))


class PageHttp:
    """The handler behind `--page`."""

    body_bytes_max = 64 * 1024
    """There is nothing to say in a body."""

    def __init__(self, river: River, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since 1970."""
        self._river = river
        self._clock = clock
        package = files("collector.page")
        self._files = {
            path: Response(200, type_, (package / name).read_bytes(), HEADERS)
            for path, (name, type_) in FILES.items()
        }

    def answer(self, request: Request) -> Response:
        """Give a file, or the figures of this moment."""
        if request.method not in {"GET", "HEAD"}:
            return NOT_ALLOWED
        if request.path == FIGURES:
            return Response(200, "application/json", self._figures(), HEADERS)
        return self._files.get(request.path, NOT_FOUND)

    def refuse(self, request: Request, refusal: Refused) -> Response:  # noqa: ARG002 - all alike
        """Say why a body was not read."""
        return plainly(refusal)

    def _figures(self) -> bytes:
        outlets = self._river.prometheus.values()
        told = {
            "time": self._clock(),
            "shown": shown(outlet.scrape(TEXT_FORMAT).decode() for outlet in outlets),
            "redaction": redaction(self._river.self_metrics()),
        }
        return json.dumps(told).encode()
