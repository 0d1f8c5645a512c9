"""A packed body -> the body, within limits; the encodings that the real collector takes over HTTP.

No more than one byte over a limit is unpacked, whatever a header promises. Which protocol brought
the body is not known.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import zstandard

from collector.errors import Code, Malformed, Refused
from collector.server.limits import Limit
from collector.server.messages import BODY_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Callable

RATIO_MAX = 500
"""Exporters' bodies have become up to 70 times shorter by gzip and up to 240 times by zstd here."""
RATIO_FREE_BYTES = 1024 * 1024
"""So much may come out of however little: what is left of a short body may be mostly headers."""
MEMBERS_MAX = 16
"""Exporters send one; a body of a million empty ones would cost more than it could ever say."""
ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * 1024
"""What an HTTP client may ask of who unpacks (https://www.rfc-editor.org/rfc/rfc9659)."""

_NOTHING_LEFT = "unexpected EOF"


class TooLong(Refused):
    """A body unpacks to more than a limit allows."""

    def __init__(self, limit: Limit, bytes_max: int) -> None:
        text = BODY_TOO_LARGE
        if limit is Limit.RATIO:
            text = f"{text}: it unpacks to more than {RATIO_MAX} times its length"
        super().__init__(Code.INVALID_ARGUMENT, text)
        self.limit = limit
        self.bytes_max = bytes_max


def unpack(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """Unpack a body of at most `bytes_max` bytes; `encoding` is a Content-Encoding, may be empty.

    Raises TooLong where more comes out, and Malformed where the body is not what its encoding says.
    """
    if not encoding:
        return body
    unpacker = UNPACKERS.get(encoding)
    if unpacker is None:
        raise Malformed(f"unsupported Content-Encoding: {encoding}")
    most = max(RATIO_FREE_BYTES, RATIO_MAX * len(body))
    unpacked = unpacker(body, min(bytes_max, most) + 1)
    if len(unpacked) > bytes_max:
        raise TooLong(Limit.UNPACKED_BYTES, bytes_max)
    if len(unpacked) > most:
        raise TooLong(Limit.RATIO, bytes_max)
    return unpacked


# Each of these stops at `room` bytes: then there may have been more, and nothing of it is used.


def _gunzip(body: bytes, room: int) -> bytes:
    """Unpack the members of a gzip file."""
    parts: list[bytes] = []
    while body and room:
        if len(parts) == MEMBERS_MAX:
            raise Malformed(f"gzip: more than {MEMBERS_MAX} members")
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            part = unpacker.decompress(body, room)
        except zlib.error:
            raise Malformed("gzip: invalid header or checksum") from None
        room -= len(part)
        if room and not unpacker.eof:
            raise Malformed(_NOTHING_LEFT)
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def _inflate(body: bytes, room: int) -> bytes:
    """Unpack zlib's format; what follows its end is passed over, as in the real collector."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(body, room)
    except zlib.error:
        raise Malformed("zlib: invalid header or checksum") from None
    if len(unpacked) < room and not unpacker.eof:
        raise Malformed(_NOTHING_LEFT)
    return unpacked


def _zstd(body: bytes, room: int) -> bytes:
    """Unpack the frames of a zstd file; no bytes at all are none, as in the real collector.

    Twice: one of the library's ways stops where it is told to, the other knows where a frame ends.
    """
    unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    parts: list[bytes] = []
    try:
        unpacked = unpacker.stream_reader(body, read_across_frames=True).read(room)
        while body and len(unpacked) < room:
            if len(parts) == MEMBERS_MAX:
                raise Malformed(f"zstd: more than {MEMBERS_MAX} frames")
            frame = unpacker.decompressobj()
            parts.append(frame.decompress(body))
            if not frame.eof:
                raise Malformed(_NOTHING_LEFT)
            body = frame.unused_data
    except zstandard.ZstdError:
        raise Malformed("zstd: not a frame, broken, or with a window above 8 MiB") from None
    return unpacked


UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "zlib": _inflate,
    "deflate": _inflate,  # the real collector means zlib's format too, and not raw deflate
    "zstd": _zstd,
}
