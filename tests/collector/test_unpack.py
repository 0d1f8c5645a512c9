"""Packed bodies: what comes out, what is refused, and that no bomb is ever unpacked."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Malformed, Refused
from collector.server.limits import Limit
from collector.server.unpack import (
    MEMBERS_MAX,
    RATIO_FREE_BYTES,
    RATIO_MAX,
    UNPACKERS,
    TooLong,
    unpack,
)

MIB = 1024 * 1024
PACK = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}

every_encoding = pytest.mark.parametrize("encoding", PACK)


def test_every_encoding_is_tested() -> None:
    """A new one has to be packed here too."""
    assert UNPACKERS.keys() == PACK.keys()


@every_encoding
@given(body=st.binary(max_size=200))
def test_what_was_packed_comes_out(encoding: str, body: bytes) -> None:
    """Byte for byte."""
    assert unpack(PACK[encoding](body), encoding, 200) == body


@every_encoding
@given(body=st.binary(max_size=200), data=st.data())
def test_anything_has_an_answer(encoding: str, body: bytes, data: st.DataObject) -> None:
    """Garbage, and packed bodies that were cut or changed: unpacked or refused, nothing else."""
    packed = bytearray(PACK[encoding](body))
    if packed and data.draw(st.booleans()):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    for given_ in (body, bytes(packed), bytes(packed)[: data.draw(st.integers(0, len(packed)))]):
        with suppress(Refused):
            assert len(unpack(given_, encoding, 300)) <= 300


@every_encoding
def test_what_is_cut_off_is_refused(encoding: str) -> None:
    """At every byte; a body that lost its end must never pass for a shorter one."""
    packed = PACK[encoding](b"some body, and some more of it" * 5)
    for length in range(1, len(packed)):
        with pytest.raises(Malformed):
            unpack(packed[:length], encoding, 1000)


def test_files_may_have_several_parts() -> None:
    """As both formats allow; an empty body has none."""
    assert unpack(gzip.compress(b"a") + gzip.compress(b"bc"), "gzip", 10) == b"abc"
    assert unpack(zstandard.compress(b"a") + zstandard.compress(b"bc"), "zstd", 10) == b"abc"
    assert unpack(b"", "gzip", 10) == b""
    assert unpack(b"", "zstd", 10) == b""


@every_encoding
def test_no_more_than_the_limit_is_unpacked(encoding: str) -> None:
    """Exactly as much as allowed is; one byte more is refused."""
    assert unpack(PACK[encoding](bytes(100)), encoding, 100) == bytes(100)
    with pytest.raises(TooLong) as caught:
        unpack(PACK[encoding](bytes(101)), encoding, 100)
    assert caught.value.limit is Limit.UNPACKED_BYTES
    assert caught.value.message == "http: request body too large"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_the_limit_counts_over_all_parts(encoding: str) -> None:
    """A second one begins where the first ended."""
    parts = PACK[encoding](bytes(60)) + PACK[encoding](bytes(41))
    assert unpack(parts, encoding, 101) == bytes(101)
    with pytest.raises(TooLong):
        unpack(parts, encoding, 100)


@every_encoding
def test_a_bomb_is_not_unpacked(encoding: str) -> None:
    """64 MiB of zeros take no more memory than the limit, and an answer."""
    bomb = PACK[encoding](bytes(64 * MIB))
    tracemalloc.start()
    with pytest.raises(TooLong):
        unpack(bomb, encoding, MIB)
    assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    tracemalloc.stop()


@every_encoding
def test_a_short_body_may_not_become_a_long_one(encoding: str) -> None:
    """Below the limit on length there is one on the ratio, from a size on that is worth a limit."""
    free = PACK[encoding](bytes(RATIO_FREE_BYTES))
    assert len(unpack(free, encoding, 20 * MIB)) == RATIO_FREE_BYTES
    dense = PACK[encoding](bytes(19 * MIB))
    assert len(dense) * RATIO_MAX < 19 * MIB
    with pytest.raises(TooLong, match="more than 500 times its length") as caught:
        unpack(dense, encoding, 20 * MIB)
    assert caught.value.limit is Limit.RATIO


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_million_empty_parts_are_not_unpacked(encoding: str) -> None:
    """Each would cost work and give nothing."""
    part = PACK[encoding](b"")
    assert unpack(part * MEMBERS_MAX, encoding, 100) == b""
    with pytest.raises(Malformed, match="more than"):
        unpack(part * 1_000_000, encoding, 100)


def test_one_format_is_not_taken_for_another() -> None:
    """`deflate` is zlib's format, as in the real collector, and neither raw deflate nor gzip."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    raw = packer.compress(b"abc" * 100) + packer.flush()
    for encoding, body in (
        ("deflate", raw),
        ("deflate", gzip.compress(b"abc")),
        ("gzip", zlib.compress(b"abc")),
        ("zstd", gzip.compress(b"abc")),
    ):
        with pytest.raises(Malformed):
            unpack(body, encoding, 1000)


def test_a_window_larger_than_http_allows_is_refused() -> None:
    """It would make the unpacker take 128 MiB for two bytes."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(Malformed, match="window above 8 MiB"):
        unpack(packer.compress(b"abc") + packer.flush(), "zstd", 1000)
