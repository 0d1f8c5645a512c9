"""A handler that answers with what it was asked, and small limits for a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.server.limits import Limits
from collector.server.messages import PLAIN, Request, Response

if TYPE_CHECKING:
    from collector.errors import Refused

BODY_BYTES_MAX = 1000
LIMITS = Limits(connections_max=3, header_bytes_max=2000, buffered_bytes_max=1500)
LONG = b"x" * 20_000_000


class Echo:
    """Answers with what it was asked."""

    body_bytes_max = BODY_BYTES_MAX

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Response:
        """Say method, path and body; /long is a long answer, /fault none."""
        self.asked.append(request)
        if request.path == "/fault":
            raise KeyError("a label's value")
        if request.path == "/long":
            return Response(200, PLAIN, LONG)
        text = f"{request.method} {request.path} ".encode() + request.body
        return Response(200, PLAIN, text, (("X-Echo", "1"),))

    def refuse(self, request: Request, refusal: Refused) -> Response:
        """Say what was refused and why; /fault is a fault here too."""
        if request.path == "/fault":
            raise KeyError("a label's value")
        return Response(400, PLAIN, f"{request.path}: {refusal.message}".encode())
