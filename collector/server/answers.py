"""An answer -> the bytes of HTTP/1 that are sent for it.

When they are sent, and to whom, is not known here.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from collector.server.messages import PLAIN, Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SHORT_BYTES = 1024
"""Longer bodies are not kept with their head."""


def plain(status: int) -> Response:
    """Say a status and nothing else."""
    return Response(status, PLAIN, f"{status} {HTTPStatus(status).phrase}".encode())


def head(response: Response, date: str, connection: str) -> bytes:
    """Write what stands before the body.

    `connection` is the value of that header, which is left out where it is empty.
    """
    headers = [
        ("Content-Type", response.content_type),
        *response.headers,
        ("Date", date),
        ("Content-Length", str(len(response.body))),
    ]
    if connection:
        headers.append(("Connection", connection))
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    return "\r\n".join([*lines, *map(": ".join, headers), "\r\n"]).encode("latin-1")


@lru_cache(maxsize=256)  # most requests of a second are answered alike
def short(response: Response, date: str, connection: str) -> bytes:
    """Write an answer of at most SHORT_BYTES as a whole."""
    return head(response, date, connection) + response.body
