"""/metrics is answered as the real collector's Prometheus exporter answers."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from collector.errors import Code, Refused
from collector.server.messages import Request, Response
from collector.server.metrics_http import MetricsHttp, prefers_gzip

if TYPE_CHECKING:
    from collector.exposition.negotiate import Format

PLAIN = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


def page(form: Format) -> bytes:
    """Write a page that shows how it was asked for."""
    return f"{form.dialect.number(1.0)}\n".encode()


def ask(
    method: str = "GET", path: str = "/metrics", *, open_metrics: bool = False, **headers: str
) -> Response:
    """Send a request to a handler and return its answer."""
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    return MetricsHttp(page, open_metrics=open_metrics).answer(Request(method, path, fields, b""))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_any_method_gets_the_page(method: str) -> None:
    """The real exporter does not look at it."""
    assert ask(method) == Response(200, PLAIN, b"1\n")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/foo"])
def test_any_other_path_is_not_found(path: str) -> None:
    """With Go's text."""
    assert (ask(path=path).status, ask(path=path).body) == (404, b"404 page not found\n")


def test_the_accept_header_chooses_the_format() -> None:
    """As far as the configuration allows it."""
    accept = "application/openmetrics-text;version=1.0.0"
    assert ask(accept=accept, open_metrics=True) == Response(200, OPEN, b"1.0\n")
    assert ask(accept=accept) == Response(200, PLAIN, b"1\n")


def test_a_page_is_compressed_for_who_wants_it() -> None:
    """And said to be."""
    response = ask(accept_encoding="gzip, deflate")
    assert response.headers == (("Content-Encoding", "gzip"),)
    assert gzip.decompress(response.body) == b"1\n"


@pytest.mark.parametrize(
    ("accept_encoding", "compressed"),
    [
        ("gzip", True),
        ("gzip, br", True),
        ("br;q=1, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=x", False),
        ("gzip;q=0.5, identity;q=0.6", False),
        ("identity, gzip", False),
        ("*", False),
        ("deflate", False),
        ("zstd", False),
        ("x-gzip", False),
        ("", False),
    ],
)
def test_compression_is_chosen_as_by_the_real_exporter(
    accept_encoding: str, *, compressed: bool
) -> None:
    """Gzip where it is named and wanted at least as much as none."""
    assert prefers_gzip(accept_encoding) is compressed


def test_a_body_that_is_too_long_is_refused() -> None:
    """In words."""
    refusal = Refused(Code.INVALID_ARGUMENT, "http: request body too large")
    handler = MetricsHttp(page, open_metrics=False)
    response = handler.refuse(Request("POST", "/metrics", {}, b""), refusal)
    assert (response.status, response.body) == (400, b"http: request body too large")
