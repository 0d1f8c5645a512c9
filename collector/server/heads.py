"""The head of a request as it stood last time: who sends the same again is not parsed again.

A client repeats its head byte for byte, but for the digits of Content-Length. So the bytes around
these digits, once a parser has judged them, say all that parsing them again would. A head is a
cache and never a second truth: only plain ones are remembered, and whatever differs is parsed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_BYTES_MAX = 4096
"""Longer ones are parsed each time; an exporter's head has less than 1 kB."""
_DIGITS_MAX = 9
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,9})(?=\r\n)", re.IGNORECASE)
_ODD = frozenset({"connection", "expect", "transfer-encoding", "upgrade", "trailer"})
"""Headers by which one request is treated unlike the next."""


class Head(NamedTuple):
    """The bytes before and behind the length of the body, and what they say."""

    before: bytes
    behind: bytes
    method: str
    path: str
    headers: Mapping[str, str]
    """Without Content-Length."""

    def match(self, data: bytes) -> tuple[int, int] | None:
        """Return the length of the body and where it begins, if `data` begins with this head."""
        if not data.startswith(self.before):
            return None
        at = len(self.before)
        end = data.find(b"\r", at, at + _DIGITS_MAX + 1)
        digits = data[at:end] if end > at else b""
        if not digits.isdigit() or not data.startswith(self.behind, end):
            return None
        return int(digits), end + len(self.behind)


def learn(data: bytes, method: str, path: str, headers: Mapping[str, str]) -> Head | None:
    """Remember the head with which `data` begins, which was parsed as HTTP/1.1 and found good."""
    end = data.find(_END, 0, HEAD_BYTES_MAX) + len(_END)
    if end < len(_END) or not _ODD.isdisjoint(headers) or "content-length" not in headers:
        return None
    if data.count(b"\n", 0, end) != data.count(b"\r\n", 0, end):
        return None  # a lone line feed may have ended the head before
    lengths = list(_LENGTH.finditer(data, 0, end))
    if len(lengths) != 1 or lengths[0][1].decode() != headers["content-length"]:
        return None
    first, last = lengths[0].span(1)
    kept = {name: value for name, value in headers.items() if name != "content-length"}
    return Head(data[:first], data[last:end], method, path, kept)
