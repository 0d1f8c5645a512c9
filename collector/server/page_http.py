"""The page for a browser: files out of the package, and JSON documents that they show.

Nothing comes from another host: the policy forbids it, as it forbids scripts and styles within the
HTML. Whoever looks often does not cost more: what was told stays good for a moment, and for longer
where it took long to find out.
"""

from __future__ import annotations

import json
from importlib.resources import files
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collector.page.told import Teller
from collector.server.messages import NOT_FOUND, PLAIN, Response, plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.errors import Refused
    from collector.river import River
    from collector.server.messages import Request

FIGURES = "/figures.json"
"""Of the first exporter; those of another one are at /figures/NAME.json."""
FILES = {
    "/": ("static/index.html", "text/html; charset=utf-8"),
    "/icon.svg": ("static/icon.svg", "image/svg+xml"),
    "/page.css": ("static/page.css", "text/css; charset=utf-8"),
    **{
        f"/{name}.js": (f"static/{name}.js", "text/javascript; charset=utf-8")
        for name in ("page", "history", "chart", "tables", "redaction", "words")
    },
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
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
NOT_ALLOWED = Response(405, PLAIN, b"405 method not allowed\n", (*HEADERS, ("Allow", "GET, HEAD")))
MISDIRECTED = Response(
    421,
    PLAIN,
    b"421 misdirected request: nobody is asked who is there, so the page answers only to an "
    b"address such as http://127.0.0.1:8080/ or to localhost. A name could be another site's.\n",
    HEADERS,
)
FRESH_SECONDS = 1.0
"""For so long what was told is told again."""
SHARE = 0.05
"""Of the time, at most, in which the process finds out what to tell."""


class PageHttp:
    """The handler behind `--page`."""

    body_bytes_max = 64 * 1024
    """There is nothing to say in a body."""

    def __init__(self, river: River, clock: Callable[[], float], *, by_address: bool) -> None:
        """`clock` tells seconds since 1970; `by_address` refuses requests to a name.

        A page of another site that makes its name mean 127.0.0.1 would be let in by the browser.
        """
        self.addresses: Mapping[str, str] = {}
        """Of all servers, by name, once they are known."""
        self._clock = clock
        self._started = clock()
        self._by_address = by_address
        package = files("collector.page")
        self._files = {
            path: Response(200, type_, (package / name).read_bytes(), HEADERS)
            for path, (name, type_) in FILES.items()
        }
        tellers = {
            str(id_): Teller(
                str(id_),
                outlet,
                [engine for engine in river.engines if id_ in engine.pipeline.exporters],
            )
            for id_, outlet in river.prometheus.items()
        }
        self._exporters = list(tellers)
        paths = [FIGURES, *(f"/figures/{name}.json" for name in self._exporters[1:])]
        self._tellers = dict(zip(paths, tellers.values()))
        self._paths = dict(zip(self._exporters, (path[1:] for path in paths)))
        self._told: dict[str, tuple[float, Response]] = {}
        """By path: good until when, and what."""

    def answer(self, request: Request) -> Response:
        """Give a file, or the figures of this moment."""
        if self._by_address and not _is_address(request.headers.get("host", "")):
            return MISDIRECTED
        if request.method not in {"GET", "HEAD"}:
            return NOT_ALLOWED
        if request.path in self._tellers:
            return self._figures(request.path)
        return self._files.get(request.path, NOT_FOUND)

    def refuse(self, request: Request, refusal: Refused) -> Response:  # noqa: ARG002 - all alike
        """Say why a body was not read."""
        return plainly(refusal)

    def _figures(self, path: str) -> Response:
        begun = monotonic()
        until, told = self._told.get(path, (0.0, NOT_FOUND))
        if begun >= until:
            document = {
                "time": round(self._clock(), 3),
                "started": round(self._started, 3),
                "exporters": self._paths,
                "push_to": self.addresses.get("otlp_http", ""),
                **self._tellers[path].tell(),
            }
            told = Response(200, "application/json", json.dumps(document).encode(), HEADERS)
            ended = monotonic()
            self._told[path] = ended + max(FRESH_SECONDS, (ended - begun) / SHARE), told
        return told


def _is_address(host: str) -> bool:
    """Whether a Host header names an address or this machine; who sends none is no browser."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in {"", "localhost"}:
            return True
        ip_address(name)
    except ValueError:
        return False
    return True
