"""`/metrics`: what Prometheus scrapes, and the collector's own numbers on another port.

A request's headers decide on format and compression; what is written comes from a function. Any
method is answered alike, as in the real collector, whose handler does not look at it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from collector.exposition.negotiate import choices, negotiate
from collector.server.messages import NOT_FOUND, Response, plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.errors import Refused
    from collector.exposition.negotiate import Format
    from collector.server.messages import Request

PATH = "/metrics"
GZIP_LEVEL = 1
"""The loop waits meanwhile; an exposition's repetitions are found at the lowest level too."""


class MetricsHttp:
    """The handler behind a server that is scraped."""

    body_bytes_max = 64 * 1024
    """There is nothing to say in a body."""

    def __init__(self, scrape: Callable[[Format], bytes], *, open_metrics: bool) -> None:
        self._scrape = scrape
        self._open_metrics = open_metrics

    def answer(self, request: Request) -> Response:
        """Write the exposition."""
        if request.path != PATH:
            return NOT_FOUND
        form = negotiate(request.headers.get("accept", ""), open_metrics=self._open_metrics)
        page = self._scrape(form)
        if prefers_gzip(request.headers.get("accept-encoding", "")):
            return Response(200, form.content_type, gzip(page), (("Content-Encoding", "gzip"),))
        return Response(200, form.content_type, page)

    def refuse(self, request: Request, refusal: Refused) -> Response:  # noqa: ARG002 - all alike
        """Say why a body was not read."""
        return plainly(refusal)


def prefers_gzip(accept_encoding: str) -> bool:
    """Whether gzip is named, acceptable and not less wanted than no compression."""
    known = (choice.value for choice in choices(accept_encoding))
    return next((value for value in known if value in {"gzip", "identity"}), "") == "gzip"


def gzip(page: bytes) -> bytes:
    """Compress a page."""
    packer = zlib.compressobj(GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
    return packer.compress(page) + packer.flush()
