"""Packed bodies of every encoding, against the libraries' own way to unpack."""

from __future__ import annotations

import gzip
import io
import zlib

import zstandard

from collector.server.unpack import Malformed, TooLong, unpack

ENCODINGS = ("gzip", "deflate", "zlib", "zstd")
"""An input's first byte says which, the rest is the body."""
BYTES_MAX = 4 << 20


def unpacked(data: bytes) -> None:
    """What comes out is what the library says, within the limit, or it is refused."""
    encoding, body = ENCODINGS[data[0] % len(ENCODINGS) if data else 0], data[1:]
    try:
        found = unpack(body, encoding, BYTES_MAX)
    except (Malformed, TooLong):
        return
    assert len(found) <= BYTES_MAX
    assert found == _plainly(body, encoding)


def _plainly(body: bytes, encoding: str) -> bytes:
    """Unpack what is good, without limits."""
    if encoding == "zstd":
        reader = zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(body), read_across_frames=True
        )
        return reader.readall()
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompressobj().decompress(body)
